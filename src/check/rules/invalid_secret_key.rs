//! `invalid-secret-key`: a key cannot be in the data of a Secret or ConfigMap.

use std::fmt::Display;

use jobplate_diagnostic::Severity;
use jobplate_manifest::names::check_data_key;
use jobplate_manifest::sendable::describe_non_string;
use jobplate_yaml::Node;

use crate::check::expression::has_expression;
use crate::check::findings::{Confidence, Findings};
use crate::check::references::references;
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::{CheckedObject, Subject};

/// The keys of Secrets and ConfigMaps with data.
const DATA: [(&str, &[&str]); 2] = [("Secret", &["data", "stringData"]), ("ConfigMap", &["data", "binaryData"])];

/// The rule.
pub static RULE: Rule = Rule {
    name: "invalid-secret-key",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a key cannot be in the data of a Secret or ConfigMap",
    why: "A key in the data of a Secret or ConfigMap consists of letters, digits, `-`, `_` and `.`, up to 253 characters. \
          The API server rejects other keys in the data, and in references of variables.",
    remedy: "Use the key as it is in the Secret. `kubectl describe secret NAME` lists the keys.",
    fix: None,
    sources: &[
        "https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data",
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
              name: db
              key: db/password
",
        with: &[],
        bad: "              key: db/password
",
        good: "              key: password
",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for object in &subject.objects {
        for key in data_keys(object) {
            check_key(&object.object.kind, key, findings);
        }
        for reference in object.pods.iter().flat_map(references) {
            for key in reference.keys() {
                check_key(&reference.owner, key, findings);
            }
        }
    }
}

/// Returns the keys in the data of a Secret or ConfigMap.
fn data_keys<'a>(object: &CheckedObject<'a>) -> impl Iterator<Item = Node<'a>> {
    let is_kind = |(kind, _): &&(&str, _)| object.object.kind == *kind && object.object.group().is_empty();
    let fields = DATA.iter().find(is_kind).map_or(&[] as &[&str], |(_, fields)| fields);
    let root = object.object.node;
    let data = fields.iter().filter_map(move |field| root.get_first(field));
    data.flat_map(Node::entries).map(|(key, _)| key)
}

/// Checks a key. `subject` is what contains it.
fn check_key<'a>(subject: impl Display, key: Node<'a>, findings: &mut Findings<'a>) {
    let text = key.text().unwrap_or_default();
    if text.is_empty() || has_expression(&text) || key.is_merge_key() || describe_non_string(key).is_some() {
        return;
    }
    if let Err(error) = check_data_key(&text) {
        let diagnostic = error.into_diagnostic(RULE.name, &subject.to_string());
        let finding = findings.report(key, diagnostic.message());
        if let Some(help) = diagnostic.help_message() {
            finding.help(help.clone());
        }
    }
}
