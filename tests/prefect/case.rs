//! A case: a template, a scenario, and the version of Prefect.
//!
//! Hand-written cases are tables in `cases/TOPIC.toml` in the directory of a reference program, each with its name as
//! the key. `prefect1/table.rs` and `worker/table.rs` list the other keys.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::reference::Reference;
pub(crate) use crate::venv::PrefectVersion;

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) version: PrefectVersion,
    pub(crate) template: Option<Vec<u8>>,
    pub(crate) scenario: Option<String>,
    pub(crate) files: BTreeMap<String, String>,
}

impl Case {
    /// Formats the case as a table for a file of cases.
    pub(crate) fn to_text(&self) -> String {
        let mut out = format!("[{}]\n", self.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        let reference = Reference::of(self.version);
        if reference.versions[0] != self.version {
            out += &format!("{} = \"{}\"\n", reference.key, self.version.short());
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

/// Formats a string as TOML, as a multi-line literal string if possible.
fn print_text(text: &str) -> String {
    let is_plain = |c: char| c == '\n' || c == '\t' || !c.is_control();
    if text.chars().all(is_plain) && !text.contains("'''") && !text.ends_with('\'') {
        return format!("'''\n{text}'''");
    }
    toml::Value::String(text.to_owned()).to_string()
}

/// Reads all hand-written cases of a reference program, grouped by topic.
pub(crate) fn topics(reference: &Reference) -> Vec<(String, Vec<Case>)> {
    let mut files: Vec<PathBuf> = fs::read_dir(reference.directory().join("cases"))
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry of it").path())
        .collect();
    files.sort();
    let read_topic = |path: &PathBuf| {
        let topic = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(path).expect("a file of cases");
        let cases = parse(reference, &text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (topic, cases)
    };
    files.iter().map(read_topic).collect()
}

/// Parses a file of cases. Fails if a key is unknown: a case with a misspelled key would test nothing.
pub(crate) fn parse(reference: &Reference, text: &str) -> Result<Vec<Case>, String> {
    let table: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
    let mut cases = Vec::new();
    for (name, value) in &table {
        let fail = |error: String| format!("{name}: {error}");
        let table = value.as_table().ok_or_else(|| fail("no table".to_owned()))?;
        cases.extend((reference.parse)(name, table).map_err(fail)?);
    }
    Ok(cases)
}

/// Returns the versions that a table names: one version, or all versions of its reference program if the value is
/// `all`.
pub(crate) fn versions(reference: &Reference, value: &toml::Value, all: &str) -> Result<Vec<PrefectVersion>, String> {
    let named = value.as_str().unwrap_or_default();
    match reference.all_versions().filter(|version| version.short() == named || named == all).collect::<Vec<_>>() {
        found if found.is_empty() => Err(format!("{} is a version, or `{all}`", reference.key)),
        found => Ok(found),
    }
}

pub(crate) fn string(value: &toml::Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("{value} is no text"))
}

pub(crate) fn strings(value: &toml::Value) -> Result<Vec<String>, String> {
    value.as_array().ok_or_else(|| format!("{value} is no list"))?.iter().map(string).collect()
}

/// Returns smaller copies of a failing case: without its scenario or its template, or without some of their lines.
pub(crate) fn reductions(case: &Case) -> Vec<Case> {
    let mut cases = Vec::new();
    let remove_lines = |text: &str| -> Vec<String> {
        let lines: Vec<&str> = text.split_inclusive(['\n', '\r']).collect();
        let mut texts = Vec::new();
        for size in [8, 3, 1] {
            for start in (0..lines.len()).step_by(size) {
                let end = (start + size).min(lines.len());
                texts.push(lines[..start].iter().chain(&lines[end..]).copied().collect());
            }
        }
        texts
    };
    if case.scenario.is_some() && case.template.is_some() {
        cases.push(Case { scenario: None, ..case.clone() });
    }
    if case.template.is_some() && case.scenario.is_some() {
        cases.push(Case { template: None, ..case.clone() });
    }
    if let Some(text) = case.template.as_deref().and_then(|bytes| str::from_utf8(bytes).ok()) {
        cases.extend(
            remove_lines(text).into_iter().map(|text| Case { template: Some(text.into_bytes()), ..case.clone() }),
        );
    }
    if let Some(text) = &case.scenario {
        cases.extend(remove_lines(text).into_iter().map(|text| Case { scenario: Some(text), ..case.clone() }));
    }
    cases
}

#[test]
fn printed_cases_parse() {
    for reference in Reference::ALL {
        for case in topics(reference).into_iter().flat_map(|(_, cases)| cases) {
            let parsed =
                parse(reference, &case.to_text()).unwrap_or_else(|error| panic!("{}: {error}", case.name)).remove(0);
            assert_eq!(parsed.template, case.template, "{}", case.name);
            assert_eq!(parsed.scenario, case.scenario, "{}", case.name);
            assert_eq!((parsed.files, parsed.version), (case.files, case.version), "{}", case.name);
        }
    }
}
