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
    let write = |name: &str, text: &str| run::write_file(&directory.path().join(name), text.as_bytes());
    let report = |name: &str, flags: &[&str]| {
        let mut check = Command::new(env!("CARGO_BIN_EXE_jobplate"));
        check.current_dir(&directory).args(["check", name, "--persona", "pedantic", "--output", "sarif=log.sarif"]);
        let output = check.args(flags).output().expect("the program");
        assert_ne!(output.status.code(), Some(2), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        validate(&validator, &directory.path().join("log.sarif"))
    };
    for rule in RULES {
        let example = &rule.examples[0];
        write("a b.yaml", example.manifest);
        let mut flags = Vec::new();
        for (flag, value, text) in example.with {
            if !text.is_empty() {
                write(value, text);
            }
            flags.extend([*flag, *value]);
        }
        assert_eq!(report("a b.yaml", &flags), "", "{}", rule.name);
    }
    write("empty.yaml", "kind: Pod\n");
    assert_eq!(report("empty.yaml", &[]), "");
    // The validator notices what the schema forbids.
    let invalid = r#"{"version": "2.1.0", "runs": [{"tool": {"driver": {}}, "results": null}]}"#;
    write("log.sarif", invalid);
    assert!(validate(&validator, &directory.path().join("log.sarif")).contains("required property 'name'"));
}

/// Returns the errors of a SARIF log.
fn validate(validator: &Path, log: &Path) -> String {
    let log = std::fs::File::open(log).expect("a report");
    let output = Command::new(validator).stdin(log).output().expect("Node.js runs the validator");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
