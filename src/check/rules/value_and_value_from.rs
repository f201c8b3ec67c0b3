//! `value-and-value-from`: a variable has both `value` and `valueFrom`.

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::quote_key;
use jobplate_yaml::Editable;

use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, FixDescription, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "value-and-value-from",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a variable has both `value` and `valueFrom`",
    why: "A variable has either a value or a source. The API server rejects the manifest, but validators that only know the \
          schema accept it. The mistake often follows from a merge: a patch adds `valueFrom` to a variable with a value.",
    remedy: "Remove `value`. In an overlay of kustomize, set `value: null` in the patch that adds `valueFrom`.",
    fix: Some(FixDescription { is_safe: false, text: "remove `value`" }),
    sources: &["kubernetes:pkg/apis/core/validation/validation.go (validateEnvVarValueFrom)"],
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
        - name: DB_USER
          value: etl
          valueFrom:
            secretKeyRef:
              name: db
              key: user
",
        with: &[],
        bad: "          value: etl
",
        good: "",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for (_, _, container) in subject.containers() {
        for entry in &container.env {
            // Kubernetes accepts an empty value beside a source.
            let Some((value, _)) = entry.literal().filter(|(_, text)| !text.is_empty()) else { continue };
            let Some(source) = entry.value_from.filter(|source| !source.is_null()) else { continue };
            let message = format!("variable {} has both `value` and `valueFrom`", quote_key(&entry.text));
            let finding = findings.report(value, message).help("remove `value`").related(source, "`valueFrom` is here");
            let position = entry.node.entries().position(|(key, _)| key.has_text("value"));
            if let (Some(position), Ok(entry)) = (position, Editable::from_node(entry.node, "the variable")) {
                finding.fix(false, "remove `value`", vec![entry.change_children(vec![position], Vec::new())]);
            }
        }
    }
}
