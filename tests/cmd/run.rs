//! Runs the real program in a folder of its own, with an environment that holds nothing of this machine.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What one run left behind.
pub(crate) struct ProgramOutput {
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// The program under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_jobplate"))
}

/// A command in `folder` that sees no home, no kubeconfig and no wish for colour.
pub(crate) fn isolated_command(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().current_dir(folder).env("HOME", folder).env("TERM", "dumb").env("LC_ALL", "C.UTF-8");
    // Windows programs do not start without these.
    for name in ["SystemRoot", "TEMP", "TMP"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Runs the program to its end. An error goes to the file `ERROR` of the folder too, if the folder has one.
pub(crate) fn jobplate<S: AsRef<OsStr>>(folder: &Path, args: &[S], stdin: &[u8]) -> ProgramOutput {
    jobplate_with_env(folder, &[], args, stdin)
}

/// The same with variables in its environment.
pub(crate) fn jobplate_with_env<S: AsRef<OsStr>>(
    folder: &Path,
    env: &[(&str, &str)],
    args: &[S],
    stdin: &[u8],
) -> ProgramOutput {
    let mut command = isolated_command(binary(), folder);
    command.envs(env.iter().copied());
    if folder.join("ERROR").exists() {
        command.env("JOBPLATE_ERROR_FILE", "ERROR");
    }
    let mut child = command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("stdin is a pipe");
    let stdin = stdin.to_vec();
    // A program that stops early closes its end: no reason to fail here.
    let writer = std::thread::spawn(move || drop(input.write_all(&stdin)));
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("stdin is written");
    ProgramOutput { status: output.status.code().unwrap_or(-1), stdout: output.stdout, stderr: output.stderr }
}

/// Every file below a folder, as paths relative to it, in order.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).expect("it is below").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Writes a file and the folders above it.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("folders can be made");
    std::fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
