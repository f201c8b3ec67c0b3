//! The real Prefect 3, as a program that is asked about one base job template after another
//! (`tests/oracles/prefect3/pools.py`).

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::venv::require_venv_of;

const VERSION: &str = "3.8.8";

/// The API key that the worker has in its own environment.
pub(super) const PLAIN: &str = "plain-of-the-worker";

pub(super) struct Pools {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    stock: Value,
}

/// What Prefect says to a template.
#[derive(Debug)]
pub(super) enum Answer {
    /// The Job that a worker makes.
    Job(Value),
    /// The server does not take it.
    Refused(#[allow(dead_code)] String),
    /// The worker fails at it.
    Failure(#[allow(dead_code)] String),
}

impl Pools {
    /// Starts it; none where Prefect is missing.
    pub(super) fn start() -> Option<Self> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/prefect3/pools.py");
        let mut process = Command::new(require_venv_of(VERSION)?.join("python"))
            .arg(program)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python starts");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("its output is a pipe"));
        let mut pools = Pools { process, input, output, stock: Value::Null };
        let mut first = pools.read();
        assert_eq!(first["prefect"], VERSION, "what answers is another version");
        pools.stock = first["stock"].take();
        Some(pools)
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the oracle answers {line:?}: {error}"))
    }

    fn tell(&mut self, question: &Value) -> Value {
        writeln!(self.input.as_mut().expect("it listens"), "{question}").expect("it listens");
        self.read()
    }

    /// Prefect's own default for a Kubernetes work pool.
    pub(super) fn stock(&mut self) -> &Value {
        &self.stock
    }

    /// What Prefect says to a template, and to job variables of a deployment.
    pub(super) fn ask(&mut self, template: &str, values: &Value) -> Answer {
        let mut answer = self.tell(&json!({"template": template, "values": values}));
        match (answer["refused"].as_str(), answer["fails"].as_str()) {
            (Some(why), _) => Answer::Refused(why.to_owned()),
            (_, Some(why)) => Answer::Failure(why.to_owned()),
            _ => Answer::Job(answer["job"].take()),
        }
    }

    /// The Job of a template that Prefect must take.
    pub(super) fn job(&mut self, template: &str, values: &Value) -> Value {
        match self.ask(template, values) {
            Answer::Job(job) => job,
            other => panic!("{other:?}"),
        }
    }

    /// Those of some names that are no settings.
    pub(super) fn unknown_settings(&mut self, names: &[&str]) -> Vec<String> {
        serde_json::from_value(self.tell(&json!({"settings": names}))["unknown"].take()).expect("names")
    }
}

impl Drop for Pools {
    fn drop(&mut self) {
        drop(self.input.take());
        drop((self.process.kill(), self.process.wait()));
    }
}
