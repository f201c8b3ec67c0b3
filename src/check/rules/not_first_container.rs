//! `not-first-container`: the flow runs in another container than `flow`.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "not-first-container",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "the flow runs in the first container, not in `flow`",
    why: "The agent sets the image, the arguments and the variables of the first container, regardless of its \
          name. The variables of the container `flow` do not reach the flow.",
    remedy: "Move `flow` to the first position.",
    fix: None,
    sources: &["prefect@1.4.1:src/prefect/agent/kubernetes/agent.py (generate_job_spec)"],
    examples: &[Example {
        manifest: "apiVersion: batch/v1
kind: Job
spec:
  template:
    spec:
      containers:
      - name: proxy
        image: envoy:1
      - name: flow
        image: prefecthq/prefect:1.4.1
",
        with: &[],
        bad: "      - name: proxy
        image: envoy:1
      - name: flow
        image: prefecthq/prefect:1.4.1
",
        good: "      - name: flow
        image: prefecthq/prefect:1.4.1
      - name: proxy
        image: envoy:1
",
    }],
    check: Check::Preview,
};
