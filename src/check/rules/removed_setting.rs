//! `removed-setting`: a variable of the agent has no effect since Prefect 1.0.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "removed-setting",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "Prefect 1.0 removed a variable of the agent",
    why: "Before 1.0, these variables set the resources, the pull policy or the template of flows with an \
          environment instead of a run config. Prefect 1.0 ignores them without a message, so flow runs have \
          no such requests and limits.",
    remedy: "Remove the variable, and write its value into the job template.",
    fix: None,
    sources: &[
        "prefect@0.15.13:src/prefect/agent/kubernetes/agent.py (generate_job_spec_from_environment)",
        "prefect@1.4.1:src/prefect/agent/kubernetes/agent.py (generate_job_spec)",
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
        - name: JOB_MEM_LIMIT
          value: 2Gi
",
        )],
        bad: "        env:
        - name: JOB_MEM_LIMIT
          value: 2Gi
",
        good: "",
    }],
    check: Check::Preview,
};
