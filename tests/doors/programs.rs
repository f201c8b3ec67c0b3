//! The programs that open the doors: built or installed by `cargo xtask servers`, or in the folder that
//! `JOBPLATE_TEST_SERVERS` names.

use std::io::Write as _;
use std::os::unix::fs::symlink;
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
        run::write(&self.folder.path().join(name), text.as_ref());
    }

    /// A command in the folder; standard input is empty.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = run::command(program, self.folder.path());
        command.env("PATH", format!("{}:/usr/bin:/bin", self.folder.path().join("bin").display()));
        command.stdin(Stdio::null());
        command
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
