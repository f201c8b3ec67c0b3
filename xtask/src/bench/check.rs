//! `cargo xtask bench --check`: compares `jobplate check` with kubeconform on the same Jobs.
//!
//! Both compare each Job with the fields of Kubernetes. kubeconform also checks the kinds for which it gets a schema, and
//! `check` applies its other rules.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::input;
use super::measure::{self, Candidate, Output};
use super::{DOCUMENTS, Programs, megabytes, print_table, to_strings};
use crate::servers;

/// The name of the Job's schema in the OpenAPI specification of Kubernetes.
const JOB: &str = "io.k8s.api.batch.v1.Job";

/// The maximum depth of nested schemas. A recursive schema would have no end.
const MAX_DEPTH: usize = 64;

/// Runs `cargo xtask bench --check`.
pub fn run(programs: Programs<'_>, directory: &Path, runs: usize) -> Result<()> {
    let kubeconform = servers::build_kubeconform(directory)?.context("Go not found; it builds kubeconform")?;
    let schema = directory.join("job.schema.json");
    write_job_schema(&servers::kubernetes_source()?, &schema)?;
    let (jobs, job) = (directory.join("jobs.yaml"), directory.join("job.yaml"));
    input::write_jobs(&jobs, DOCUMENTS)?;
    input::write_jobs(&job, 1)?;
    let to_text = |path: &Path| path.to_string_lossy().into_owned();
    let jobplate = |input: &Path| to_strings(&[&to_text(programs.jobplate), "check", &to_text(input)]);
    let kubeconform = |input: &Path| {
        let options = ["-strict", "-summary", "-schema-location", &to_text(&schema), &to_text(input)];
        to_strings(&[&[&*to_text(&kubeconform)], &options[..]].concat())
    };
    check_count(&jobplate(&jobs), &format!("{DOCUMENTS} objects"))?;
    check_count(&kubeconform(&jobs), &format!("Valid: {DOCUMENTS}, Invalid: 0, Errors: 0, Skipped: 0"))?;
    let candidates = [
        Candidate::new("jobplate check", jobplate(&jobs), Output::Null),
        Candidate::new("kubeconform -strict", kubeconform(&jobs), Output::Null),
        Candidate::new("jobplate check, 1 Job", jobplate(&job), Output::Null),
        Candidate::new("kubeconform -strict, 1 Job", kubeconform(&job), Output::Null),
    ];
    println!("\n{DOCUMENTS} Jobs, {:.2} MB, and one Job, {runs} runs in turns", megabytes(fs::metadata(&jobs)?.len()));
    let medians = measure::measure_alternately(programs.measure, &candidates, runs)?;
    print_table(&candidates, &medians, Some(0));
    let [check, kubeconform] = [medians[0], medians[1]];
    let (wall, cpu) = (kubeconform.wall / check.wall, kubeconform.cpu / check.cpu);
    println!("kubeconform: {wall:.1} times the wall time and {cpu:.1} times the CPU time of `jobplate check`");
    Ok(())
}

/// Checks that a program has read all Jobs, so that a missing check is not mistaken for a fast one.
fn check_count(command: &[String], expected: &str) -> Result<()> {
    let output = Command::new(&command[0]).args(&command[1..]).output().with_context(|| command[0].clone())?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    ensure!(text.contains(expected), "`{}` does not print `{expected}`: {text}", command.join(" "));
    Ok(())
}

/// Writes the JSON schema of a Job, in the form of the schemas that kubeconform downloads for `-strict`: without
/// references, and without further properties.
fn write_job_schema(kubernetes: &Path, path: &Path) -> Result<()> {
    let specification: PathBuf = kubernetes.join("api/openapi-spec/swagger.json");
    let text = fs::read(&specification).with_context(|| specification.display().to_string())?;
    let specification: Value = serde_json::from_slice(&text)?;
    let job = resolve(&json!({ "$ref": JOB }), &specification["definitions"], 0)?;
    Ok(fs::write(path, serde_json::to_vec(&job)?)?)
}

/// Replaces the references in a schema with the definitions, and allows no further properties.
fn resolve(schema: &Value, definitions: &Value, depth: usize) -> Result<Value> {
    ensure!(depth < MAX_DEPTH, "a schema is nested more than {MAX_DEPTH} times");
    match schema {
        Value::Array(items) => items.iter().map(|item| resolve(item, definitions, depth + 1)).collect(),
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                let name = reference.rsplit('/').next().unwrap_or_default();
                return match definitions.get(name) {
                    _ if name.ends_with(".IntOrString") => Ok(json!({ "type": ["integer", "string"] })),
                    Some(definition) => resolve(definition, definitions, depth + 1),
                    None => bail!("no definition {name}"),
                };
            }
            let resolved = fields.iter().map(|(key, value)| Ok((key.clone(), resolve(value, definitions, depth + 1)?)));
            let mut resolved: serde_json::Map<String, Value> = resolved.collect::<Result<_>>()?;
            if resolved.contains_key("properties") {
                resolved.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            Ok(Value::Object(resolved))
        }
        other => Ok(other.clone()),
    }
}
