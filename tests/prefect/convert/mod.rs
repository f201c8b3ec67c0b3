//! Checks conversions with the real Prefect 3: its server accepts the result of `jobplate convert` for a work pool, and
//! its worker creates the same Job from it that Prefect 1's agent created, except for intended differences.
//!
//! Each table of `cases.toml` is a hand-written case:
//!
//! | key | meaning |
//! |---|---|
//! | `about` | the purpose of the case |
//! | `template` | the job template |
//! | `base` | the base job template of `--from-default`, or `stock` for Prefect's default |
//! | `values` | job variables of a deployment, as JSON |
//! | `env` | the variables of the flow's container that the worker does not set, in order: `NAME=value`, or `NAME<` and its `valueFrom` as JSON |
//! | `changed` | additional intended differences in the pod, as JSON pointers |
//! | `job` | values in the Job by their JSON pointers; `null` if the value is missing |

mod pools;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use self::pools::{PoolOracle, PoolResponse};
use crate::case::{Case, topics};
use crate::oracle::report_line;
use crate::prefect1::generate;
use crate::reference::PREFECT1;
use crate::run;

/// The JSON pointer of the flow's container.
const FLOW_CONTAINER: &str = "/spec/template/spec/containers/0";

/// The number of random templates to convert.
const RANDOM_COUNT: u64 = 300;

/// Converts a template in a directory. Returns the standard error if the conversion fails with an error message.
fn convert(directory: &Path, template: &[u8], options: &[&str]) -> Result<String, String> {
    run::write_file(&directory.join("template.yaml"), template);
    let outcome = run::jobplate(directory, &[&["convert", "template.yaml", "-q"], options].concat(), b"");
    let (stdout, stderr) = (String::from_utf8_lossy(&outcome.stdout), String::from_utf8_lossy(&outcome.stderr));
    match outcome.status {
        0 => {
            assert!(!stderr.lines().any(|line| line.starts_with("note: ")), "prints notes despite -q: {stderr}");
            assert!(stdout.ends_with("}\n"));
            Ok(stdout.into_owned())
        }
        2 => {
            assert!(stdout.is_empty() && (stderr.starts_with("error: ") || stderr.starts_with("error[")), "{stderr}");
            Err(stderr.into_owned())
        }
        code => panic!("ends with {code}: {stderr}"),
    }
}

/// Returns the Job that Prefect 1's agent creates from the template, according to `jobplate preview`.
fn preview_prefect1(directory: &Path) -> Option<Value> {
    let outcome = run::jobplate(directory, &["preview", "template.yaml", "-q", "-o", "json"], b"");
    (outcome.status == 0).then(|| serde_json::from_slice(&outcome.stdout).expect("JSON"))
}

/// Returns the pod spec of a Job without the fields that differ on purpose.
fn comparable_pod(job: &Value) -> Value {
    let mut pod = job["spec"]["template"]["spec"].clone();
    let flow = pod["containers"][0]["name"].as_str().unwrap_or("flow").to_owned();
    let spec = pod.as_object_mut().expect("a pod");
    if let Some(account) = spec.remove("serviceAccount") {
        spec.entry("serviceAccountName").or_insert(account);
    }
    // The converted template has the account as a string, which Kubernetes requires, so a number is converted here,
    // too.
    if let Some(Value::Number(number)) = spec.get("serviceAccountName") {
        let text = Value::from(number.to_string());
        spec.insert("serviceAccountName".to_owned(), text);
    }
    spec.retain(|key, value| {
        let is_for_worker = matches!(key.as_str(), "parallelism" | "completions" | "restartPolicy");
        let is_blank = key == "serviceAccountName" && *value == "";
        !is_for_worker && !is_blank
    });
    let container = pod["containers"][0].as_object_mut().expect("a container");
    container.retain(|key, _| !matches!(key.as_str(), "name" | "args" | "env" | "image" | "imagePullPolicy"));
    for kind in ["limits", "requests"] {
        for resource in ["cpu", "memory"] {
            if let Some(Value::Number(number)) =
                container.get("resources").and_then(|resources| resources.get(kind)?.get(resource))
            {
                let text = Value::from(number.to_string());
                container["resources"][kind][resource] = text;
            }
        }
    }
    remove_nulls(&mut pod, &flow);
    pod
}

