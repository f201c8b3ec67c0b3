//! Runs a program and prints its resource usage to stderr: wall, user and system time in microseconds, and peak memory
//! in bytes.
//!
//! This is a separate program because the kernel counts a parent's memory for its child process until the child
//! executes another program. The memory of this program is too small to change the result.

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let Some(program) = args.next() else { return ExitCode::from(2) };
    let mut command = Command::new(program);
    command.args(args).stderr(Stdio::null()); // Standard input is inherited.
    let start = Instant::now();
    let usage = match command.spawn().and_then(wait4::Wait4::wait4) {
        Ok(usage) => usage,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(127);
        }
    };
    let wall = start.elapsed().as_micros();
    let (user, system) = (usage.rusage.utime.as_micros(), usage.rusage.stime.as_micros());
    eprintln!("{wall} {user} {system} {}", usage.rusage.maxrss);
    usage.status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
