//! Cases that were written down elsewhere before there was a preview, with what Prefect makes of each. They are beside
//! the package on some machines, and in none of its copies.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_yaml::{Mapping, Value};

use crate::answer::Answer;
use crate::case::{Case, PrefectVersion};
use crate::handwritten::failure;
use crate::json::Json;
use crate::oracle::report_line;
use crate::preview::{Preview, beside};
use crate::reference::{PREFECT1, Reference, WORKER};

#[test]
fn cases_from_elsewhere() {
    hold(&PREFECT1, read_one);
}

#[test]
fn cases_of_workers_from_elsewhere() {
    hold(&WORKER, read_worker);
}

fn hold(side: &Reference, read: fn(&str, Mapping, &Path) -> Case) {
    let (folder, count) = side.elsewhere;
    let Some(folder) = beside(folder) else {
        return report_line(&format!(
            "LEFT OUT, the cases from elsewhere of {}: no {folder} beside the package",
            side.name
        ));
    };
    let cases = folder.join("cases");
    let expected = [folder.join("expected.json"), cases.join("expected.json")];
    let expected = expected.iter().find_map(|path| fs::read_to_string(path).ok()).expect("what is expected");
    let Ok(Json::Map(expected)) = Json::parse(&expected) else { panic!("no JSON of answers") };
    let preview = Preview::new();
    let mut failures = Vec::new();
    for (name, expected) in &expected {
        let name = String::from_utf16_lossy(name);
        let text = fs::read_to_string(cases.join(&name)).expect("a case");
        let root: Value = serde_yaml::from_str(&text).expect("YAML");
        let case = read(&name, root.as_mapping().cloned().unwrap_or_default(), &cases);
        let prefect = match expected.get("value") {
            Some(job) => Answer::Job(sorted(job)),
            None => Answer::Fails(expected.get("error").and_then(Json::as_text).expect("an error")),
        };
        let ours = match preview.ask(&case) {
            Answer::Job(job) => Answer::Job(sorted(&job)),
            fails => fails,
        };
        if let Some(difference) = prefect.difference(&ours) {
            failures.push(failure(&case, &prefect, &difference, &ours));
        }
    }
    assert!(failures.is_empty(), "{} of {}\n{}", failures.len(), expected.len(), failures.join("\n"));
    assert_eq!(expected.len(), count);
}

/// A case of theirs: the template stands in the scenario.
fn read_one(name: &str, mut scenario: Mapping, _: &Path) -> Case {
    let mut take = |key: &str| scenario.remove(key).and_then(|value| value.as_str().map(str::to_owned));
    let (text, path) = (take("template_text"), take("template"));
    if let Some(path) = path {
        let mut agent = scenario.get("agent").and_then(Value::as_mapping).cloned().unwrap_or_default();
        agent.insert("job_template_path".into(), path.into());
        scenario.insert("agent".into(), Value::Mapping(agent));
    }
    let scenario = if scenario == Mapping::new() { String::new() } else { quoted(&Value::Mapping(scenario)) };
    Case {
        name: name.to_owned(),
        version: PrefectVersion::V1_4,
        template: text.map(String::into_bytes),
        scenario: Some(scenario),
        files: BTreeMap::new(),
    }
}

/// A case of theirs: the template stands in the scenario, or in a file beside it.
fn read_worker(name: &str, mut scenario: Mapping, folder: &Path) -> Case {
    let text = |value: Value| value.as_str().expect("a text").to_owned();
    let template = match scenario.remove("template_file").map(text) {
        Some(file) => fs::read_to_string(folder.join(file)).expect("a template"),
        None => match scenario.remove("template_text") {
            Some(template) => text(template),
            None => quoted(&scenario.remove("template").expect("a template")),
        },
    };
    Case {
        name: name.to_owned(),
        version: PrefectVersion::Worker0_8,
        template: Some(template.into_bytes()),
        scenario: Some(quoted(&Value::Mapping(scenario))),
        files: BTreeMap::new(),
    }
}

/// YAML that says the same in every dialect.
fn quoted(value: &Value) -> String {
    serde_json::to_string(value).expect("texts as keys")
}

/// For those, the order of keys is nothing to go by.
fn sorted(value: &Json) -> Json {
    match value {
        Json::List(items) => Json::List(items.iter().map(sorted).collect()),
        Json::Map(pairs) => {
            let mut pairs: Vec<_> = pairs.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            pairs.sort_by(|own, other| own.0.cmp(&other.0));
            Json::Map(pairs)
        }
        other => other.clone(),
    }
}
