//! `non-string-value`: the name or the value of a variable is not a string.

use jobplate_diagnostic::Severity;
use jobplate_manifest::sendable::{NON_STRING_CODE, non_string_errors};
use jobplate_yaml::{Editable, Node, ScalarKind, Value};

use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, FixDescription, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: NON_STRING_CODE,
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "the name or the value of a variable is not a string",
    why: "YAML reads `true`, `5432` and `1e3` as a boolean and numbers, and Kubernetes also reads `yes`, `no`, `on` and \
          `off` as booleans, as in YAML 1.1. The API server rejects the whole manifest, because variables are strings.",
    remedy: "Put the value in quotes.",
    fix: Some(FixDescription { is_safe: true, text: "put the value in quotes" }),
    sources: &["https://github.com/helm/helm/issues/11562", "https://yaml.org/type/bool.html"],
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
        - name: DEBUG
          value: yes
        - name: PORT
          value: 5432
",
        with: &[],
        bad: "          value: yes
        - name: PORT
          value: 5432
",
        good: r#"          value: "yes"
        - name: PORT
          value: "5432"
"#,
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for (_, _, container) in subject.containers() {
        for entry in &container.env {
            for (diagnostic, node) in non_string_errors(entry.node) {
                // An expression of a template without quotes looks like a mapping.
                if node.raw().starts_with("{{") {
                    continue;
                }
                let finding = findings.report(node, diagnostic.message());
                match diagnostic.help_message() {
                    Some(_) if is_yaml_1_1_boolean(node) => {
                        finding.help("put it in quotes: YAML 1.1, which Kubernetes uses, reads this word as a boolean")
                    }
                    Some(help) => finding.help(help.clone()),
                    None => finding,
                };
                if let Some(text) = node.text()
                    && let Ok(editable) = Editable::for_replacement(node, "the value")
                {
                    finding.fix(true, "put the value in quotes", vec![editable.replace(Value::string(&text))]);
                }
            }
        }
    }
}

/// Returns whether a scalar is a boolean in YAML 1.1 but not in YAML 1.2, such as `yes`.
fn is_yaml_1_1_boolean(node: Node<'_>) -> bool {
    let is_bool = node.scalar_kind() == ScalarKind::Bool;
    is_bool && node.text().is_some_and(|text| !matches!(text.to_ascii_lowercase().as_str(), "true" | "false"))
}
