//! Runs one program and says on stderr what it took: wall, user and system microseconds, peak bytes.
//!
//! A program of its own because the kernel counts the memory of the process that starts a child as the
//! child's, until the child becomes another program: whoever starts the measured one must be tiny.

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let Some(program) = args.next() else { return ExitCode::from(2) };
    let mut command = Command::new(program);
    command.args(args).stderr(Stdio::null()); // standard input is the caller's
    let start = Instant::now();
    let used = match command.spawn().and_then(wait4::Wait4::wait4) {
        Ok(used) => used,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(127);
        }
    };
    let wall = start.elapsed().as_micros();
    let (user, system) = (used.rusage.utime.as_micros(), used.rusage.stime.as_micros());
    eprintln!("{wall} {user} {system} {}", used.rusage.maxrss);
    used.status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