/// Removes nulls, which Kubernetes ignores, and replaces the name of the flow's container.
fn remove_nulls(value: &mut Value, flow: &str) {
    match value {
        Value::Object(map) => {
            for (key, value) in &mut *map {
                if key == "containerName" && *value == flow {
                    *value = json!("FLOW");
                }
                remove_nulls(value, flow);
            }
            let is_empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
            let is_resource_key = |key: &str| matches!(key, "limits" | "requests" | "resources");
            map.retain(|key, value| !(value.is_null() || is_empty(value) && is_resource_key(key)));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| remove_nulls(value, flow)),
        _ => {}
    }
}

/// Returns the first unintended difference between the Jobs of Prefect 1 and 3, or `None` if all differences are
/// intended. `changed` lists the JSON pointers of intended differences in the pod.
fn unintended_difference(old: &Value, new: &Value, changed: &[&str]) -> Option<String> {
    let (mut old_pod, mut new_pod) = (comparable_pod(old), comparable_pod(new));
    for pointer in changed {
        for pod in [&mut old_pod, &mut new_pod] {
            *pod.pointer_mut(pointer).expect("a value") = Value::Null;
        }
    }
    if old_pod != new_pod {
        return Some(format!("the pod was\n{old_pod}\nand is\n{new_pod}"));
    }
    for key in ["restartPolicy", "parallelism", "completions"] {
        let expected = if key == "restartPolicy" { json!("Never") } else { json!(1) };
        if new["spec"]["template"]["spec"][key] != expected {
            return Some(format!("{key} is {}", new["spec"]["template"]["spec"][key]));
        }
    }
    for (key, expected) in old["spec"].as_object().into_iter().flatten() {
        let (mut expected, mut actual) = (expected.clone(), new["spec"][key].clone());
        remove_nulls(
            &mut expected,
            old["spec"]["template"]["spec"]["containers"][0]["name"].as_str().unwrap_or("flow"),
        );
        remove_nulls(&mut actual, "prefect-job");
        if key != "template" && !expected.is_null() && actual != expected {
            return Some(format!("spec.{key} was {expected} and is {actual}"));
        }
    }
    let is_prefect_label = |key: &str| key.starts_with("prefect.io/");
    for pointer in ["/metadata", "/spec/template/metadata"] {
        let pairs_of = |job: &Value, kind: &str| {
            job.pointer(pointer).and_then(|metadata| metadata.get(kind)?.as_object().cloned())
        };
        for kind in ["labels", "annotations"] {
            for (key, expected) in pairs_of(old, kind).unwrap_or_default() {
                let is_text =
                    expected.is_string() && key.chars().all(|c| c.is_ascii_alphanumeric() || "./-".contains(c));
                let actual = pairs_of(new, kind).and_then(|all| all.get(&key).cloned());
                if is_text && kind == "labels" && !is_prefect_label(&key) && actual.is_none() {
                    return Some(format!("{pointer}: the label {key} is missing"));
                }
                if is_text && kind == "annotations" && pointer == "/metadata" && actual != Some(expected) {
                    return Some(format!("{pointer}: the annotation {key} has another value"));
                }
            }
        }
    }
    None
}

/// Returns a variable in the format of `cases.toml`.
fn describe_entry(entry: &Value) -> String {
    let name = entry["name"].as_str().unwrap_or("?");
    match (entry.get("value"), entry.get("valueFrom")) {
        (Some(value), _) => format!("{name}={}", value.as_str().unwrap_or("?")),
        (None, Some(from)) => format!("{name}<{from}"),
        (None, None) => format!("{name}="),
    }
}

