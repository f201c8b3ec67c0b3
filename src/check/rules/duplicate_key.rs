//! `duplicate-key`: a mapping of a template or of a file that describes the run has a key twice.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "duplicate-key",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a mapping of a Prefect template has a key twice",
    why: "YAML requires unique keys. Prefect uses the last value and silently drops the others; other \
          readers use the first one, or reject the file.",
    remedy: "Remove one of the two.",
    fix: None,
    sources: &["https://yaml.org/spec/1.2.2/#3211-nodes", "pyyaml:lib/yaml/constructor.py (construct_mapping)"],
    examples: &[Example {
        manifest: "apiVersion: batch/v1
kind: Job
spec:
  template:
    spec:
      containers:
      - name: flow
        image: prefecthq/prefect:1.4.1
        image: prefecthq/prefect:1.4.0
",
        with: &[],
        bad: "        image: prefecthq/prefect:1.4.0
",
        good: "",
    }],
    check: Check::Preview,
};
