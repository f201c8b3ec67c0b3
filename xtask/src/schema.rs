//! `cargo xtask schema`: writes the fields of workloads, ConfigMaps and Secrets for `jobplate_manifest::schema`, from the
//! OpenAPI specification of the Kubernetes version that the tests run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

use crate::{run, servers};

/// The file that the command writes, relative to the root of the project.
const FILE: &str = "crates/jobplate-manifest/src/schema/fields.txt";

/// The objects whose fields are written.
const KINDS: [&str; 11] = [
    "io.k8s.api.apps.v1.DaemonSet",
    "io.k8s.api.apps.v1.Deployment",
    "io.k8s.api.apps.v1.ReplicaSet",
    "io.k8s.api.apps.v1.StatefulSet",
    "io.k8s.api.batch.v1.CronJob",
    "io.k8s.api.batch.v1.Job",
    "io.k8s.api.core.v1.ConfigMap",
    "io.k8s.api.core.v1.Pod",
    "io.k8s.api.core.v1.PodTemplate",
    "io.k8s.api.core.v1.ReplicationController",
    "io.k8s.api.core.v1.Secret",
];

/// Runs `cargo xtask schema`.
pub fn run(args: &[String]) -> Result<()> {
    run::check_options(args, &["--check"], &[])?;
    let path = run::root().join(FILE);
    let new_text = format(&servers::kubernetes_source()?)?;
    if args.iter().any(|arg| arg == "--check") {
        let text = fs::read_to_string(&path).with_context(|| FILE.to_owned())?;
        ensure!(text == new_text, "{FILE} is outdated. Run `cargo xtask schema`");
        return Ok(());
    }
    Ok(fs::write(path, new_text)?)
}

/// Returns the text of the file: each type with its fields, in alphabetical order.
fn format(kubernetes: &Path) -> Result<String> {
    let text = fs::read(kubernetes.join("api/openapi-spec/swagger.json")).context("no OpenAPI specification")?;
    let specification: Value = serde_json::from_slice(&text)?;
    let definitions = specification["definitions"].as_object().context("no definitions")?;
    let mut types: BTreeMap<&str, (&str, &Map<String, Value>)> = BTreeMap::new();
    let mut pending = KINDS.to_vec();
    while let Some(id) = pending.pop() {
        let name = last_segment(id);
        let definition = definitions.get(id).with_context(|| format!("no definition {id}"))?;
        let Some(fields) = definition["properties"].as_object() else { continue };
        if let Some((other, _)) = types.insert(name, (id, fields)) {
            ensure!(other == id, "two types have the name {name}");
            continue;
        }
        pending.extend(fields.values().filter_map(reference));
    }
    let version = kubernetes.to_string_lossy();
    let (_, version) = version.rsplit_once('@').context("no version of Kubernetes")?;
    let mut text = format!("# The fields of types of Kubernetes {version}. `cargo xtask schema` writes this file.\n");
    for (name, (id, fields)) in types {
        let group = if KINDS.contains(&id) { api_version(&definitions[id])? } else { String::new() };
        writeln!(text, "{}", format!("{name} {group}").trim_end())?;
        let fields: BTreeMap<&String, &Value> = fields.iter().collect();
        for (field, schema) in fields {
            writeln!(text, "  {field} {}", describe(schema, definitions)?)?;
        }
    }
    Ok(text)
}

fn last_segment(id: &str) -> &str {
    id.rsplit(['.', '/']).next().unwrap_or_default()
}

/// Returns the type that a field, its items or its values refer to.
fn reference(schema: &Value) -> Option<&str> {
    let inner = [schema, &schema["items"], &schema["additionalProperties"]];
    inner.into_iter().find_map(|schema| schema["$ref"].as_str()?.strip_prefix("#/definitions/"))
}

/// Returns the `apiVersion` of a kind, such as `batch/v1`.
fn api_version(definition: &Value) -> Result<String> {
    let kind = &definition["x-kubernetes-group-version-kind"][0];
    let [group, version] = ["group", "version"].map(|key| kind[key].as_str().unwrap_or_default());
    ensure!(!version.is_empty(), "a kind without a version");
    Ok(if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") })
}

/// Returns the type of a field: a word, a type with fields, `[TYPE]` for a list or `{TYPE}` for a mapping with any keys.
fn describe(schema: &Value, definitions: &Map<String, Value>) -> Result<String> {
    if let Some(id) = schema["$ref"].as_str() {
        let name = last_segment(id);
        let definition = &definitions[id.trim_start_matches("#/definitions/")];
        return match name {
            "IntOrString" => Ok("int-or-string".to_owned()),
            "Quantity" => Ok("quantity".to_owned()),
            _ if definition["properties"].is_object() => Ok(name.to_owned()),
            _ => describe(definition, definitions),
        };
    }
    Ok(match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("array"), _) => format!("[{}]", describe(&schema["items"], definitions)?),
        (Some("object"), _) if schema["additionalProperties"].is_object() => {
            format!("{{{}}}", describe(&schema["additionalProperties"], definitions)?)
        }
        // The API server accepts any value here, such as the fields of a manager.
        (Some("object"), _) => "any".to_owned(),
        (Some("string"), Some("byte")) => "bytes".to_owned(),
        (Some("integer"), Some(format @ ("int32" | "int64"))) => format.to_owned(),
        (Some(word @ ("string" | "boolean")), _) => word.to_owned(),
        _ => bail!("a schema that `describe` does not know: {schema}"),
    })
}
