//! Reads documents like Kubernetes: passes them in batches to the Go program in `tests/oracles/goyaml`.
//!
//! If Go is missing, the comparisons are skipped with a warning, or fail with `CI=true`.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use serde_json::Value;

use crate::tree::{NodeKind, Tree};

/// A running oracle. Dropping it stops the process.
pub(crate) struct GoYaml {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl GoYaml {
    /// Starts the oracle. Returns `None` if Go is missing.
    pub(crate) fn start() -> Option<Self> {
        let program = program()?;
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the oracle was built, so it starts");
        let input = child.stdin.take();
        let output = BufReader::with_capacity(1 << 20, child.stdout.take().expect("stdout is a pipe"));
        Some(GoYaml { child, input, output })
    }

    /// Parses documents. Returns one result per document: its JSON, or the error.
    pub(crate) fn parse<T: AsRef<str> + Sync>(&mut self, documents: &[T]) -> Vec<Result<String, String>> {
        let mut input = self.input.take().expect("the oracle is running");
        let output = &mut self.output;
        let (responses, input) = thread::scope(|scope| {
            // Write in another thread, because either pipe may be full.
            let writer = scope.spawn(move || {
                let mut frames = Vec::with_capacity(1 << 16);
                for document in documents {
                    let text = document.as_ref();
                    let length = u32::try_from(text.len()).expect("a document of this size");
                    frames.extend_from_slice(&length.to_le_bytes());
                    frames.extend_from_slice(text.as_bytes());
                    if frames.len() > 1 << 16 {
                        input.write_all(&frames).expect("the oracle reads");
                        frames.clear();
                    }
                }
                input.write_all(&frames).expect("the oracle reads");
                input
            });
            let read = |document: &T| read_response(output).or_else(|error| read_json(document.as_ref()).ok_or(error));
            let responses = documents.iter().map(read).collect();
            (responses, writer.join().expect("the writer ends"))
        });
        self.input = Some(input);
        responses
    }
}

impl Drop for GoYaml {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// Reads a JSON object like kubectl, which passes a file that begins with `{` to a JSON reader.
fn read_json(document: &str) -> Option<String> {
    let is_object = document.trim_start().starts_with('{');
    let value: Value = is_object.then(|| serde_json::from_str(document).ok())??;
    Some(value.to_string())
}

fn read_response(output: &mut BufReader<ChildStdout>) -> Result<String, String> {
    let mut line = String::new();
    output.read_line(&mut line).expect("the oracle answers in UTF-8");
    assert!(line.ends_with('\n'), "the oracle ended in the middle of its answers");
    line.pop();
    match line.strip_prefix('!') {
        Some(error) => Err(serde_json::from_str(error).unwrap_or_else(|_| error.to_owned())),
        None => Ok(line),
    }
}

/// Converts the JSON of a document to a tree.
pub(crate) fn to_tree(json: &str) -> Tree {
    fn convert(value: Value) -> Tree {
        match value {
            Value::Null => Tree::new(NodeKind::Null, ""),
            Value::Bool(value) => Tree::new(NodeKind::Bool, value.to_string()),
            Value::Number(value) => Tree::new(NodeKind::Number, value.to_string()),
            Value::String(value) => Tree::new(NodeKind::String, value),
            Value::Array(items) => {
                let mut out = Tree::new(NodeKind::Seq, "");
                out.children = items.into_iter().map(convert).collect();
                out
            }
            Value::Object(entries) => {
                let mut out = Tree::new(NodeKind::Map, "");
                for (key, value) in entries {
                    out.children.push(Tree::new(NodeKind::String, key));
                    out.children.push(convert(value));
                }
                out
            }
        }
    }
    // The JSON is nested as deeply as the YAML. Every reader limits this depth, so the recursion is bounded.
    convert(serde_json::from_str(json).expect("the oracle's JSON"))
}

/// Returns the path of the oracle, or `None` if Go is missing. Builds the oracle once per process.
fn program() -> Option<PathBuf> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    PROGRAM.get_or_init(build).clone()
}

fn build() -> Option<PathBuf> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/goyaml");
    // The test binary is target/PROFILE/deps/fidelity-*, so the third ancestor is the target directory.
    let target = std::env::current_exe().ok()?.ancestors().nth(3)?.join("oracles");
    let program = target.join("goyaml");
    let built = Command::new("go")
        .args(["build", "-trimpath", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(source)
        .stdin(Stdio::null())
        .status();
    let reason = match built {
        Ok(status) if status.success() => return Some(program),
        Ok(status) => format!("the Go oracle does not build ({status})"),
        Err(error) => format!("Go is missing ({error})"),
    };
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{reason}: a failure in CI");
    eprintln!("SKIPPED: every comparison with go-yaml, since {reason}");
    None
}
