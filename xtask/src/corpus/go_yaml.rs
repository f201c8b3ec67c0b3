//! Reads the values of documents with go-yaml, the YAML parser of the Kubernetes API server.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A process that parses YAML with go-yaml. Its protocol is documented in `tests/oracles/goyaml`.
pub(super) struct GoYaml {
    process: Child,
    requests: Option<ChildStdin>,
    responses: BufReader<ChildStdout>,
}

impl GoYaml {
    /// Builds the program and starts the process.
    pub(super) fn start(root: &Path) -> Result<Self> {
        let source = root.join("tests/oracles/goyaml");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let program = std::path::absolute(target.join("corpus-goyaml"))?;
        let status = Command::new("go").args(["build", "-o"]).arg(&program).arg(".").current_dir(&source).status();
        ensure!(status.context("go, the compiler, is needed to judge")?.success(), "go build in {}", source.display());
        let mut process = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let requests = process.stdin.take();
        let responses = BufReader::new(process.stdout.take().context("goyaml")?);
        Ok(GoYaml { process, requests, responses })
    }

    /// Returns the values of documents. A value is `None` if go-yaml rejects the document.
    pub(super) fn read(&mut self, documents: &[&str]) -> Result<Vec<Option<Value>>> {
        let requests = self.requests.as_mut().context("goyaml has ended")?;
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || -> Result<()> {
                for document in documents {
                    requests.write_all(&u32::try_from(document.len())?.to_le_bytes())?;
                    requests.write_all(document.as_bytes())?;
                }
                Ok(requests.flush()?)
            });
            let mut values = Vec::with_capacity(documents.len());
            for _ in documents {
                let mut line = String::new();
                ensure!(self.responses.read_line(&mut line)? > 0, "goyaml ended");
                values.push(if line.starts_with('!') { None } else { Some(serde_json::from_str(&line)?) });
            }
            writer.join().map_err(|_| anyhow::anyhow!("goyaml"))??;
            Ok(values)
        })
    }
}

impl Drop for GoYaml {
    fn drop(&mut self) {
        // The process exits at the end of its input, so close the input before waiting.
        drop(self.requests.take());
        self.process.wait().ok();
    }
}
