//! Runs the program under test with a kubeconfig, a directory of files and a command line.
//!
//! The program is isolated from the host's environment.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::run;

/// The name of the error file in the sandbox directory.
const ERROR_FILE: &str = "ERROR";

/// A directory of files and the environment variables with which the program runs.
pub(crate) struct Sandbox {
    directory: TempDir,
    environment: Vec<(OsString, OsString)>,
}

/// The exit code and the output of one run.
#[derive(Debug)]
pub(crate) struct RunOutput {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The content of the file in `JOBPLATE_ERROR_FILE`.
    pub(crate) error_file: String,
}

impl Sandbox {
    /// Creates a sandbox with the path `kubeconfig` in `KUBECONFIG`.
    pub(crate) fn new(kubeconfig: impl AsRef<OsStr>) -> Self {
        Sandbox::without_kubeconfig().env("KUBECONFIG", kubeconfig)
    }

    /// Creates a sandbox without a kubeconfig.
    pub(crate) fn without_kubeconfig() -> Self {
        let directory = tempfile::tempdir().expect("a temporary folder can be made");
        Sandbox { directory, environment: Vec::new() }
    }

    /// Sets an environment variable of the program.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().into()));
        self
    }

    /// Writes a file into the sandbox directory.
    pub(crate) fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        self.write(name, text);
        self
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        run::write_file(&self.directory.path().join(name), text.as_ref());
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs the program until it exits.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> RunOutput {
        RunningProgram { child: self.spawn(args), error_file: self.directory.path().join(ERROR_FILE) }.wait()
    }

    /// Starts the program with captured output.
    pub(crate) fn start<S: AsRef<OsStr>>(&self, args: &[S]) -> RunningProgram {
        RunningProgram { child: self.spawn(args), error_file: self.directory.path().join(ERROR_FILE) }
    }

    fn spawn<S: AsRef<OsStr>>(&self, args: &[S]) -> Child {
        let mut command = run::isolated_command(run::binary(), self.directory.path());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env("JOBPLATE_ERROR_FILE", ERROR_FILE).env("PATH", "/usr/bin:/bin").args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    }
}

/// A running program.
pub(crate) struct RunningProgram {
    child: Child,
    error_file: std::path::PathBuf,
}

impl RunningProgram {
    /// Sends SIGINT, like Ctrl-C.
    pub(crate) fn interrupt(&self) {
        send_signal(self.id(), "INT");
    }

    /// Returns the ID of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the program exits and returns its output.
    pub(crate) fn wait(self) -> RunOutput {
        let output = self.child.wait_with_output().expect("it ends");
        let to_text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
        let error_file = std::fs::read_to_string(&self.error_file).unwrap_or_default();
        RunOutput {
            status: output.status.code().unwrap_or(-1),
            stdout: to_text(output.stdout),
            stderr: to_text(output.stderr),
            error_file,
        }
    }
}

/// Sends a signal to a process, such as `INT`.
pub(crate) fn send_signal(process: u32, signal: &str) {
    let status = std::process::Command::new("kill").args([&format!("-{signal}"), &process.to_string()]).status();
    assert!(status.expect("there is a kill").success());
}

impl RunOutput {
    /// Returns the objects of the report that `-o json` prints.
    #[track_caller]
    pub(crate) fn objects(&self) -> Vec<Value> {
        let report: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        report["objects"].as_array().expect("a report has objects").clone()
    }

    /// Returns the outcomes of the report that `-o json` prints, in input order.
    #[track_caller]
    pub(crate) fn outcomes(&self) -> Vec<String> {
        let outcome_of = |object: &Value| object["outcome"].as_str().expect("each has an outcome").to_owned();
        self.objects().iter().map(outcome_of).collect()
    }

    /// Asserts the exit code, and that stderr contains each of `parts`. Returns the output.
    #[track_caller]
    pub(crate) fn assert_exit(self, status: i32, parts: &[&str]) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is missing in stderr:\n{}", self.stderr);
        }
        self
    }
}
