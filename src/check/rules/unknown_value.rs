//! `unknown-value`: a value from a Secret or ConfigMap may override variables.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "unknown-value",
    severity: Severity::Warning,
    confidence: Confidence::Medium,
    security_severity: None,
    persona: Persona::Regular,
    summary: "variables that are only known in the cluster may override others",
    why: "The agent adds the variables in PREFECT__CLOUD__AGENT__ENV_VARS to every flow run. If their value \
          is in a Secret or ConfigMap, the check does not know which variables of the template they \
          override.",
    remedy: "Write the value into the manifest of the agent, or check the run with the scenario's `environ`.",
    fix: None,
    sources: &["prefect@1.4.1:src/prefect/agent/kubernetes/agent.py"],
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
        - name: PREFECT__CLOUD__AGENT__ENV_VARS
          valueFrom:
            configMapKeyRef: {name: agent, key: env}
",
        )],
        bad: "        env:
        - name: PREFECT__CLOUD__AGENT__ENV_VARS
          valueFrom:
            configMapKeyRef: {name: agent, key: env}
",
        good: "",
    }],
    check: Check::Preview,
};
