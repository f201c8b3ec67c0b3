//! The keys of hand-written cases of Prefect 1.
//!
//! | key | meaning |
//! |---|---|
//! | `about` | the purpose of the case, if its name does not state it |
//! | `template`, `hex` | the agent's job template, as a string or as hexadecimal bytes; the default is Prefect's own template |
//! | `pod`, `container` | a template with these lines in its pod, or in its only container |
//! | `metadata` | a template with these lines as its metadata |
//! | `values` | a template with each of these YAML scalars as an annotation |
//! | `each` | like `values`, but with a case for each value |
//! | `scenario` | the scenario |
//! | `settings` | a scenario with each of these values as a variable that the agent passes to flow runs |
//! | `each_setting` | like `settings`, but with a case for each setting |
//! | `scenarios` | a case for each of these scenarios |
//! | `files` | files in the current directory |
//! | `prefect` | `0.15` or `both`; the default is 1.4 |

use std::collections::BTreeMap;

use crate::case::{Case, PrefectVersion, string, strings, versions};
use crate::reference::PREFECT1;

const HEAD: &str = "apiVersion: batch/v1\nkind: Job\n";
const POD: &str = "spec:\n  template:\n    spec:\n";
const CONTAINER: &str = "      containers:\n        - name: flow\n";

/// Parses the cases of one table.
pub(crate) fn parse_cases(name: &str, table: &toml::Table) -> Result<Vec<Case>, String> {
    let mut templates: Vec<Vec<u8>> = Vec::new();
    let mut scenarios: Vec<String> = Vec::new();
    let mut files = BTreeMap::new();
    let mut case_versions = vec![PrefectVersion::V1_4];
    let only_one = || format!("{name}: two templates, or two scenarios");
    for (key, value) in table {
        let mut template = Vec::new();
        let mut scenario = Vec::new();
        match key.as_str() {
            "about" => drop(string(value)?),
            "template" => template.push(string(value)?.into_bytes()),
            "hex" => template.push(decode_hex(&string(value)?)?),
            "pod" => template.push(format!("{HEAD}{POD}{}", indent(6, &string(value)?)).into_bytes()),
            "container" => {
                template.push(format!("{HEAD}{POD}{CONTAINER}{}", indent(10, &string(value)?)).into_bytes());
            }
            "metadata" => {
                let metadata = indent(2, &string(value)?);
                template.push(format!("{HEAD}metadata:\n{metadata}{POD}{CONTAINER}").into_bytes());
            }
            "values" => template.push(annotated_template(&strings(value)?)),
            "each" => template.extend(strings(value)?.into_iter().map(|value| annotated_template(&[value]))),
            "scenario" => scenario.push(string(value)?),
            "each_setting" => scenario.extend(strings(value)?.into_iter().map(|value| settings_scenario(&[value]))),
            "settings" => scenario.push(settings_scenario(&strings(value)?)),
            "scenarios" => scenario.extend(strings(value)?),
            "files" => {
                for (name, text) in value.as_table().ok_or("files is a table")? {
                    files.insert(name.clone(), string(text)?);
                }
            }
            "prefect" => case_versions = versions(&PREFECT1, value, "both")?,
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
        for version in &case_versions {
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

/// Returns a template with `values` as annotations.
fn annotated_template(values: &[String]) -> Vec<u8> {
    let annotations: String =
        values.iter().enumerate().map(|(number, value)| format!("    v{}: {value}\n", number + 1)).collect();
    format!("{HEAD}metadata:\n  annotations:\n{annotations}{POD}{CONTAINER}").into_bytes()
}

/// Returns a scenario with `values` as settings of Prefect that the agent passes to flow runs.
fn settings_scenario(values: &[String]) -> String {
    let line = |(number, value): (usize, &String)| {
        let value = serde_json::Value::String(value.clone());
        format!("  PREFECT__CLOUD__AGENT__ENV_VARS__V{}: {value}\n", number + 1)
    };
    format!("environ:\n  ANIMAL: cat\n  DEEP: $ANIMAL\n{}", values.iter().enumerate().map(line).collect::<String>())
}

fn indent(by: usize, text: &str) -> String {
    let line = |line: &str| if line.trim().is_empty() { line.to_owned() } else { format!("{:by$}{line}", "") };
    text.split_inclusive('\n').map(line).collect()
}

fn decode_hex(digits: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = digits.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).map_err(|e| e.to_string());
    digits.chunks(2).map(byte).collect()
}
