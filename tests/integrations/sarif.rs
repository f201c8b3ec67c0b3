//! Validates the SARIF of `check` with the official schema.

use std::path::Path;
use std::process::Command;

use jobplate::check::rules::RULES;

use crate::programs;
use crate::rule_examples::check_example;
use crate::run;

#[test]
fn reports_are_valid() {
    let Some(validator) = programs::find("validate-sarif") else { return };
    if !programs::has_programs(&["node"]) {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let log = directory.path().join("log.sarif");
    for rule in RULES {
        check_example(rule, directory.path(), &["--output", "sarif=log.sarif"]);
        assert_eq!(validate(&validator, &log), "", "{}", rule.name);
    }
    run::write_file(&directory.path().join("empty.yaml"), b"kind: Pod\n");
    let mut check = Command::new(env!("CARGO_BIN_EXE_jobplate"));
    let check = check.current_dir(&directory).args(["check", "empty.yaml", "--output", "sarif=log.sarif"]);
    assert!(check.status().expect("the program").success());
    assert_eq!(validate(&validator, &log), "");
    // The validator notices what the schema forbids.
    let invalid = r#"{"version": "2.1.0", "runs": [{"tool": {"driver": {}}, "results": null}]}"#;
    run::write_file(&log, invalid.as_bytes());
    assert!(validate(&validator, &log).contains("required property 'name'"));
}

/// Returns the errors of a SARIF log.
fn validate(validator: &Path, log: &Path) -> String {
    let log = std::fs::File::open(log).expect("a report");
    let output = Command::new(validator).stdin(log).output().expect("Node.js runs the validator");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
