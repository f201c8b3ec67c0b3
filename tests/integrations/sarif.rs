//! Validates the SARIF of `check` with the official schema.

use std::path::Path;

use jobplate::check::rules::RULES;

use crate::programs;
use crate::workspace::Workspace;

#[test]
fn reports_are_valid() {
    let Some(validator) = programs::find("validate-sarif") else { return };
    if !programs::has_programs(&["node"]) {
        return;
    }
    for rule in RULES {
        let example = &rule.examples[0];
        // The corrected manifest has no finding of the rule.
        for workspace in [Workspace::new(example, str::to_owned), Workspace::new(example, |text| example.correct(text))]
        {
            let [report] = workspace.reports(rule.name, ["sarif"]);
            assert_eq!(validate(&validator, &report), "", "{}", rule.name);
        }
    }
    // The validator notices what the schema forbids.
    let invalid = r#"{"version": "2.1.0", "runs": [{"tool": {"driver": {}}, "results": null}]}"#;
    assert!(validate(&validator, invalid).contains("required property 'name'"));
}

/// Returns the errors of a SARIF log.
fn validate(validator: &Path, log: &str) -> String {
    let output = programs::run_with_input(validator, log);
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
