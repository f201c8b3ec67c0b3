//! `mixed-env-placeholder`: `{{ env }}` is an item of a list of variables.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "mixed-env-placeholder",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "`{{ env }}` is an item of a list of variables, or belongs to a container other than the first",
    why: "A worker replaces `{{ env }}` with a mapping of names to values. It only converts the mapping to a \
          list if it is the whole `env` of the first container. Anywhere else, Kubernetes rejects the Job as \
          soon as a variable is set.",
    remedy: "Remove the item. A worker adds its variables to the first container anyway, and to no other one.",
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
                "env": ["{{ env }}", {"name": "LOG_LEVEL", "value": "info"}]
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
        bad: r#"                "env": ["{{ env }}", {"name": "LOG_LEVEL", "value": "info"}]
"#,
        good: r#"                "env": [{"name": "LOG_LEVEL", "value": "info"}]
"#,
    }],
    check: Check::Preview,
};
