//! `unused-ignore`: an ignore comment suppresses no finding.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "unused-ignore",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "an ignore comment suppresses no finding",
    why: "A comment that is left after the manifest was fixed suppresses the next finding in the same place. A comment \
          with a misspelled rule, or without a rule, suppresses nothing. A rule in a comment is \
          reported only if it ran, and if its findings do not depend on flags such as `--agent` or `--run-config`. In the \
          file of an agent or worker, and in a file without objects such as a run config, rules like \
          `plaintext-secret` depend on these flags.",
    remedy: "Remove the rule from the comment, or the comment, or correct the name of the rule. Add `unused-ignore` to a \
             comment that must stay, such as one in a generated file.",
    fix: None,
    sources: &["https://docs.astral.sh/ruff/rules/unused-noqa/"],
    examples: &[Example {
        manifest: "apiVersion: batch/v1
kind: Job
metadata:
  name: etl
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: flow
        image: etl:1
        env:
        - name: LOG_LEVEL # jobplate: ignore[duplicate-evn] a tool changes the first entry
          value: info
        - name: LOG_LEVEL
          value: debug
",
        with: &[],
        bad: "        - name: LOG_LEVEL # jobplate: ignore[duplicate-evn] a tool changes the first entry
",
        good: "        - name: LOG_LEVEL # jobplate: ignore[duplicate-env] a tool changes the first entry
",
    }],
    check: Check::Engine,
};
