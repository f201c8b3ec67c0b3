//! The programs that open the doors: built or installed by `cargo xtask servers`, or in the folder that
//! `JOBPLATE_TEST_SERVERS` names.

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::run;

/// One of the programs; none where it is missing, which is said, and is a failure in CI.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let built = || Path::new(option_env!("CARGO_TARGET_TMPDIR").unwrap_or("target/tmp")).with_file_name("servers");
    let program = std::env::var_os("JOBPLATE_TEST_SERVERS").map_or_else(built, PathBuf::from).join(name);
    if program.is_file() {
        return Some(program);
    }
    left_out(name, &format!("no {}; `cargo xtask servers` makes it", program.display()));
    None
}

/// A program of the system, wherever the caller's path has it.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// Whether these programs of the system are here; a missing one is said, and is a failure in CI.
pub(crate) fn needs(names: &[&str]) -> bool {
    let is_missing = |name: &&&str| on_path(name).is_none();
    let Some(name) = names.iter().find(is_missing) else { return true };
    left_out(name, "it is not installed");
    false
}

/// Says that a test can't be done here, past what hides the words of tests that pass. In CI this is a failure.
pub(crate) fn left_out(with: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{with}: {why}");
    drop(writeln!(std::io::stderr(), "LEFT OUT, a test with {with}: {why}"));
}

/// Whether this user may have a root folder of their own.
pub(crate) fn is_root() -> bool {
    done(Command::new("id").arg("-u")).trim() == "0"
}

/// A user's folder, with these programs (name on the path, file) in `bin/` and nothing else of this machine.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new(programs: &[(&str, &Path)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        std::fs::create_dir(folder.path().join("bin")).expect("a folder can be made");
        for (name, program) in programs {
            symlink(program, folder.path().join("bin").join(name)).expect("a link can be made");
        }
        Place { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        run::write_file(&self.folder.path().join(name), text.as_ref());
    }

    /// A program of these commands for `sh`, before all others of its name.
    pub(crate) fn script(&self, name: &str, commands: &str) {
        let file = self.folder.path().join("bin").join(name);
        run::write_file(&file, format!("#!/bin/sh\n{commands}\n").as_bytes());
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("it can be made executable");
    }

    /// A command in the folder; standard input is empty.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = run::isolated_command(program, self.folder.path());
        command.env("PATH", format!("{}:/usr/bin:/bin", self.folder.path().join("bin").display()));
        command.stdin(Stdio::null());
        command
    }

    /// Git in a folder of the user's folder, by somebody; what it prints.
    #[track_caller]
    pub(crate) fn git(&self, folder: &str, args: &[&str]) -> String {
        let mut git = self.command("git");
        git.args(["-c", "user.name=somebody", "-c", "user.email=somebody@example.com"]).args(args);
        done(git.current_dir(self.folder.path().join(folder)))
    }
}

/// What a command prints on standard output; it must succeed.
#[track_caller]
pub(crate) fn done(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        text(&output.stderr) + &text(&output.stdout)
    );
    text(&output.stdout)
}
