//! A case: a template, a scenario, and the version of Prefect that is asked.
//!
//! Hand-written cases are tables of `cases/TOPIC.toml` below the folder of a side, the name of each its key. Which
//! other keys they have is told where they are read: `prefect1/table.rs`, `worker/table.rs`.

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
    /// The case as a table of a file of cases, to be put there.
    pub(crate) fn print(&self) -> String {
        let mut out = format!("[{}]\n", self.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        let side = Reference::of(self.version);
        if side.versions[0] != self.version {
            out += &format!("{} = \"{}\"\n", side.key, self.version.short());
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

/// All hand-written cases of a side, by topic.
pub(crate) fn topics(side: &Reference) -> Vec<(String, Vec<Case>)> {
    let mut files: Vec<PathBuf> = fs::read_dir(side.folder().join("cases"))
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry of it").path())
        .collect();
    files.sort();
    let topic = |path: &PathBuf| {
        let topic = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(path).expect("a file of cases");
        let cases = parse(side, &text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (topic, cases)
    };
    files.iter().map(topic).collect()
}

/// Reads a file of cases. Whatever is odd about it is an error: a misspelled key would test nothing.
pub(crate) fn parse(side: &Reference, text: &str) -> Result<Vec<Case>, String> {
    let table: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
    let mut cases = Vec::new();
    for (name, value) in &table {
        let fail = |error: String| format!("{name}: {error}");
        let table = value.as_table().ok_or_else(|| fail("no table".to_owned()))?;
        cases.extend((side.parse)(name, table).map_err(fail)?);
    }
    Ok(cases)
}

/// The versions that a table names: one, or all of its side.
pub(crate) fn versions(side: &Reference, value: &toml::Value, all: &str) -> Result<Vec<PrefectVersion>, String> {
    let named = value.as_str().unwrap_or_default();
    match side.all().filter(|version| version.short() == named || named == all).collect::<Vec<_>>() {
        found if found.is_empty() => Err(format!("{} is a version, or `{all}`", side.key)),
        found => Ok(found),
    }
}

pub(crate) fn string(value: &toml::Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("{value} is no text"))
}

pub(crate) fn strings(value: &toml::Value) -> Result<Vec<String>, String> {
    value.as_array().ok_or_else(|| format!("{value} is no list"))?.iter().map(string).collect()
}

/// The case with some lines less: for making a failing case smaller.
pub(crate) fn smaller(case: &Case) -> Vec<Case> {
    let mut cases = Vec::new();
    let without = |text: &str| -> Vec<String> {
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
        cases.extend(without(text).into_iter().map(|text| Case { template: Some(text.into_bytes()), ..case.clone() }));
    }
    if let Some(text) = &case.scenario {
        cases.extend(without(text).into_iter().map(|text| Case { scenario: Some(text), ..case.clone() }));
    }
    cases
}

#[test]
fn a_printed_case_is_read_again() {
    for side in Reference::ALL {
        for case in topics(side).into_iter().flat_map(|(_, cases)| cases) {
            let again = parse(side, &case.print()).unwrap_or_else(|error| panic!("{}: {error}", case.name)).remove(0);
            assert_eq!(again.template, case.template, "{}", case.name);
            assert_eq!(again.scenario, case.scenario, "{}", case.name);
            assert_eq!((again.files, again.version), (case.files, case.version), "{}", case.name);
        }
    }
}
