//! Runs the program, isolated from this machine's environment.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The output and the exit code of a run of the program.
pub(crate) struct ProgramOutput {
    /// The exit code, or -1 if a signal ended the program.
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Returns the path of the program under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_jobplate"))
}

/// Returns a command that runs in `dir`, which is also its home directory, and inherits none of the user's environment
/// variables.
pub(crate) fn isolated_command(program: impl AsRef<OsStr>, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().current_dir(dir).env("HOME", dir).env("TERM", "dumb").env("LC_ALL", "C.UTF-8");
    // Windows programs do not start without these variables.
    for name in ["SystemRoot", "TEMP", "TMP"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Runs the program until it exits. If `dir` contains a file `ERROR`, the program also writes its errors to that file.
pub(crate) fn jobplate<S: AsRef<OsStr>>(dir: &Path, args: &[S], stdin: &[u8]) -> ProgramOutput {
    jobplate_with_env(dir, &[], args, stdin)
}

/// Runs the program like [`jobplate`], with environment variables.
pub(crate) fn jobplate_with_env<S: AsRef<OsStr>>(
    dir: &Path,
    env: &[(&str, &str)],
    args: &[S],
    stdin: &[u8],
) -> ProgramOutput {
    let mut command = isolated_command(binary(), dir);
    command.args(args).envs(env.iter().copied());
    if dir.join("ERROR").exists() {
        command.env("JOBPLATE_ERROR_FILE", "ERROR");
    }
    let output = snapbox::cmd::Command::from_std(command).stdin(stdin).output().expect("the program starts");
    ProgramOutput { status: output.status.code().unwrap_or(-1), stdout: output.stdout, stderr: output.stderr }
}

/// Returns the sorted paths of all files below a directory, relative to it.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in std::fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let path = entry.expect("a directory can be listed").path();
            if path.is_dir() {
                pending.push(path);
            } else {
                files.push(path.strip_prefix(dir).expect("the path is below the directory").to_owned());
            }
        }
    }
    files.sort();
    files
}

/// Writes a file. Creates missing parent directories.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("a file has a parent")).expect("directories can be created");
    std::fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
