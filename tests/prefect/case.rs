//! A case: a job template, a scenario, and the version of Prefect that is asked.
//!
//! Hand-written cases are tables of `one/cases/TOPIC.toml`, the name of each its key:
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
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) use crate::venv::Version;

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) version: Version,
    pub(crate) template: Option<Vec<u8>>,
    pub(crate) scenario: Option<String>,
    pub(crate) files: BTreeMap<String, String>,
}

impl Case {
    /// The case as a table of a file of cases, to be put there.
    pub(crate) fn print(&self) -> String {
        let mut out = format!("[{}]\n", self.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        if self.version == Version::V0_15 {
            out += "prefect = \"0.15\"\n";
        }
        match self.template.as_deref().map(|bytes| (bytes, str::from_utf8(bytes))) {
            Some((_, Ok(text))) => out += &format!("template = {}\n", print_text(text)),
            Some((bytes, Err(_))) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                out += &format!("hex = \"{digits}\"\n");
            }
            None => {}
        }
        if let Some(scenario) = &self.scenario {
            out += &format!("scenario = {}\n", print_text(scenario));
        }
        for (name, text) in &self.files {
            out += &format!("files.{name:?} = {}\n", print_text(text));
        }
        out
    }
}

/// A text as TOML has it, in lines where they can stand as they are.
fn print_text(text: &str) -> String {
    let is_plain = |c: char| c == '\n' || c == '\t' || !c.is_control();
    if text.chars().all(is_plain) && !text.contains("'''") && !text.ends_with('\'') {
        return format!("'''\n{text}'''");
    }
    toml::Value::String(text.to_owned()).to_string()
}

/// Where hand-written cases are, and what is expected of them.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/prefect/one")
}

/// All hand-written cases, by topic.
pub(crate) fn topics() -> Vec<(String, Vec<Case>)> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder().join("cases"))
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry of it").path())
        .collect();
    files.sort();
    let topic = |path: &PathBuf| {
        let topic = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(path).expect("a file of cases");
        let cases = parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (topic, cases)
    };
    files.iter().map(topic).collect()
}

const HEAD: &str = "apiVersion: batch/v1\nkind: Job\n";
const POD: &str = "spec:\n  template:\n    spec:\n";
const CONTAINER: &str = "      containers:\n        - name: flow\n";

/// Reads a file of cases. Whatever is odd about it is an error: a misspelled key would test nothing.
fn parse(text: &str) -> Result<Vec<Case>, String> {
    let table: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
    let mut cases = Vec::new();
    for (name, value) in &table {
        let fail = |error: String| format!("{name}: {error}");
        cases.extend(parse_case(name, value.as_table().ok_or_else(|| fail("no table".to_owned()))?).map_err(fail)?);
    }
    Ok(cases)
}

fn parse_case(name: &str, table: &toml::Table) -> Result<Vec<Case>, String> {
    let mut templates: Vec<Vec<u8>> = Vec::new();
    let mut scenarios: Vec<String> = Vec::new();
    let mut files = BTreeMap::new();
    let mut versions = vec![Version::V1_4];
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
            "prefect" => {
                versions = match value.as_str() {
                    Some("0.15") => vec![Version::V0_15],
                    Some("both") => Version::ALL.to_vec(),
                    _ => return Err("prefect is `0.15` or `both`".to_owned()),
                }
            }
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
        for version in &versions {
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

fn string(value: &toml::Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("{value} is no text"))
}

fn strings(value: &toml::Value) -> Result<Vec<String>, String> {
    value.as_array().ok_or_else(|| format!("{value} is no list"))?.iter().map(string).collect()
}

fn unhex(digits: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = digits.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).map_err(|e| e.to_string());
    digits.chunks(2).map(byte).collect()
}

#[test]
fn a_printed_case_is_read_again() {
    for (_, cases) in topics() {
        for case in cases {
            let again = parse(&case.print()).unwrap_or_else(|error| panic!("{}: {error}", case.name)).remove(0);
            assert_eq!(again.template, case.template, "{}", case.name);
            assert_eq!(again.scenario, case.scenario, "{}", case.name);
            assert_eq!((again.files, again.version), (case.files, case.version), "{}", case.name);
        }
    }
}
