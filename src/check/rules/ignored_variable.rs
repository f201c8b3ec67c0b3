//! `ignored-variable`: a version of prefect-kubernetes ignores a job variable.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "ignored-variable",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "the version of prefect-kubernetes ignores a job variable",
    why: "Before 0.2.12, a worker ignores the job variables of a flow run. Before 0.7.0, it does not read \
          job variables with dots in their names, such as `labels.team`. Prefect reports neither.",
    remedy: "Update the worker, or set the value as the hint of the finding shows.",
    fix: None,
    sources: &[
        "prefect-kubernetes@0.2.12:prefect_kubernetes/worker.py",
        "prefect@3.8.8:src/prefect/utilities/templating/__init__.py",
    ],
    examples: &[Example {
        manifest: r#"{
  "job_configuration": {
    "env": "{{ env }}",
    "labels": "{{ labels }}",
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
      "env": {"type": "object"},
      "labels": {"type": "object"}
    }
  }
}
"#,
        with: &[
            ("--prefect-kubernetes", "0.6.0", ""),
            (
                "--job-variables",
                "job_variables.yaml",
                "labels.team: data
",
            ),
        ],
        bad: "labels.team: data
",
        good: "labels:
  team: data
",
    }],
    check: Check::Preview,
};
