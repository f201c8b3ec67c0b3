//! `invalid-job-variable`: a job variable does not fit its schema.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "invalid-job-variable",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a job variable does not fit its schema",
    why: "Prefect's server validates the job variables of a deployment and of a flow run with the \
          `variables` of the base job template. It rejects the request with 422 Unprocessable Entity, and \
          the flow run is not created.",
    remedy: "Change the value, or the schema of the variable.",
    fix: None,
    sources: &["prefect@3.8.8:src/prefect/server/api/validation.py"],
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
                "env": "{{ env }}",
                "imagePullPolicy": "{{ policy }}"
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
      "env": {"type": "object"},
      "policy": {"enum": ["Always", "Never"]}
    }
  }
}
"#,
        with: &[(
            "--job-variables",
            "job_variables.yaml",
            "policy: always
",
        )],
        bad: "policy: always
",
        good: "policy: Always
",
    }],
    check: Check::Preview,
};
