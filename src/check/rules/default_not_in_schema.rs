//! `default-not-in-schema`: the default of a variable does not fit its schema.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "default-not-in-schema",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "the default of a variable of a base job template does not fit its schema",
    why: "Prefect's server validates each default with the schema of its variable when a work pool is \
          created or updated. It rejects the template with 422 Unprocessable Entity.",
    remedy: "Change the default or the schema.",
    fix: None,
    sources: &["prefect@3.8.8:src/prefect/server/api/validation.py (validate_job_variable_defaults_for_work_pool)"],
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
      "policy": {"enum": ["Always", "Never"], "default": "always"}
    }
  }
}
"#,
        with: &[],
        bad: r#"      "policy": {"enum": ["Always", "Never"], "default": "always"}
"#,
        good: r#"      "policy": {"enum": ["Always", "Never"], "default": "Always"}
"#,
    }],
    check: Check::Preview,
};
