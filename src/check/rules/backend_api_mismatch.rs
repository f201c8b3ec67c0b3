//! `backend-api-mismatch`: the backend of an agent and the URL of its API do not match.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "backend-api-mismatch",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "the backend of an agent and the URL of its API do not match",
    why: "The agent passes `PREFECT__BACKEND` and `PREFECT__CLOUD__API` on to every flow run. With a \
          backend other than `cloud` or `server`, or with the backend `server` and the URL of Prefect Cloud, flow \
          runs cannot reach their API.

`jobplate render` reports two more cases when it edits an agent: the backend `server` without a URL, whose default is \
          `localhost` in the pod itself, and the backend `cloud` with a URL other than that of Prefect Cloud.",
    remedy: "Set both variables of the agent for Prefect Server, or both for Prefect Cloud.",
    fix: None,
    sources: &[
        "prefect@1.4.1:src/prefect/agent/kubernetes/agent.py (generate_job_spec)",
        "prefect@1.4.1:src/prefect/config.toml (cloud.api)",
    ],
    examples: &[Example {
        manifest: "apiVersion: batch/v1
kind: Job
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
        env:
        - name: PREFECT__BACKEND
          value: server
        - name: PREFECT__CLOUD__API
          value: https://api.prefect.io
",
        )],
        bad: "          value: https://api.prefect.io
",
        good: "          value: http://apollo.prefect:4200
",
    }],
    check: Check::Preview,
};
