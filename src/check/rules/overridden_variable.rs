//! `overridden-variable`: another source overrides a variable of the template.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "overridden-variable",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "another source overrides a variable",
    why: "The run config, the agent and Prefect itself set variables after the job template. Neither \
          the value in the template nor a change to it has any effect.",
    remedy: "Remove the variable from the template, or from the source that the finding names.",
    fix: None,
    sources: &["prefect@1.4.1:src/prefect/agent/kubernetes/agent.py (generate_job_spec)"],
    examples: &[Example {
        manifest: "apiVersion: batch/v1
kind: Job
spec:
  template:
    spec:
      containers:
      - name: flow
        image: prefecthq/prefect:1.4.1
        env:
        - name: LOG_LEVEL
          value: info
",
        with: &[(
            "--run-config",
            "run.yaml",
            "env:
  LOG_LEVEL: debug
",
        )],
        bad: "        env:
        - name: LOG_LEVEL
          value: info
",
        good: "",
    }],
    check: Check::Preview,
};
