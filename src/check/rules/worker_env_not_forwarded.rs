//! `worker-env-not-forwarded`: a worker does not pass a variable on to flow runs.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "worker-env-not-forwarded",
    severity: Severity::Info,
    confidence: Confidence::Medium,
    security_severity: None,
    persona: Persona::Pedantic,
    summary: "the worker does not pass a variable on to flow runs",
    why: "Flows run in Jobs of their own. A worker passes its Prefect settings (`PREFECT_...`) on to them, \
          and no other variable of its own environment. This is often intended, so the rule runs only with \
          `--persona pedantic`.",
    remedy: "If flow runs need the variable, add it to the base job template.",
    fix: None,
    sources: &["prefect@3.8.8:src/prefect/workers/base.py (_base_environment)"],
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
        image: prefecthq/prefect:3.8.8-python3.12-kubernetes
        args: [prefect, worker, start, --type, kubernetes, --pool, etl, --name, one]
        env:
        - name: PROXY
          value: http://proxy
",
        )],
        bad: r#"                "env": "{{ env }}"
"#,
        good: r#"                "env": [{"name": "PROXY", "value": "http://proxy"}]
"#,
    }],
    check: Check::Preview,
};
