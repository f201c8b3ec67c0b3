//! `overridden-field`: the agent, the run config or the worker overrides a field.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "overridden-field",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "the agent, the run config or the worker overrides a field of the template",
    why: "The agent of Prefect 1 sets `args` and `image` of the first container, and the name of the Job. \
          Settings of the run config and of the agent override `serviceAccountName` and `imagePullSecrets`. \
          A worker overrides its own labels. The values in the template have no effect.",
    remedy: "Remove the field from the template, or set it where the finding says.",
    fix: None,
    sources: &[
        "prefect@1.4.1:src/prefect/agent/kubernetes/agent.py (generate_job_spec)",
        "prefect@3.8.8:src/integrations/prefect-kubernetes/prefect_kubernetes/worker.py (_slugify_labels)",
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
        args: [python, flow.py]
",
        with: &[],
        bad: "        args: [python, flow.py]
",
        good: "",
    }],
    check: Check::Preview,
};
