//! `blank-service-account`: an empty variable of the agent removes the service account of the template.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "blank-service-account",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "an empty SERVICE_ACCOUNT_NAME of the agent overrides the template's service account",
    why: "The agent compares the setting with `None`, and an empty string is not `None`. It writes the empty \
          string into every Job, which then runs as the service account `default`, often without the \
          permissions that the flow needs.",
    remedy: "Remove SERVICE_ACCOUNT_NAME from the agent's environment, or set it to a name.",
    fix: None,
    sources: &["prefect@1.4.1:src/prefect/agent/kubernetes/agent.py (generate_job_spec)"],
    examples: &[Example {
        manifest: "apiVersion: batch/v1
kind: Job
spec:
  template:
    spec:
      serviceAccountName: flows
      containers:
      - name: flow
        image: prefecthq/prefect:1.4.1
",
        with: &[(
            "--agent",
            "agent.yaml",
            r#"apiVersion: apps/v1
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
        - name: SERVICE_ACCOUNT_NAME
          value: ""
"#,
        )],
        bad: r#"        env:
        - name: SERVICE_ACCOUNT_NAME
          value: ""
"#,
        good: "",
    }],
    check: Check::Preview,
};
