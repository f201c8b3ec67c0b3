//! `version-mismatch`: the image of the agent or worker has a different version than the check.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "version-mismatch",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "the image of the agent or worker has a different version than the check",
    why: "Agents and workers of different versions create different Jobs. Findings can be missing or wrong.",
    remedy: "Pass the version with `--prefect` or `--prefect-kubernetes`.",
    fix: None,
    sources: &["prefect@3.8.8:src/integrations/prefect-kubernetes/pyproject.toml"],
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
    "type": "object",
    "properties": {
      "env": {"type": "object"}
    }
  }
}
"#,
        with: &[(
            "--worker",
            "worker.yaml",
            "apiVersion: apps/v1
kind: Deployment
metadata:
  name: worker
spec:
  selector:
    matchLabels: {app: worker}
  template:
    metadata:
      labels: {app: worker}
    spec:
      containers:
      - name: worker
        image: prefecthq/prefect:2.14.0-python3.11-kubernetes
        args: [prefect, worker, start, --type, kubernetes, --pool, etl, --name, one]
",
        )],
        bad: "        image: prefecthq/prefect:2.14.0-python3.11-kubernetes
",
        good: "        image: prefecthq/prefect:3.8.8-python3.12-kubernetes
",
    }],
    check: Check::Preview,
};
