//! Runs the real Prefect (`tests/oracles/`), one case after another.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::case::{Case, PrefectVersion};
use crate::json::Json;
use crate::reference::Reference;
use crate::venv::{find_venv, require_venv};

pub(crate) struct Oracle {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// The versions of Prefect, Python and the packages that affect answers.
    pub(crate) versions: Value,
}

/// Prints a line even if the output of passing tests is captured.
pub(crate) fn report_line(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

impl Oracle {
    /// Starts Prefect. If this version is not installed, reports that and returns `None`, or panics in CI.
    pub(crate) fn start(version: PrefectVersion, options: &[&str]) -> Option<Self> {
        require_venv(version)?;
        Oracle::start_seeded(version, options, 0)
    }

    /// Starts Prefect with a seed for Python's hashes, which determines the order of sets. Prefect iterates over some
    /// sets, so its answer can depend on the seed. Returns `None` without a report if this version is not installed.
    pub(crate) fn start_seeded(version: PrefectVersion, options: &[&str], seed: u32) -> Option<Self> {
        let mut process = Command::new(find_venv(version)?.join("python"))
            .arg(Reference::of(version).driver())
            .args(options)
            .env_clear()
            .env("PYTHONHASHSEED", seed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let input = process.stdin.take();
        let mut output = BufReader::new(process.stdout.take().expect("its output is a pipe"));
        let versions = read(&mut output);
        assert_eq!(versions["prefect"], version.full(), "what answers is another version");
        Some(Oracle { process, input, output, versions })
    }

    /// Returns Prefect's answer to a case.
    pub(crate) fn ask(&mut self, case: &Case) -> Answer {
        let text = |bytes: &[u8]| match str::from_utf8(bytes) {
            Ok(text) => json!(text),
            Err(_) => json!({"hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()}),
        };
        let request = json!({
            "template": case.template.as_deref().map(text),
            "scenario": case.scenario,
            "files": case.files,
        });
        let input = self.input.as_mut().expect("it listens");
        writeln!(input, "{request}").expect("it listens");
        let answer = read(&mut self.output);
        match (answer["job"].as_str(), answer["error"].as_str()) {
            (Some(job), None) => Answer::Job(Json::parse(job).expect("JSON")),
            (None, Some(error)) => Answer::Failure(error.to_owned()),
            _ => panic!("the oracle answers {answer}"),
        }
    }

    /// Stops Prefect. If `measures` is true, returns the measured coverage, which is the last line of output.
    pub(crate) fn end(mut self, measures: bool) -> Option<Value> {
        drop(self.input.take());
        let last = measures.then(|| read(&mut self.output));
        assert!(self.process.wait().expect("it ends").success(), "the oracle fails");
        last
    }
}

fn read(output: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    output.read_line(&mut line).expect("it answers");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("the oracle answers {line:?}: {error}"))
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop((self.process.kill(), self.process.wait()));
    }
}
