//! `namespace-mismatch`: the manifest names a namespace other than the one in which the Job is created.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "namespace-mismatch",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "the manifest names a namespace other than the one in which the Job is created",
    why: "The agent creates its Jobs in the namespace of `--namespace` or of its variable `NAMESPACE`, by default \
          `default`. A worker creates them in the namespace of the job variable `namespace`. The API server rejects a Job \
          whose `metadata.namespace` is another one. The rule examines a job template of Prefect 1 only if `--agent` or \
          `--scenario` describes the agent.",
    remedy: "Remove `namespace` from the manifest, and set it on the agent with `--namespace`, or in the job \
          variables.",
    fix: None,
    sources: &[
        "prefect@1.4.1:src/prefect/agent/kubernetes/agent.py (deploy_flow)",
        "prefect@3.8.8:src/integrations/prefect-kubernetes/prefect_kubernetes/worker.py (_create_job)",
    ],
    examples: &[Example {
        manifest: "apiVersion: batch/v1
kind: Job
metadata:
  namespace: flows
spec:
  template:
    spec:
      containers:
      - name: flow
        image: prefecthq/prefect:1.4.1
",
        with: &[(
            "--agent",
            "agent.yaml",
            "apiVersion: apps/v1
kind: Deployment
metadata:
  name: agent
spec:
  selector:
    matchLabels: {app: agent}
  template:
    metadata:
      labels: {app: agent}
    spec:
      containers:
      - name: agent
        image: prefecthq/prefect:1.4.1
        args: [prefect, agent, kubernetes, start, --job-template, job_template.yaml]
",
        )],
        bad: "metadata:
  namespace: flows
",
        good: "",
    }],
    check: Check::Preview,
};
