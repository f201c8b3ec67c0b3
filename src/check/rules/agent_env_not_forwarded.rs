//! `agent-env-not-forwarded`: the agent of Prefect 1 does not pass a variable on to flow runs.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "agent-env-not-forwarded",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "the agent of Prefect 1 does not pass a variable on to flow runs",
    why: "Flows run in Jobs of their own. The agent only sets a fixed list of variables in these Jobs, so a \
          secret in the agent's own environment does not reach them: `Secret(\"NAME\").get()` fails in the \
          flow.",
    remedy: "Add the variable to the job template as a reference to a Secret: `jobplate render FILE --secret \
          NAME=SECRET/KEY`.",
    fix: None,
    sources: &[
        "prefect@1.4.1:src/prefect/agent/kubernetes/agent.py (generate_job_spec)",
        "prefect@1.4.1:src/prefect/client/secrets.py (Secret.get)",
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
        - name: PREFECT__CONTEXT__SECRETS__SLACK_WEBHOOK_URL
          valueFrom:
            secretKeyRef: {name: prefect-secrets, key: slack}
",
        )],
        bad: "      - name: flow
        image: prefecthq/prefect:1.4.1
",
        good: "      - name: flow
        image: prefecthq/prefect:1.4.1
        env:
        - name: PREFECT__CONTEXT__SECRETS__SLACK_WEBHOOK_URL
          valueFrom:
            secretKeyRef: {name: prefect-secrets, key: slack}
",
    }],
    check: Check::Preview,
};
