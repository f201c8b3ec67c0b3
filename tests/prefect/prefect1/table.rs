//! Hand-written cases of Prefect 1: what a table may say.
//!
//! | key | meaning |
//! |---|---|
//! | `about` | what it shows, where the name does not say it |
//! | `template`, `hex` | the agent's job template, as text or as bytes in hexadecimal; without it, Prefect's own |
//! | `pod`, `container` | a template that has these lines in its pod, or in its one container |
//! | `metadata` | a template with these lines as its metadata |
//! | `values` | a template with each of these as an annotation: scalars as YAML has them |
//! | `each` | a case of its own for each of these values |
//! | `scenario` | the scenario |
//! | `settings` | a scenario with each of these as a setting by an environment variable |
//! | `each_setting` | a case of its own for each of these settings |
//! | `scenarios` | a case of its own for each of these scenarios |
//! | `files` | files in the folder where all this happens |
//! | `prefect` | `0.15`, or `both`, and not 1.4 alone |

use std::collections::BTreeMap;

use crate::case::{Case, PrefectVersion, string, strings, versions};
use crate::reference::PREFECT1;

const HEAD: &str = "apiVersion: batch/v1\nkind: Job\n";
const POD: &str = "spec:\n  template:\n    spec:\n";
const CONTAINER: &str = "      containers:\n        - name: flow\n";

/// The cases of one table.
pub(crate) fn parse(name: &str, table: &toml::Table) -> Result<Vec<Case>, String> {
    let mut templates: Vec<Vec<u8>> = Vec::new();
    let mut scenarios: Vec<String> = Vec::new();
    let mut files = BTreeMap::new();
    let mut of = vec![PrefectVersion::V1_4];
    let only_one = || format!("{name}: two templates, or two scenarios");
    for (key, value) in table {
        let mut template = Vec::new();
        let mut scenario = Vec::new();
        match key.as_str() {
            "about" => drop(string(value)?),
            "template" => template.push(string(value)?.into_bytes()),
            "hex" => template.push(unhex(&string(value)?)?),
            "pod" => template.push(format!("{HEAD}{POD}{}", indented(6, &string(value)?)).into_bytes()),
            "container" => {
                template.push(format!("{HEAD}{POD}{CONTAINER}{}", indented(10, &string(value)?)).into_bytes());
            }
            "metadata" => {
                let metadata = indented(2, &string(value)?);
                template.push(format!("{HEAD}metadata:\n{metadata}{POD}{CONTAINER}").into_bytes());
            }
            "values" => template.push(annotated(&strings(value)?)),
            "each" => template.extend(strings(value)?.into_iter().map(|value| annotated(&[value]))),
            "scenario" => scenario.push(string(value)?),
            "each_setting" => scenario.extend(strings(value)?.into_iter().map(|value| set(&[value]))),
            "settings" => scenario.push(set(&strings(value)?)),
            "scenarios" => scenario.extend(strings(value)?),
            "files" => {
                for (name, text) in value.as_table().ok_or("files is a table")? {
                    files.insert(name.clone(), string(text)?);
                }
            }
            "prefect" => of = versions(&PREFECT1, value, "both")?,
            other => return Err(format!("unknown key {other}")),
        }
        let is_second = !templates.is_empty() && !template.is_empty() || !scenarios.is_empty() && !scenario.is_empty();
        if is_second {
            return Err(only_one());
        }
        templates.extend(template);
        scenarios.extend(scenario);
    }
    let count = templates.len().max(scenarios.len());
    if templates.len() > 1 && scenarios.len() > 1 {
        return Err(only_one());
    }
    let mut cases = Vec::new();
    for number in 0..count.max(1) {
        for version in &of {
            cases.push(Case {
                name: if count > 1 { format!("{name} {}", number + 1) } else { name.to_owned() },
                version: *version,
                template: templates.get(number).or(templates.first()).cloned(),
                scenario: scenarios.get(number).or(scenarios.first()).cloned(),
                files: files.clone(),
            });
        }
    }
    Ok(cases)
}

/// A template that has values as annotations.
fn annotated(values: &[String]) -> Vec<u8> {
    let annotations: String =
        values.iter().enumerate().map(|(number, value)| format!("    v{}: {value}\n", number + 1)).collect();
    format!("{HEAD}metadata:\n  annotations:\n{annotations}{POD}{CONTAINER}").into_bytes()
}

/// A scenario that has values as settings of Prefect: variables that the agent hands on to flows.
fn set(values: &[String]) -> String {
    let line = |(number, value): (usize, &String)| {
        let value = serde_json::Value::String(value.clone());
        format!("  PREFECT__CLOUD__AGENT__ENV_VARS__V{}: {value}\n", number + 1)
    };
    format!("environ:\n  ANIMAL: cat\n  DEEP: $ANIMAL\n{}", values.iter().enumerate().map(line).collect::<String>())
}

fn indented(by: usize, text: &str) -> String {
    let line = |line: &str| if line.trim().is_empty() { line.to_owned() } else { format!("{:by$}{line}", "") };
    text.split_inclusive('\n').map(line).collect()
}

fn unhex(digits: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = digits.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).map_err(|e| e.to_string());
    digits.chunks(2).map(byte).collect()
}
