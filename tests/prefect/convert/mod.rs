//! Conversions against the real thing: what `jobplate convert` makes of a Prefect 1 job template, Prefect 3's server
//! takes for a work pool, and the Job that its worker makes of it is the one that Prefect 1's agent made, but for
//! what is meant to be different.
//!
//! Hand-written templates are tables of `cases.toml`:
//!
//! | key | meaning |
//! |---|---|
//! | `about` | what it shows |
//! | `template` | the job template |
//! | `base` | the base job template of `--from-default`; `stock` for Prefect's own |
//! | `values` | job variables of a deployment, as JSON |
//! | `env` | the variables of the flow's container that are not the worker's, in order: `NAME=value`, or `NAME<` and its `valueFrom` as JSON |
//! | `changed` | what is to be different in the pod, beside what always is: JSON pointers |
//! | `job` | parts of the Job: JSON pointers and what stands there, null for nothing |

mod pools;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use self::pools::{Answer, Pools};
use crate::case::{Case, topics};
use crate::oracle::report_line;
use crate::prefect1::generate;
use crate::reference::PREFECT1;
use crate::run;

const FLOW: &str = "/spec/template/spec/containers/0";

/// How many random templates are converted.
const RANDOM: u64 = 300;

/// Converts a template in a folder. A failure must be one that a user can work with.
fn convert(folder: &Path, template: &[u8], options: &[&str]) -> Result<String, String> {
    run::write_file(&folder.join("template.yaml"), template);
    let outcome = run::jobplate(folder, &[&["convert", "template.yaml", "-q"], options].concat(), b"");
    let (stdout, stderr) = (String::from_utf8_lossy(&outcome.stdout), String::from_utf8_lossy(&outcome.stderr));
    match outcome.status {
        0 => {
            assert!(stderr.is_empty(), "says something in spite of -q: {stderr}");
            assert!(stdout.ends_with("}\n"));
            Ok(stdout.into_owned())
        }
        2 => {
            assert!(stdout.is_empty() && stderr.starts_with("error: "), "{stderr}");
            Err(stderr.into_owned())
        }
        code => panic!("ends with {code}: {stderr}"),
    }
}

/// The Job that Prefect 1's agent makes of the same template, as `jobplate preview` shows it.
fn prefect_1(folder: &Path) -> Option<Value> {
    let outcome = run::jobplate(folder, &["preview", "template.yaml", "-q", "-o", "json"], b"");
    (outcome.status == 0).then(|| serde_json::from_slice(&outcome.stdout).expect("JSON"))
}

/// A pod without what is meant to be different.
fn pod_to_compare(job: &Value) -> Value {
    let mut pod = job["spec"]["template"]["spec"].clone();
    let flow = pod["containers"][0]["name"].as_str().unwrap_or("flow").to_owned();
    let spec = pod.as_object_mut().expect("a pod");
    if let Some(account) = spec.remove("serviceAccount") {
        spec.entry("serviceAccountName").or_insert(account);
    }
    // A variable is text, as Kubernetes wants it.
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
        for of in ["cpu", "memory"] {
            if let Some(Value::Number(number)) = container.get("resources").and_then(|own| own.get(kind)?.get(of)) {
                let text = Value::from(number.to_string());
                container["resources"][kind][of] = text;
            }
        }
    }
    without_nulls(&mut pod, &flow);
    pod
}

/// To Kubernetes, a null is nothing.
fn without_nulls(value: &mut Value, flow: &str) {
    match value {
        Value::Object(map) => {
            for (key, own) in &mut *map {
                if key == "containerName" && *own == flow {
                    *own = json!("FLOW");
                }
                without_nulls(own, flow);
            }
            let is_empty = |own: &Value| own.as_object().is_some_and(Map::is_empty);
            let of_resources = |key: &str| matches!(key, "limits" | "requests" | "resources");
            map.retain(|key, own| !(own.is_null() || is_empty(own) && of_resources(key)));
        }
        Value::Array(items) => items.iter_mut().for_each(|own| without_nulls(own, flow)),
        _ => {}
    }
}

