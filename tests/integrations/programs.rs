//! Finds and runs the programs of the integrations. `cargo xtask servers` builds or installs them.
//! `JOBPLATE_TEST_SERVERS` overrides their directory.

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::run;

/// Finds a program of `cargo xtask servers`. If it is missing, reports that and returns `None`. In CI, panics instead.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let default_directory =
        || Path::new(option_env!("CARGO_TARGET_TMPDIR").unwrap_or("target/tmp")).with_file_name("servers");
    let program = std::env::var_os("JOBPLATE_TEST_SERVERS").map_or_else(default_directory, PathBuf::from).join(name);
    if program.is_file() {
        return Some(program);
    }
    report_skipped(name, &format!("no {}; `cargo xtask servers` makes it", program.display()));
    None
}

/// Finds a program on the `PATH`. Returns `None` if it is missing.
pub(crate) fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.is_file())
}

/// Returns whether all programs in `names` are on the `PATH`. Reports the first missing program. In CI, panics instead.
pub(crate) fn has_programs(names: &[&str]) -> bool {
    let is_missing = |name: &&&str| find_on_path(name).is_none();
    let Some(name) = names.iter().find(is_missing) else { return true };
    report_skipped(name, "it is not installed");
    false
}

/// Reports that a test is skipped, bypassing the test harness's output capture. In CI, panics instead.
pub(crate) fn report_skipped(requirement: &str, reason: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{requirement}: {reason}");
    drop(writeln!(std::io::stderr(), "LEFT OUT, a test with {requirement}: {reason}"));
}

/// Runs a program with `input` as its standard input.
pub(crate) fn run_with_input(program: &Path, input: &str) -> Output {
    let mut command = Command::new(program);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let mut stdin = child.stdin.take().expect("a pipe");
    // The program may end without reading all of it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the program ends")
}

/// Returns whether the user is root, who may call `chroot`.
pub(crate) fn is_root() -> bool {
    run_stdout(Command::new("id").arg("-u")).trim() == "0"
}

/// A temporary home directory with selected programs in `bin/`, isolated from the user's configuration.
pub(crate) struct TestHome {
    directory: TempDir,
}

impl TestHome {
    /// Creates the directory and links each program into `bin/` under its name.
    pub(crate) fn new(programs: &[(&str, &Path)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary folder can be made");
        std::fs::create_dir(directory.path().join("bin")).expect("a folder can be made");
        for (name, program) in programs {
            symlink(program, directory.path().join("bin").join(name)).expect("a link can be made");
        }
        TestHome { directory }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        run::write_file(&self.directory.path().join(name), text.as_ref());
    }

    /// Writes a shell script to `bin/`. It overrides a system program with the same name.
    pub(crate) fn write_script(&self, name: &str, commands: &str) {
        let file = self.directory.path().join("bin").join(name);
        run::write_file(&file, format!("#!/bin/sh\n{commands}\n").as_bytes());
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("it can be made executable");
    }

    /// Returns a command that runs in the directory with an empty standard input.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = run::isolated_command(program, self.directory.path());
        command.env("PATH", format!("{}:/usr/bin:/bin", self.directory.path().join("bin").display()));
        command.stdin(Stdio::null());
        command
    }

    /// Runs Git in a subdirectory and returns its standard output.
    #[track_caller]
    pub(crate) fn run_git(&self, directory: &str, args: &[&str]) -> String {
        let mut git = self.command("git");
        git.args(["-c", "user.name=somebody", "-c", "user.email=somebody@example.com"]).args(args);
        run_stdout(git.current_dir(self.directory.path().join(directory)))
    }
}

/// Runs a command that must succeed. Returns its standard output.
#[track_caller]
pub(crate) fn run_stdout(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    let to_text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        to_text(&output.stderr) + &to_text(&output.stdout)
    );
    to_text(&output.stdout)
}
