//! `template-expression`: an expression in double braces stays in the Job.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "template-expression",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "Prefect does not replace an expression in double braces",
    why: "A worker replaces `{{ NAME }}` where NAME is a variable of the template, and nothing else: no \
          filters, no `variables.NAME`, no conditions. Prefect 1 has no placeholders at all. The text \
          reaches Kubernetes unchanged.",
    remedy: "Write the name of a variable alone, or the value.",
    fix: None,
    sources: &["prefect@3.8.8:src/prefect/utilities/templating/__init__.py (find_placeholders)"],
    examples: &[Example {
        manifest: r#"apiVersion: batch/v1
kind: Job
spec:
  template:
    spec:
      serviceAccountName: "{{ account }}"
      containers:
      - name: flow
        image: prefecthq/prefect:1.4.1
"#,
        with: &[],
        bad: r#"      serviceAccountName: "{{ account }}"
"#,
        good: "      serviceAccountName: flows
",
    }],
    check: Check::Preview,
};
