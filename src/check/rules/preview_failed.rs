//! `preview-failed`: Prefect cannot create a Job from a template, or the preview does not support the template.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "preview-failed",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "Prefect cannot create a Job from the template",
    why: "The agent or worker reads the template when a flow run starts. If it fails, the flow run stays in the state \
          `Pending` or crashes, and the reason is only in the log of the agent or worker. `check` creates the same Job \
          and reports the same failure.",
    remedy: "Follow the message. The `preview` command shows the Job as soon as the template is valid.",
    fix: None,
    sources: &["prefect@1.4.1:src/prefect/agent/kubernetes/agent.py", "prefect_kubernetes.worker"],
    examples: &[Example {
        manifest: "apiVersion: batch/v1
kind: Job
spec:
  template:
    spec:
      containers:
      - image: prefecthq/prefect:1.4.1
        env: production
",
        with: &[],
        bad: "      - image: prefecthq/prefect:1.4.1
        env: production
",
        good: "      - name: flow
        image: prefecthq/prefect:1.4.1
        env: []
",
    }],
    check: Check::Preview,
};