#[test]
fn converted_templates_create_the_same_jobs() {
    let Some(mut pools) = PoolOracle::start() else { return };
    let text = include_str!("cases.toml");
    let cases: BTreeMap<String, toml::Table> = toml::from_str(text).expect("a file of cases");
    assert!(cases.len() >= 12, "only {}", cases.len());
    let directory = tempfile::tempdir().expect("creates a temporary directory");
    // The variables that the worker sets itself.
    let minimal =
        convert(directory.path(), b"spec: {template: {spec: {containers: [{name: flow}]}}}\n", &[]).expect("converts");
    let worker_variables = pools.job(&minimal, &json!({}));
    let worker_variables: Vec<Value> =
        worker_variables.pointer(FLOW_CONTAINER).expect("a container")["env"].as_array().expect("a list").clone();
    let mut failures = Vec::new();
    for (name, case) in &cases {
        let mut fail = |message: String| failures.push(format!("{name}: {message}"));
        let get_text = |key: &str| case.get(key).and_then(toml::Value::as_str);
        for key in case.keys() {
            let known = ["about", "template", "base", "values", "env", "job", "changed"];
            assert!(known.contains(&key.as_str()), "{name}: unknown key {key}");
        }
        let options: &[&str] = match get_text("base") {
            Some("stock") => {
                run::write_file(&directory.path().join("base.json"), pools.stock().to_string().as_bytes());
                &["--from-default", "base.json"]
            }
            Some(base) => {
                run::write_file(&directory.path().join("base.json"), base.as_bytes());
                &["--from-default", "base.json"]
            }
            None => &[],
        };
        let template = get_text("template").expect("a template");
        let converted = match convert(directory.path(), template.as_bytes(), options) {
            Ok(converted) => converted,
            Err(error) => {
                fail(error);
                continue;
            }
        };
        let values: Value = get_text("values").map_or(json!({}), |values| serde_json::from_str(values).expect("JSON"));
        let job = match pools.request_job(&converted, &values) {
            PoolResponse::Job(job) => job,
            other => {
                fail(format!("{other:?}"));
                continue;
            }
        };
        if case.get("values").is_none() && case.get("base").is_none_or(|base| base.as_str() == Some("stock")) {
            let old = preview_prefect1(directory.path()).expect("a template of Prefect 1");
            let changed = case.get("changed").and_then(toml::Value::as_array);
            let changed: Vec<&str> = changed.into_iter().flatten().filter_map(toml::Value::as_str).collect();
            if let Some(difference) = unintended_difference(&old, &job, &changed) {
                fail(difference);
            }
        }
        let entries = job.pointer(FLOW_CONTAINER).and_then(|container| container["env"].as_array()).expect("a list");
        let is_set_by_worker = |entry: &Value| {
            worker_variables.contains(entry) || entry["name"] == "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR"
        };
        let env: Vec<String> = entries.iter().filter(|entry| !is_set_by_worker(entry)).map(describe_entry).collect();
        let expected = case.get("env").and_then(toml::Value::as_array).expect("a list of variables");
        let expected: Vec<&str> = expected.iter().filter_map(toml::Value::as_str).collect();
        if env != expected {
            fail(format!("its variables are {env:#?}"));
        }
        let is_duplicate = |entry: &Value| entries.iter().filter(|other| other["name"] == entry["name"]).count() > 1;
        if entries.iter().any(is_duplicate) {
            fail("a variable is duplicate".to_owned());
        }
        for (pointer, expected) in case.get("job").and_then(toml::Value::as_table).into_iter().flatten() {
            let expected: Value = serde_json::to_value(expected).expect("a value");
            let actual = job.pointer(pointer).cloned().unwrap_or_default();
            let expected = if expected == "null" { Value::Null } else { expected };
            if actual != expected {
                fail(format!("{pointer} is {actual}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

/// Converts the templates of all cases of Prefect 1, and random templates. A conversion may also fail with an error
/// message.
#[test]
fn prefect_accepts_every_converted_template() {
    let Some(mut pools) = PoolOracle::start() else { return };
    let directory = tempfile::tempdir().expect("creates a temporary directory");
    let seed = std::env::var("JOBPLATE_PREFECT_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let written = topics(&PREFECT1).into_iter().flat_map(|(topic, cases)| {
        cases.into_iter().map(move |case| Case { name: format!("{topic}: {}", case.name), ..case })
    });
    let random = (0..RANDOM_COUNT).map(|number| generate::generate_case(seed, number));
    let (mut failures, mut converted_count, mut refused) = (Vec::new(), 0, 0);
    for case in written.chain(random) {
        let Some(template) = &case.template else { continue };
        let Ok(converted) = convert(directory.path(), template, &[]) else {
            refused += 1;
            continue;
        };
        converted_count += 1;
        let mut fail = |message: String| failures.push(format!("{}\n{message}", case.to_text()));
        match pools.request_job(&converted, &json!({})) {
            PoolResponse::Job(job) => {
                // Prefect 1 changes the flow's container and, through aliases, all nodes that share a value with it, so
                // Jobs of templates with aliases are not compared.
                let shares = template.contains(&b'&') && template.contains(&b'*');
                let old = preview_prefect1(directory.path()).filter(|_| !shares);
                let found = old.and_then(|old| unintended_difference(&old, &job, &[]));
                found.into_iter().for_each(&mut fail);
            }
            other => fail(format!("{other:?}")),
        }
    }
    report_line(&format!("convert: {converted_count} templates converted, {refused} refused, seed {seed}"));
    assert!(converted_count > 200, "only {converted_count} were converted");
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn new_names_of_variables_are_settings_of_prefect() {
    let Some(mut pools) = PoolOracle::start() else { return };
    let source = include_str!("../../../crates/jobplate-prefect/src/convert/variable_mapping.rs");
    let is_name_char = |c: char| c.is_ascii_uppercase() || c == '_';
    let names = source.split(|c: char| !is_name_char(c)).filter(|name| {
        // Prefixes end with `_`, and names of Prefect 1 start with `PREFECT__`.
        name.starts_with("PREFECT_") && !name.starts_with("PREFECT__") && !name.ends_with('_')
    });
    let names: Vec<&str> = names.collect();
    assert!(names.len() > 15, "{names:?}");
    assert_eq!(pools.unknown_settings(&names), [] as [String; 0]);
    assert_eq!(pools.unknown_settings(&["PREFECT_NO_SUCH"]), ["PREFECT_NO_SUCH"], "the oracle finds unknown settings");
}

#[test]
fn the_built_in_base_has_the_variables_placeholders_and_types_of_prefects_default() {
    let Some(mut pools) = PoolOracle::start() else { return };
    let built_in: Value =
        serde_json::from_str(include_str!("../../../crates/jobplate-prefect/src/convert/base.json")).expect("JSON");
    let mut stock = pools.stock().clone();
    let mut built_in = built_in;
    for template in [&mut stock, &mut built_in] {
        remove_descriptions(&mut template["variables"]);
    }
    assert_eq!(built_in, stock);
}

/// Removes descriptions, titles and examples from a schema.
fn remove_descriptions(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.retain(|key, value| !matches!(key.as_str(), "description" | "title" | "examples") || value.is_object());
            map.values_mut().for_each(remove_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_descriptions),
        _ => {}
    }
}

#[test]
fn the_built_in_template_has_valid_defaults_references_and_descriptions() {
    let directory = tempfile::tempdir().expect("creates a temporary directory");
    let printed = run::jobplate(directory.path(), &["template", "base-job-template"], b"").stdout;
    let text = String::from_utf8(printed).expect("text");
    let template: Value = serde_json::from_str(&text).expect("JSON");
    for (name, schema) in template["variables"]["properties"].as_object().expect("variables") {
        assert!(schema["description"].as_str().is_some_and(|words| words.len() > 20), "{name} is not described");
    }
    let Some(mut pools) = PoolOracle::start() else { return };
    let values =
        json!({"env": {"FOO": "1"}, "image": "registry.example/etl:1", "cpu_limit": "2", "finished_job_ttl": 60});
    let job = pools.job(&text, &values);
    let container = job.pointer(FLOW_CONTAINER).expect("a container");
    let entries = container["env"].as_array().expect("a list");
    let entries_named = |name: &str| entries.iter().filter(|entry| entry["name"] == name).collect::<Vec<_>>();
    for (name, secret, key) in [
        ("PREFECT_API_KEY", "prefect-api-key", "key"),
        ("GITHUB_ACCESS_TOKEN", "prefect-secrets", "github-access-token"),
    ] {
        let reference = json!({"name": secret, "key": key, "optional": true});
        assert_eq!(entries_named(name), [&json!({"name": name, "valueFrom": {"secretKeyRef": reference}})]);
    }
    assert_eq!(entries_named("FOO"), [&json!({"name": "FOO", "value": "1"})]);
    assert!(!job.to_string().contains(pools::WORKER_API_KEY), "the worker's own key is in the Job");
    assert_eq!(container["image"], "registry.example/etl:1");
    assert_eq!(
        container["resources"],
        json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "250m", "memory": "512Mi"}})
    );
    assert_eq!((&job["spec"]["ttlSecondsAfterFinished"], &job["spec"]["backoffLimit"]), (&json!(60), &json!(0)));
}
