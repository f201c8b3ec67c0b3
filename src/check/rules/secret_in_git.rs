//! `secret-in-git`: the manifest of a Secret contains its values.

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::quote_key;
use jobplate_manifest::credentials::is_benign_value;
use jobplate_yaml::Node;

use crate::check::expression::has_expression;
use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "secret-in-git",
    severity: Severity::Warning,
    confidence: Confidence::Medium,
    security_severity: Some("8.0"),
    persona: Persona::Pedantic,
    summary: "the manifest of a Secret contains its values",
    why: "The values of a Secret are only encoded in Base64, not encrypted. In a repository, everybody with access can read \
          them, even after they are removed, because Git keeps the history.",
    remedy: "Rotate the secrets. Then encrypt the manifest with SOPS or as a SealedSecret, or let an ExternalSecret read the \
             values from a vault. For a manifest that is never committed, ignore the rule.",
    fix: None,
    sources: &[
        "https://kubernetes.io/docs/concepts/security/secrets-good-practices/",
        "https://getsops.io/docs/",
        "https://github.com/bitnami-labs/sealed-secrets",
    ],
    examples: &[Example {
        manifest: "apiVersion: v1
kind: Secret
metadata:
  name: db
stringData:
  password: hunter2
",
        with: &[],
        bad: "apiVersion: v1
kind: Secret
metadata:
  name: db
stringData:
  password: hunter2
",
        good: "apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: db
spec:
  secretStoreRef:
    kind: SecretStore
    name: vault
  target:
    name: db
  data:
  - secretKey: password
    remoteRef:
      key: etl/db
      property: password
",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for object in &subject.objects {
        let is_secret = object.object.kind == "Secret" && object.object.group().is_empty();
        if !is_secret || object.is_encrypted {
            continue;
        }
        for (field, data) in object.object.node.entries() {
            let is_data = field.has_text("data") || field.has_text("stringData");
            if is_data && data.entries().any(|(_, value)| holds_value(value)) {
                let name = object.object.name().unwrap_or_default();
                let message = format!("the manifest of Secret {} contains its values", quote_key(&name));
                findings.report(field, message).help("encrypt the manifest, or create the Secret from a vault");
            }
        }
    }
}

/// Returns whether an entry of the data is a value, and not a placeholder.
fn holds_value(value: Node<'_>) -> bool {
    value.text().is_some_and(|text| !has_expression(&text) && !is_benign_value("secret", &text))
}
