//! `overridden-reference`: plain text overrides a reference to a Secret.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "overridden-reference",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "plain text overrides a reference to a Secret",
    why: "The run config and the agent set variables after the job template, and a worker drops entries of \
          the template whose names it sets itself. The flow gets the other value, and the secret in that \
          source stays readable in the Job.",
    remedy: "Remove the variable from the source that the finding names.",
    fix: None,
    sources: &[
        "prefect@1.4.1:src/prefect/agent/kubernetes/agent.py (generate_job_spec)",
        "prefect@3.8.8:src/integrations/prefect-kubernetes/prefect_kubernetes/worker.py (_populate_env_in_manifest)",
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
        env:
        - name: GITHUB_ACCESS_TOKEN
          valueFrom:
            secretKeyRef: {name: prefect-secrets, key: token}
",
        with: &[(
            "--run-config",
            "run.yaml",
            "env:
  GITHUB_ACCESS_TOKEN: from-git
",
        )],
        bad: "  GITHUB_ACCESS_TOKEN: from-git
",
        good: "  LOG_LEVEL: info
",
    }],
    check: Check::Preview,
};