/// What differs between the Jobs of Prefect 1 and 3 and should not.
fn difference(old: &Value, new: &Value, changed: &[&str]) -> Option<String> {
    let (mut old_pod, mut new_pod) = (pod_to_compare(old), pod_to_compare(new));
    for pointer in changed {
        for pod in [&mut old_pod, &mut new_pod] {
            *pod.pointer_mut(pointer).expect("what changes is there") = Value::Null;
        }
    }
    if old_pod != new_pod {
        return Some(format!("the pod was\n{old_pod}\nand is\n{new_pod}"));
    }
    for key in ["restartPolicy", "parallelism", "completions"] {
        let wanted = if key == "restartPolicy" { json!("Never") } else { json!(1) };
        if new["spec"]["template"]["spec"][key] != wanted {
            return Some(format!("{key} is {}", new["spec"]["template"]["spec"][key]));
        }
    }
    for (key, own) in old["spec"].as_object().into_iter().flatten() {
        let (mut own, mut there) = (own.clone(), new["spec"][key].clone());
        without_nulls(&mut own, old["spec"]["template"]["spec"]["containers"][0]["name"].as_str().unwrap_or("flow"));
        without_nulls(&mut there, "prefect-job");
        if key != "template" && !own.is_null() && there != own {
            return Some(format!("spec.{key} was {own} and is {there}"));
        }
    }
    let is_prefects = |key: &str| key.starts_with("prefect.io/");
    for place in ["/metadata", "/spec/template/metadata"] {
        let of = |job: &Value, kind: &str| job.pointer(place).and_then(|own| own.get(kind)?.as_object().cloned());
        for kind in ["labels", "annotations"] {
            for (key, own) in of(old, kind).unwrap_or_default() {
                let is_text = own.is_string() && key.chars().all(|c| c.is_ascii_alphanumeric() || "./-".contains(c));
                let there = of(new, kind).and_then(|all| all.get(&key).cloned());
                if is_text && kind == "labels" && !is_prefects(&key) && there.is_none() {
                    return Some(format!("{place}: the label {key} is lost"));
                }
                if is_text && kind == "annotations" && place == "/metadata" && there != Some(own) {
                    return Some(format!("{place}: the annotation {key} is another"));
                }
            }
        }
    }
    None
}

/// A variable as `cases.toml` has it.
fn shown(entry: &Value) -> String {
    let name = entry["name"].as_str().unwrap_or("?");
    match (entry.get("value"), entry.get("valueFrom")) {
        (Some(value), _) => format!("{name}={}", value.as_str().unwrap_or("?")),
        (None, Some(from)) => format!("{name}<{from}"),
        (None, None) => format!("{name}="),
    }
}

