//! Runs the oracle of base job templates, which uses the real Prefect 3 (`tests/oracles/prefect3/pools.py`).

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::venv::require_venv_of;

const VERSION: &str = "3.8.8";

/// The API key in the worker's own environment.
pub(super) const WORKER_API_KEY: &str = "plain-of-the-worker";

/// The running oracle.
pub(super) struct PoolOracle {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    stock: Value,
}

/// Prefect's response to a template.
#[derive(Debug)]
pub(super) enum PoolResponse {
    /// The Job that a worker creates.
    Job(Value),
    /// The server rejects the template or a value.
    Refused(#[allow(dead_code)] String),
    /// The worker fails.
    Failure(#[allow(dead_code)] String),
}

impl PoolOracle {
    /// Starts the oracle. If this version of Prefect is not installed, reports that and returns `None`, or panics in
    /// CI.
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
        let mut pools = PoolOracle { process, input, output, stock: Value::Null };
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

    fn request(&mut self, request: &Value) -> Value {
        writeln!(self.input.as_mut().expect("it listens"), "{request}").expect("it listens");
        self.read()
    }

    /// Returns Prefect's default template of a Kubernetes work pool.
    pub(super) fn stock(&mut self) -> &Value {
        &self.stock
    }

    /// Requests the Job that a worker creates from a template with the job variables of a deployment.
    pub(super) fn request_job(&mut self, template: &str, values: &Value) -> PoolResponse {
        let mut answer = self.request(&json!({"template": template, "values": values}));
        match (answer["refused"].as_str(), answer["fails"].as_str()) {
            (Some(why), _) => PoolResponse::Refused(why.to_owned()),
            (_, Some(why)) => PoolResponse::Failure(why.to_owned()),
            _ => PoolResponse::Job(answer["job"].take()),
        }
    }

    /// Returns the Job that a worker creates from a template. Prefect must accept the template.
    pub(super) fn job(&mut self, template: &str, values: &Value) -> Value {
        match self.request_job(template, values) {
            PoolResponse::Job(job) => job,
            other => panic!("{other:?}"),
        }
    }

    /// Returns the items of `names` that are not settings of Prefect.
    pub(super) fn unknown_settings(&mut self, names: &[&str]) -> Vec<String> {
        serde_json::from_value(self.request(&json!({"settings": names}))["unknown"].take()).expect("names")
    }
}

impl Drop for PoolOracle {
    fn drop(&mut self) {
        drop(self.input.take());
        drop((self.process.kill(), self.process.wait()));
    }
}
