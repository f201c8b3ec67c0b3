//! `undeclared-variable`: a placeholder or a job variable is not a variable of the template.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "undeclared-variable",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a placeholder or a job variable is not a variable of the template",
    why: "Prefect's server rejects a base job template with a placeholder that `variables.properties` does \
          not declare. A job variable without a declaration has no effect, and Prefect does not report it.",
    remedy: "Declare the variable below `variables.properties`, or correct its name.",
    fix: None,
    sources: &["prefect@3.8.8:src/prefect/server/schemas/actions.py (validate_base_job_template)"],
    examples: &[Example {
        manifest: r#"{
  "job_configuration": {
    "env": "{{ env }}",
    "labels": {"team": "{{ team }}"},
    "job_manifest": {
      "apiVersion": "batch/v1",
      "kind": "Job",
      "spec": {
        "template": {
          "spec": {
            "parallelism": 1,
            "completions": 1,
            "restartPolicy": "Never",
            "containers": [
              {
                "name": "prefect-job",
                "image": "prefecthq/prefect:3-latest",
                "env": "{{ env }}"
              }
            ]
          }
        }
      }
    }
  },
  "variables": {
    "type": "object",
    "properties": {
      "env": {"type": "object"}
    }
  }
}
"#,
        with: &[],
        bad: r#"      "env": {"type": "object"}
"#,
        good: r#"      "env": {"type": "object"},
      "team": {"type": "string"}
"#,
    }],
    check: Check::Preview,
};