#[test]
fn converted_templates_make_the_same_jobs() {
    let Some(mut pools) = Pools::start() else { return };
    let text = include_str!("cases.toml");
    let cases: BTreeMap<String, toml::Table> = toml::from_str(text).expect("a file of cases");
    assert!(cases.len() >= 12, "only {}", cases.len());
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    // What the worker brings itself.
    let plain =
        convert(folder.path(), b"spec: {template: {spec: {containers: [{name: flow}]}}}\n", &[]).expect("converts");
    let own = pools.job(&plain, &json!({}));
    let own: Vec<Value> = own.pointer(FLOW).expect("a container")["env"].as_array().expect("a list").clone();
    let mut failures = Vec::new();
    for (name, case) in &cases {
        let mut fail = |what: String| failures.push(format!("{name}: {what}"));
        let text = |key: &str| case.get(key).and_then(toml::Value::as_str);
        for key in case.keys() {
            let known = ["about", "template", "base", "values", "env", "job", "changed"];
            assert!(known.contains(&key.as_str()), "{name}: unknown key {key}");
        }
        let options: &[&str] = match text("base") {
            Some("stock") => {
                run::write_file(&folder.path().join("base.json"), pools.stock().to_string().as_bytes());
                &["--from-default", "base.json"]
            }
            Some(base) => {
                run::write_file(&folder.path().join("base.json"), base.as_bytes());
                &["--from-default", "base.json"]
            }
            None => &[],
        };
        let template = text("template").expect("a template");
        let made = match convert(folder.path(), template.as_bytes(), options) {
            Ok(made) => made,
            Err(error) => {
                fail(error);
                continue;
            }
        };
        let values: Value = text("values").map_or(json!({}), |values| serde_json::from_str(values).expect("JSON"));
        let job = match pools.ask(&made, &values) {
            Answer::Job(job) => job,
            other => {
                fail(format!("{other:?}"));
                continue;
            }
        };
        if case.get("values").is_none() && case.get("base").is_none_or(|base| base.as_str() == Some("stock")) {
            let old = prefect_1(folder.path()).expect("Prefect 1 takes it");
            let changed = case.get("changed").and_then(toml::Value::as_array);
            let changed: Vec<&str> = changed.into_iter().flatten().filter_map(toml::Value::as_str).collect();
            if let Some(difference) = difference(&old, &job, &changed) {
                fail(difference);
            }
        }
        let entries = job.pointer(FLOW).and_then(|own| own["env"].as_array()).expect("a list");
        let is_own =
            |entry: &Value| own.contains(entry) || entry["name"] == "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR";
        let env: Vec<String> = entries.iter().filter(|entry| !is_own(entry)).map(shown).collect();
        let wanted = case.get("env").and_then(toml::Value::as_array).expect("a list of variables");
        let wanted: Vec<&str> = wanted.iter().filter_map(toml::Value::as_str).collect();
        if env != wanted {
            fail(format!("its variables are {env:#?}"));
        }
        let is_twice = |entry: &Value| entries.iter().filter(|other| other["name"] == entry["name"]).count() > 1;
        if entries.iter().any(is_twice) {
            fail("a variable stands twice".to_owned());
        }
        for (pointer, wanted) in case.get("job").and_then(toml::Value::as_table).into_iter().flatten() {
            let wanted: Value = serde_json::to_value(wanted).expect("a value");
            let there = job.pointer(pointer).cloned().unwrap_or_default();
            let wanted = if wanted == "null" { Value::Null } else { wanted };
            if there != wanted {
                fail(format!("{pointer} is {there}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

/// Whatever Prefect 1 is tried with: converted, Prefect 3 takes it, and makes the same pod; or a sentence says why not.
#[test]
fn whatever_is_converted_prefect_takes() {
    let Some(mut pools) = Pools::start() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let seed = std::env::var("JOBPLATE_PREFECT_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let written = topics(&PREFECT1).into_iter().flat_map(|(topic, cases)| {
        cases.into_iter().map(move |case| Case { name: format!("{topic}: {}", case.name), ..case })
    });
    let random = (0..RANDOM).map(|number| generate::generate_case(seed, number));
    let (mut failures, mut converted, mut refused) = (Vec::new(), 0, 0);
    for case in written.chain(random) {
        let Some(template) = &case.template else { continue };
        let Ok(made) = convert(folder.path(), template, &[]) else {
            refused += 1;
            continue;
        };
        converted += 1;
        let mut fail = |what: String| failures.push(format!("{}\n{what}", case.print()));
        match pools.ask(&made, &json!({})) {
            Answer::Job(job) => {
                // What Prefect 1 writes into the flow's container, it writes into all that share something with it.
                let shares = template.contains(&b'&') && template.contains(&b'*');
                let old = prefect_1(folder.path()).filter(|_| !shares);
                let found = old.and_then(|old| difference(&old, &job, &[]));
                found.into_iter().for_each(&mut fail);
            }
            other => fail(format!("{other:?}")),
        }
    }
    report_line(&format!("convert: {converted} templates converted, {refused} refused, seed {seed}"));
    assert!(converted > 200, "only {converted} were converted");
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

/// What a conversion calls a setting is one that Prefect has.
#[test]
fn new_names_are_settings() {
    let Some(mut pools) = Pools::start() else { return };
    let source = include_str!("../../../crates/jobplate-prefect/src/convert/variable_mapping.rs");
    let is_of_a_name = |c: char| c.is_ascii_uppercase() || c == '_';
    let names = source.split(|c: char| !is_of_a_name(c)).filter(|name| {
        // Beginnings of names end in `_`, and those of Prefect 1 have two of them.
        name.starts_with("PREFECT_") && !name.starts_with("PREFECT__") && !name.ends_with('_')
    });
    let names: Vec<&str> = names.collect();
    assert!(names.len() > 15, "{names:?}");
    assert_eq!(pools.unknown_settings(&names), [] as [String; 0]);
    assert_eq!(pools.unknown_settings(&["PREFECT_NO_SUCH"]), ["PREFECT_NO_SUCH"], "the question is answered");
}

/// The base that is built on has the variables, placeholders and types of Prefect's own default.
#[test]
fn the_bare_base_has_the_shape_of_prefects_own() {
    let Some(mut pools) = Pools::start() else { return };
    let own: Value =
        serde_json::from_str(include_str!("../../../crates/jobplate-prefect/src/convert/base.json")).expect("JSON");
    let mut stock = pools.stock().clone();
    let mut own = own;
    for template in [&mut stock, &mut own] {
        without_words(&mut template["variables"]);
    }
    assert_eq!(own, stock);
}

/// Takes out what a schema says to people.
fn without_words(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.retain(|key, own| !matches!(key.as_str(), "description" | "title" | "examples") || own.is_object());
            map.values_mut().for_each(without_words);
        }
        Value::Array(items) => items.iter_mut().for_each(without_words),
        _ => {}
    }
}

/// `jobplate template base-job-template`: references, defaults that fit, and a description of each variable.
#[test]
fn the_template_to_start_from() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let printed = run::jobplate(folder.path(), &["template", "base-job-template"], b"").stdout;
    let text = String::from_utf8(printed).expect("text");
    let template: Value = serde_json::from_str(&text).expect("JSON");
    for (name, schema) in template["variables"]["properties"].as_object().expect("variables") {
        assert!(schema["description"].as_str().is_some_and(|words| words.len() > 20), "{name} is not described");
    }
    let Some(mut pools) = Pools::start() else { return };
    let values =
        json!({"env": {"FOO": "1"}, "image": "registry.example/etl:1", "cpu_limit": "2", "finished_job_ttl": 60});
    let job = pools.job(&text, &values);
    let container = job.pointer(FLOW).expect("a container");
    let entries = container["env"].as_array().expect("a list");
    let named = |name: &str| entries.iter().filter(|entry| entry["name"] == name).collect::<Vec<_>>();
    for (name, secret, key) in [
        ("PREFECT_API_KEY", "prefect-api-key", "key"),
        ("GITHUB_ACCESS_TOKEN", "prefect-secrets", "github-access-token"),
    ] {
        let reference = json!({"name": secret, "key": key, "optional": true});
        assert_eq!(named(name), [&json!({"name": name, "valueFrom": {"secretKeyRef": reference}})]);
    }
    assert_eq!(named("FOO"), [&json!({"name": "FOO", "value": "1"})]);
    assert!(!job.to_string().contains(pools::PLAIN), "the worker's own key is in the Job");
    assert_eq!(container["image"], "registry.example/etl:1");
    assert_eq!(
        container["resources"],
        json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "250m", "memory": "512Mi"}})
    );
    assert_eq!((&job["spec"]["ttlSecondsAfterFinished"], &job["spec"]["backoffLimit"]), (&json!(60), &json!(0)));
}
