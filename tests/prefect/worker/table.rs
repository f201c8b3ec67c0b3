//! Parses the hand-written cases of workers.
//!
//! Most cases change one part of a small base job template. A string of YAML replaces a part; a table of such strings
//! replaces single keys, and `false` removes a key: `container.env = "[{name: A}]"`.
//!
//! | key | meaning |
//! |---|---|
//! | `about` | the purpose of the case, if its name does not describe it |
//! | `template` | a base job template, instead of the small template |
//! | `configuration`, `job`, `metadata`, `spec`, `pod_template`, `pod`, `container`, `variables` | parts of it: `job_configuration`, its manifest, parts of that, and the properties of `variables` |
//! | `run`, `deployment` | job variables of the run, and of the deployment |
//! | `environ`, `settings` | the worker's environment, and its own settings |
//! | `scenario` | other parts of the scenario, or the whole scenario |
//! | `each` | a list of tables; each is merged with this table to form a case |
//! | `prefect_kubernetes` | the version, if it is not the newest, or `all` |

use std::collections::BTreeMap;

use serde_yaml::{Mapping, Value};

use crate::case::{Case, PrefectVersion, string, versions};
use crate::reference::WORKER;

const SMALL: &str = r#"
job_configuration:
  command: "{{ command }}"
  env: "{{ env }}"
  labels: "{{ labels }}"
  name: "{{ name }}"
  namespace: "{{ namespace }}"
  job_manifest:
    apiVersion: batch/v1
    kind: Job
    metadata:
      labels: "{{ labels }}"
      namespace: "{{ namespace }}"
      generateName: "{{ name }}-"
    spec:
      backoffLimit: 0
      template:
        spec:
          parallelism: 1
          completions: 1
          restartPolicy: Never
          containers:
            - name: prefect-job
              env: "{{ env }}"
              image: "{{ image }}"
              args: "{{ command }}"
variables:
  type: object
  properties:
    command: {type: string}
    env: {type: object}
    labels: {type: object}
    name: {type: string}
    namespace: {type: string, default: default}
    image: {type: string, default: "own/flow:1"}
"#;

/// The parts of a template that a table can replace, with their paths. Outer parts come first.
const PARTS: [(&str, &[&str]); 8] = [
    ("configuration", &["job_configuration"]),
    ("job", &["job_configuration", "job_manifest"]),
    ("metadata", &["job_configuration", "job_manifest", "metadata"]),
    ("spec", &["job_configuration", "job_manifest", "spec"]),
    ("pod_template", &["job_configuration", "job_manifest", "spec", "template"]),
    ("pod", &["job_configuration", "job_manifest", "spec", "template", "spec"]),
    ("container", &["job_configuration", "job_manifest", "spec", "template", "spec", "containers"]),
    ("variables", &["variables", "properties"]),
];

/// The keys of a table that set parts of the scenario, with their paths.
const SCENARIO: [(&str, &[&str]); 4] = [
    ("run", &["job_variables"]),
    ("deployment", &["deployment", "job_variables"]),
    ("environ", &["worker", "env"]),
    ("settings", &["worker", "settings"]),
];

/// Parses the cases of one table.
pub(crate) fn parse(name: &str, table: &toml::Table) -> Result<Vec<Case>, String> {
    let mut base = table.clone();
    let each = match base.remove("each") {
        Some(each) => each.as_array().ok_or("each is a list")?.clone(),
        None => return parse_one(name.to_owned(), &base),
    };
    let mut cases = Vec::new();
    for (place, item) in each.iter().enumerate() {
        let mut table = base.clone();
        for (key, value) in item.as_table().ok_or("each is a list of tables")? {
            match (table.get_mut(key), value) {
                (Some(toml::Value::Table(table)), toml::Value::Table(other)) => table.extend(other.clone()),
                _ => drop(table.insert(key.clone(), value.clone())),
            }
        }
        cases.extend(parse_one(format!("{name} {}", place + 1), &table)?);
    }
    Ok(cases)
}

fn parse_one(name: String, table: &toml::Table) -> Result<Vec<Case>, String> {
    let mut selected = vec![PrefectVersion::Worker0_8];
    let mut whole_template = None;
    let mut template: Value = parse_yaml(SMALL)?;
    let mut scenario = None;
    for (key, value) in table {
        let is_part = PARTS.iter().chain(&SCENARIO).any(|(name, _)| name == key);
        match key.as_str() {
            "about" => drop(string(value)?),
            "template" => whole_template = Some(string(value)?),
            "scenario" => scenario = Some(string(value)?),
            "prefect_kubernetes" => selected = versions(&WORKER, value, "all")?,
            _ if is_part => {}
            other => return Err(format!("unknown key {other}")),
        }
    }
    for (part, path) in PARTS {
        let Some(value) = table.get(part) else { continue };
        if whole_template.is_some() {
            return Err(format!("{part}: the template is given as a whole"));
        }
        replace_part(get_or_insert(&mut template, path)?, value)?;
    }
    let scenario_parts: Vec<_> = SCENARIO.iter().filter_map(|(name, path)| Some((path, table.get(*name)?))).collect();
    if !scenario_parts.is_empty() {
        let mut root = scenario.as_deref().map_or(Ok(Value::Mapping(Mapping::new())), parse_yaml)?;
        for (path, value) in scenario_parts {
            *get_or_insert(&mut root, path)? = parse_yaml(&string(value)?)?;
        }
        scenario = Some(print_json(&root)?);
    }
    let template = whole_template.map_or_else(|| print_json(&template), Ok)?;
    let case = |version| Case {
        name: name.clone(),
        version,
        template: Some(template.clone().into_bytes()),
        scenario: scenario.clone(),
        files: BTreeMap::new(),
    };
    Ok(selected.into_iter().map(case).collect())
}

/// Returns the value at a path of keys. Adds the value if it is missing. A list counts as its first item.
fn get_or_insert<'v>(root: &'v mut Value, path: &[&str]) -> Result<&'v mut Value, String> {
    let mut value = root;
    for key in path {
        let mapping = value.as_mapping_mut().ok_or_else(|| format!("{key} is in no mapping"))?;
        value = mapping.entry((*key).into()).or_insert_with(|| Value::Mapping(Mapping::new()));
        if let Value::Sequence(_) = value {
            value = &mut value[0];
        }
    }
    Ok(value)
}

fn replace_part(part: &mut Value, with: &toml::Value) -> Result<(), String> {
    let Some(keys) = with.as_table() else {
        *part = parse_yaml(&string(with)?)?;
        return Ok(());
    };
    let mapping = part.as_mapping_mut().ok_or("no mapping")?;
    for (key, value) in keys {
        if value.as_bool() == Some(false) {
            mapping.remove(key.as_str()).ok_or_else(|| format!("no {key} to take away"))?;
        } else {
            mapping.insert(key.as_str().into(), parse_yaml(&string(value)?)?);
        }
    }
    Ok(())
}

fn parse_yaml(text: &str) -> Result<Value, String> {
    serde_yaml::from_str(text).map_err(|error| format!("{error} in {text:?}"))
}

/// Prints a value as JSON, which all YAML parsers read in the same way.
fn print_json(value: &Value) -> Result<String, String> {
    serde_json::to_string_pretty(value).map_err(|error| error.to_string())
}
