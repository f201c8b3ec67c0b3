//! Validates the SARIF of `check` with the official schema.

use std::path::Path;
use std::process::Command;

use jobplate::check::rules::RULES;

use crate::programs;
use crate::run;

#[test]
fn reports_are_valid() {
    let Some(validator) = programs::find("validate-sarif") else { return };
    if !programs::has_programs(&["node"]) {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    for rule in RULES {
        let example = &rule.examples[0];
        let write = |name: &str, text: &str| run::write_file(&directory.path().join(name), text.as_bytes());
        // The second report has no result of the rule.
        for (name, text) in [("a b.yaml", example.manifest), ("empty.yaml", "kind: Pod\n")] {
            write(name, text);
            let mut check = Command::new(env!("CARGO_BIN_EXE_jobplate"));
            check.current_dir(&directory).args(["check", name, "--persona", "pedantic", "--output", "sarif=log.sarif"]);
            for (flag, value, text) in example.with {
                if !text.is_empty() {
                    write(value, text);
                }
                check.args([flag, value]);
            }
            let output = check.output().expect("the program");
            assert_ne!(output.status.code(), Some(2), "{}: {}", rule.name, String::from_utf8_lossy(&output.stderr));
            let errors = validate(&validator, &directory.path().join("log.sarif"));
            assert_eq!(errors, "", "{}: {name}", rule.name);
        }
    }
    // The validator notices what the schema forbids.
    let invalid = r#"{"version": "2.1.0", "runs": [{"tool": {"driver": {}}, "results": null}]}"#;
    run::write_file(&directory.path().join("log.sarif"), invalid.as_bytes());
    assert!(validate(&validator, &directory.path().join("log.sarif")).contains("required property 'name'"));
}

/// Returns the errors of a SARIF log.
fn validate(validator: &Path, log: &Path) -> String {
    let log = std::fs::File::open(log).expect("a report");
    let output = Command::new(validator).stdin(log).output().expect("Node.js runs the validator");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
