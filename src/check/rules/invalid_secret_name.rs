//! `invalid-secret-name`: a reference has a name that no Secret or ConfigMap can have.

use jobplate_diagnostic::Severity;
use jobplate_manifest::names::check_object_name;
use jobplate_manifest::sendable::describe_non_string;

use crate::check::expression::has_expression;
use crate::check::findings::{Confidence, Findings};
use crate::check::references::references;
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "invalid-secret-name",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a reference has a name that no Secret or ConfigMap can have",
    why: "The name of a Secret or ConfigMap is a DNS subdomain: lower-case letters, digits, `-` and `.`. The API server \
          rejects other names in `env` and `envFrom`. It accepts them in volumes, but then the pod never starts.",
    remedy: "Use the name of the Secret. The name of the variable or key usually belongs in `key`.",
    fix: None,
    sources: &[
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names",
        "kubernetes:pkg/apis/core/validation/validation.go (validateSecretKeySelector)",
    ],
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
        - name: DB_PASSWORD
          valueFrom:
            secretKeyRef:
              name: DB_PASSWORD
              key: password
",
        with: &[],
        bad: "              name: DB_PASSWORD
",
        good: "              name: db
",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    let pods = subject.objects.iter().flat_map(|object| &object.pods);
    for reference in pods.flat_map(references) {
        let Some(name) = reference.name().filter(|name| describe_non_string(*name).is_none()) else { continue };
        let text = name.text().unwrap_or_default();
        if text.is_empty() || has_expression(&text) {
            continue;
        }
        if let Err(error) = check_object_name(reference.kind, &text) {
            let diagnostic = error.into_diagnostic(RULE.name, &reference.owner.to_string());
            let finding = findings.report(name, diagnostic.message());
            if let Some(help) = diagnostic.help_message() {
                finding.help(help.clone());
            }
        }
    }
}
