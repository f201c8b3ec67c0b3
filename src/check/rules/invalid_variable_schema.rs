//! `invalid-variable-schema`: the schema of the variables has no properties.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "invalid-variable-schema",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "the `variables` of a base job template have no `properties`",
    why: "Prefect reads the variables and their defaults only from `properties`. Without it, every \
          placeholder is undeclared and no variable has a default.",
    remedy: "Write the schemas of the variables below `properties`.",
    fix: None,
    sources: &["prefect@3.8.8:src/prefect/server/schemas/actions.py (validate_base_job_template)"],
    examples: &[Example {
        manifest: r#"{
  "job_configuration": {
    "env": "{{ env }}",
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
    "env": {"type": "object"}
  }
}
"#,
        with: &[],
        bad: r#"    "env": {"type": "object"}
"#,
        good: r#"    "type": "object",
    "properties": {
      "env": {"type": "object"}
    }
"#,
    }],
    check: Check::Preview,
};
