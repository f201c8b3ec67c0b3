//! `unused-template`: the template is not used.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "unused-template",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "the template is not used",
    why: "If the run config has a job template of its own, or if the agent is started without \
          `--job-template`, the agent does not read this template.",
    remedy: "Check the template that the run uses, or start the agent with `--job-template`.",
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
",
        with: &[(
            "--run-config",
            "run.yaml",
            "job_template:
  apiVersion: batch/v1
  kind: Job
  spec:
    template:
      spec:
        containers:
        - name: flow
",
        )],
        bad: "job_template:
  apiVersion: batch/v1
  kind: Job
  spec:
    template:
      spec:
        containers:
        - name: flow
",
        good: "env: {}
",
    }],
    check: Check::Preview,
};
