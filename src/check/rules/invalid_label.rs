//! `invalid-label`: Kubernetes rejects a label or an annotation.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "invalid-label",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "Kubernetes rejects a label or an annotation of the Job that Prefect creates",
    why: "The API server checks each key and each label value when the agent or worker creates the Job. If \
          one is invalid, no Job is created and the flow run does not start.",
    remedy: "Write the value of a label with at most 63 letters, digits, `-`, `_` and `.`, and a letter or digit at \
          both ends. The same holds for the name in a key, after an optional `prefix/`. Quote values that YAML reads as \
          numbers or booleans.",
    fix: None,
    sources: &["https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set"],
    examples: &[Example {
        manifest: r#"apiVersion: batch/v1
kind: Job
metadata:
  labels:
    team: "data team"
spec:
  template:
    spec:
      containers:
      - name: flow
        image: prefecthq/prefect:1.4.1
"#,
        with: &[],
        bad: r#"    team: "data team"
"#,
        good: "    team: data-team
",
    }],
    check: Check::Preview,
};
