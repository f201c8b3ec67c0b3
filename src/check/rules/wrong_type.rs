//! `wrong-type`: a field of the Job that Prefect creates has a type other than the one that Kubernetes requires.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "wrong-type",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a field of the Job has a type other than the one that Kubernetes requires",
    why: "A worker replaces `{{ env }}` with a mapping, and only converts the `env` of the first container \
          to a list. The API server rejects a mapping elsewhere.",
    remedy: "Write a list of entries.",
    fix: None,
    sources: &[
        "prefect@3.8.8:src/integrations/prefect-kubernetes/prefect_kubernetes/worker.py (_populate_env_in_manifest)",
    ],
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
              },
              {
                "name": "proxy",
                "image": "envoy:1",
                "env": {"LOG_LEVEL": "info"}
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
        bad: r#"                "env": {"LOG_LEVEL": "info"}
"#,
        good: r#"                "env": [{"name": "LOG_LEVEL", "value": "info"}]
"#,
    }],
    check: Check::Preview,
};
