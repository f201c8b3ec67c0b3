//! `missing-variable`: a required variable is not set and has no default.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-variable",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a required variable of a base job template is not set and has no default",
    why: "Prefect's server rejects each flow run of a deployment whose job variables do not set the \
          variable.",
    remedy: "Set the job variable, or give the variable a default.",
    fix: None,
    sources: &["prefect@3.8.8:src/prefect/server/api/validation.py (validate_job_variables_for_deployment_flow_run)"],
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
                "image": "{{ image }}",
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
    "required": ["image"],
    "properties": {
      "env": {"type": "object"},
      "image": {"type": "string"}
    }
  }
}
"#,
        with: &[(
            "--scenario",
            "scenario.yaml",
            "deployment:
  name: etl
",
        )],
        bad: r#"      "image": {"type": "string"}
"#,
        good: r#"      "image": {"type": "string", "default": "prefecthq/prefect:3-latest"}
"#,
    }],
    check: Check::Preview,
};
