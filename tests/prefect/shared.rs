//! Cases that were written down elsewhere before there was a preview, with what Prefect 1.4.1 makes of each. They
//! are beside the package on some machines, and in none of its copies.

use std::collections::BTreeMap;
use std::fs;

use serde_yaml::{Mapping, Value};

use crate::answer::Answer;
use crate::case::{Case, Version};
use crate::json::Json;
use crate::one::failure;
use crate::oracle::say;
use crate::preview::{Preview, beside};

const FOLDER: &str = "../shared/oracles/prefect1";

#[test]
fn cases_from_elsewhere() {
    let Some(folder) = beside(FOLDER) else {
        return say(&format!("LEFT OUT, the cases from elsewhere: no {FOLDER} beside the package"));
    };
    let expected = fs::read_to_string(folder.join("expected.json")).expect("what is expected");
    let Ok(Json::Map(expected)) = Json::parse(&expected) else { panic!("no JSON of answers") };
    let preview = Preview::new();
    let mut failures = Vec::new();
    for (name, expected) in &expected {
        let name = String::from_utf16_lossy(name);
        let text = fs::read_to_string(folder.join("cases").join(&name)).expect("a case");
        let case = read(&name, &text);
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
    let count = expected.len();
    assert!(failures.is_empty(), "{} of {count}\n{}", failures.len(), failures.join("\n"));
    assert_eq!(count, 99);
}

/// A case of theirs: the template stands in the scenario.
fn read(name: &str, text: &str) -> Case {
    let root: Value = serde_yaml::from_str(text).expect("YAML");
    let mut scenario = root.as_mapping().cloned().unwrap_or_default();
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
        version: Version::V1_4,
        template: text.map(String::into_bytes),
        scenario: Some(scenario),
        files: BTreeMap::new(),
    }
}

/// YAML that says the same in every dialect.
fn quoted(value: &Value) -> String {
    serde_json::to_string(value).expect("texts as keys")
}

/// There, keys are sorted.
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
