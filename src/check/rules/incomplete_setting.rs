//! `incomplete-setting`: a setting of a worker has no effect without another one.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "incomplete-setting",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a setting of the worker has no effect without another one",
    why: "A worker replaces the API key or the auth string in its Jobs with a reference to a Secret only if \
          both the name and the key of the Secret are set. With one of them, the value stays in every Job in \
          plain text.",
    remedy: "Set both variables of the worker.",
    fix: None,
    sources: &[
        "prefect@3.8.8:src/integrations/prefect-kubernetes/prefect_kubernetes/worker.py (_get_configuration)",
        "prefect@3.8.8:src/integrations/prefect-kubernetes/prefect_kubernetes/settings.py",
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
        - name: PREFECT_INTEGRATIONS_KUBERNETES_WORKER_API_KEY_SECRET_NAME
          value: prefect
",
        )],
        bad: "          value: prefect
",
        good: "          value: prefect
        - name: PREFECT_INTEGRATIONS_KUBERNETES_WORKER_API_KEY_SECRET_KEY
          value: key
",
    }],
    check: Check::Preview,
};
