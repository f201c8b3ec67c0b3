//! Runs `check` over an example of a rule.

use std::fs;
use std::process::Command;

use jobplate::check::Example;
use serde_json::Value;
use tempfile::TempDir;

/// The references for the fix of `plaintext-secret`. They change nothing about other rules.
const REFERENCES: [&str; 2] = ["--secret-env", "DB_PASSWORD=etl/db-password"];

/// A directory with a manifest and the other files of an example.
pub(crate) struct Workspace {
    directory: TempDir,
    /// The name of the manifest.
    name: &'static str,
    flags: Vec<&'static str>,
}

impl Workspace {
    /// Writes the files of an example, changed by `change`.
    pub(crate) fn new(example: &Example, change: impl Fn(&str) -> String) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let manifest = change(example.manifest);
        let name = if manifest.starts_with('{') { "manifest.json" } else { "manifest.yaml" };
        let workspace = Workspace { directory, name, flags: Vec::new() };
        workspace.write(&manifest);
        let mut flags = Vec::new();
        for (flag, value, text) in example.with {
            if !text.is_empty() {
                fs::write(workspace.directory.path().join(value), change(text)).expect("a writable directory");
            }
            flags.extend([*flag, *value]);
        }
        Workspace { flags, ..workspace }
    }

    /// Checks the manifest with the flags of the example and `args`. Returns the exit code and the output.
    pub(crate) fn check(&self, args: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobplate"));
        command.current_dir(&self.directory).env_clear().args(["check", self.name]).args(&self.flags).args(args);
        command.args(REFERENCES);
        let output = command.output().expect("the program");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }

    /// Returns the findings of a rule in a format that is JSON.
    pub(crate) fn report(&self, rule: &str, format: &str) -> Value {
        let [report] = self.reports(rule, [format]);
        serde_json::from_str(&report).unwrap_or_else(|error| panic!("{rule}: {error}\n{report}"))
    }

    /// Returns the findings of a rule in several formats, from one run.
    pub(crate) fn reports<const N: usize>(&self, rule: &str, formats: [&str; N]) -> [String; N] {
        let outputs = formats.map(|format| format!("{format}={format}.out"));
        let flags = outputs.iter().flat_map(|output| ["--output", output]);
        self.check(&["--select", rule].into_iter().chain(flags).collect::<Vec<_>>());
        formats.map(|format| fs::read_to_string(self.directory.path().join(format!("{format}.out"))).expect("a report"))
    }

    /// Returns the manifest.
    pub(crate) fn read(&self) -> String {
        fs::read_to_string(self.directory.path().join(self.name)).expect("the manifest")
    }

    /// Replaces the manifest.
    pub(crate) fn write(&self, text: &str) {
        fs::write(self.directory.path().join(self.name), text).expect("a writable directory");
    }
}
