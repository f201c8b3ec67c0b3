//! Checks cases that are not part of the package, with Prefect's answers. They exist only on some machines, in a
//! directory next to the package.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_yaml::{Mapping, Value};

use crate::answer::Answer;
use crate::case::{Case, PrefectVersion};
use crate::handwritten::describe_failure;
use crate::json::Json;
use crate::oracle::report_line;
use crate::preview::{Preview, find_beside_package};
use crate::reference::{PREFECT1, Reference, WORKER};

#[test]
fn external_cases_of_agents() {
    check_cases(&PREFECT1, read_prefect1_case);
}

#[test]
fn external_cases_of_workers() {
    check_cases(&WORKER, read_worker_case);
}

fn check_cases(reference: &Reference, read: fn(&str, Mapping, &Path) -> Case) {
    let (directory, count) = reference.external_cases;
    let Some(directory) = find_beside_package(directory) else {
        return report_line(&format!(
            "LEFT OUT, the cases from elsewhere of {}: no {directory} beside the package",
            reference.name
        ));
    };
    let cases = directory.join("cases");
    let expected = [directory.join("expected.json"), cases.join("expected.json")];
    let expected = expected.iter().find_map(|path| fs::read_to_string(path).ok()).expect("what is expected");
    let Ok(Json::Map(expected)) = Json::parse(&expected) else { panic!("no JSON of answers") };
    let preview = Preview::new();
    let mut failures = Vec::new();
    for (name, expected) in &expected {
        let name = String::from_utf16_lossy(name);
        let yaml = fs::read_to_string(cases.join(&name)).expect("a case");
        let root: Value = serde_yaml::from_str(&yaml).expect("YAML");
        let case = read(&name, root.as_mapping().cloned().unwrap_or_default(), &cases);
        let prefect = match expected.get("value") {
            Some(job) => Answer::Job(sort_keys(job)),
            None => Answer::Failure(expected.get("error").and_then(Json::as_text).expect("an error")),
        };
        let ours = match preview.ask(&case) {
            Answer::Job(job) => Answer::Job(sort_keys(&job)),
            fails => fails,
        };
        if let Some(difference) = prefect.difference(&ours) {
            failures.push(describe_failure(&case, &prefect, &difference, &ours));
        }
    }
    assert!(failures.is_empty(), "{} of {}\n{}", failures.len(), expected.len(), failures.join("\n"));
    assert_eq!(expected.len(), count);
}

/// Reads a case for Prefect 1: the scenario contains the template.
fn read_prefect1_case(name: &str, mut scenario: Mapping, _: &Path) -> Case {
    let mut take = |key: &str| scenario.remove(key).and_then(|value| value.as_str().map(str::to_owned));
    let (yaml, path) = (take("template_text"), take("template"));
    if let Some(path) = path {
        let mut agent = scenario.get("agent").and_then(Value::as_mapping).cloned().unwrap_or_default();
        agent.insert("job_template_path".into(), path.into());
        scenario.insert("agent".into(), Value::Mapping(agent));
    }
    let scenario = if scenario == Mapping::new() { String::new() } else { to_quoted_yaml(&Value::Mapping(scenario)) };
    Case {
        name: name.to_owned(),
        version: PrefectVersion::V1_4,
        template: yaml.map(String::into_bytes),
        scenario: Some(scenario),
        files: BTreeMap::new(),
    }
}

/// Reads a case for a worker: the template is in the scenario, or in a file next to it.
fn read_worker_case(name: &str, mut scenario: Mapping, directory: &Path) -> Case {
    let to_text = |value: Value| value.as_str().expect("a text").to_owned();
    let template = match scenario.remove("template_file").map(to_text) {
        Some(file) => fs::read_to_string(directory.join(file)).expect("a template"),
        None => match scenario.remove("template_text") {
            Some(template) => to_text(template),
            None => to_quoted_yaml(&scenario.remove("template").expect("a template")),
        },
    };
    Case {
        name: name.to_owned(),
        version: PrefectVersion::Worker0_8,
        template: Some(template.into_bytes()),
        scenario: Some(to_quoted_yaml(&Value::Mapping(scenario))),
        files: BTreeMap::new(),
    }
}

/// Formats a value as YAML that has the same meaning in every version of YAML.
fn to_quoted_yaml(value: &Value) -> String {
    serde_json::to_string(value).expect("texts as keys")
}

/// Sorts the keys of a value. The external answers do not preserve the order of keys.
fn sort_keys(value: &Json) -> Json {
    match value {
        Json::List(items) => Json::List(items.iter().map(sort_keys).collect()),
        Json::Map(pairs) => {
            let mut pairs: Vec<_> = pairs.iter().map(|(key, value)| (key.clone(), sort_keys(value))).collect();
            pairs.sort_by(|own, other| own.0.cmp(&other.0));
            Json::Map(pairs)
        }
        other => other.clone(),
    }
}
