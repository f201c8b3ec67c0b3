//! Reads the rdjson of `check` with reviewdog's parser.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output};

use jobplate::check::rules::RULES;

use crate::programs;
use crate::rule_examples::check_example;

#[test]
fn reviewdog_reads_reports() {
    let Some(validator) = programs::find("validate-rdjson") else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let report = directory.path().join("report.json");
    let mut suggestions = 0;
    for rule in RULES {
        let text = check_example(rule, directory.path(), &["--output", "rdjson=report.json", "--output", "github"]);
        let output = validate(&validator, &report);
        let places = String::from_utf8_lossy(&output.stdout);
        let (found, suggested): (Vec<&str>, Vec<&str>) = places.lines().partition(|line| !line.starts_with(' '));
        assert!(output.status.success(), "{}: {}", rule.name, String::from_utf8_lossy(&output.stderr));
        let annotations = text.lines().filter(|line| line.starts_with("::")).count();
        assert_eq!(found.len(), annotations, "{}: {places}", rule.name);
        assert!(found.iter().any(|line| line.contains(&format!(" {} ", rule.name))), "{}: {places}", rule.name);
        let place_of = |line: &&str| line.rsplit(' ').next().unwrap_or_default().to_owned();
        let has_zero = |place: String| place.split([':', '-']).any(|number| number == "0");
        assert!(!found.iter().map(place_of).any(has_zero), "{}: {places}", rule.name);
        suggestions += suggested.len();
    }
    assert!(suggestions > 5, "{suggestions}");
    // The parser notices a value of a wrong type.
    std::fs::write(&report, r#"{"diagnostics": [{"message": ["text"]}]}"#).expect("a report");
    assert!(!validate(&validator, &report).status.success());
}

fn validate(validator: &Path, report: &Path) -> Output {
    Command::new(validator).stdin(File::open(report).expect("a report")).output().expect("the parser starts")
}
