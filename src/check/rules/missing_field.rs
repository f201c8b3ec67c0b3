//! `missing-field`: a variable or a reference lacks a field that Kubernetes requires.

use std::fmt::Display;

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::closest;
use jobplate_manifest::schema;
use jobplate_yaml::{Node, NodeKind};

use crate::check::expression::is_patch_directive;
use crate::check::field_comparison::have_common_end;
use crate::check::findings::{Confidence, Findings};
use crate::check::references::references;
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-field",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a variable or a reference lacks a field that Kubernetes requires",
    why: "A variable needs a `name`. A reference to a Secret or ConfigMap needs the name of the object and, in `valueFrom`, \
          the key. The API server rejects the manifest.",
    remedy: "Add the field that the message names.",
    fix: None,
    sources: &["kubernetes:pkg/apis/core/validation/validation.go (validateSecretKeySelector, ValidateEnv)"],
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
",
        with: &[],
        bad: "              name: db
",
        good: "              name: db
              key: password
",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    let variable = schema::named("EnvVar");
    for (_, _, container) in subject.containers() {
        for entry in &container.env {
            // `unknown-field` reports a name instead of a field: `- DB_HOST: db`.
            let is_known = |key: Node<'_>| {
                let name = key.text();
                name.is_some_and(|name| variable.is_some_and(|variable| variable.field(&name).is_some()))
            };
            if entry.node.entries().all(|(key, _)| is_known(key) || key.is_merge_key()) {
                require("a variable", entry.node, "name", findings);
            }
        }
    }
    let pods = subject.objects.iter().flat_map(|object| &object.pods);
    for reference in pods.flat_map(references) {
        require(&reference.owner, reference.node, reference.name_key, findings);
        if reference.needs_key {
            require(&reference.owner, reference.node, "key", findings);
        }
    }
}

/// Reports a mapping without a field, unless a merge key may set it. A misspelled field is a finding of
/// `unknown-field`.
fn require<'a>(owner: impl Display, map: Node<'a>, field: &str, findings: &mut Findings<'a>) {
    let is_set = |value: Node<'_>| !value.is_null() && value.text().is_none_or(|text| !text.is_empty());
    let may_be_field = |key: Node<'_>| {
        let is_like_field =
            |key: &str| key != field && (closest(key, [field]).is_some() || have_common_end(key, field));
        key.is_merge_key() || key.text().is_some_and(|key| is_patch_directive(&key) || is_like_field(&key))
    };
    let value = map.get_first(field);
    if map.kind() != NodeKind::Map || value.is_some_and(is_set) {
        return;
    }
    if value.is_none() && map.entries().any(|(key, _)| may_be_field(key)) {
        return;
    }
    match value.filter(|value| !value.span().is_empty()) {
        Some(empty) => findings.report(empty, format!("`{field}` of {owner} must not be empty")),
        None => {
            let first = map.entries().next().map_or(map, |(key, _)| key);
            findings.report(first, format!("missing `{field}` of {owner}"))
        }
    };
}
