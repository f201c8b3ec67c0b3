//! `unknown-field`: a field of a variable or of its source does not exist.

use std::cell::LazyCell;

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::{closest, quote_key};
use jobplate_manifest::env::VALUE_FROM_SOURCES;
use jobplate_yaml::{Child, Editable, Node, NodeKind};

use crate::check::copy::to_value;
use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, FixDescription, Persona, Rule};
use crate::check::subject::{Subject, has_expression, is_patch_directive};

/// The fields of an entry of `env`.
const VARIABLE: [&str; 3] = ["name", "value", "valueFrom"];

/// The fields of an entry of `envFrom`.
const ENV_FROM: [&str; 3] = ["prefix", "configMapRef", "secretRef"];

/// The fields of each source of a variable or of `envFrom`.
const SOURCES: [(&str, &[&str]); 7] = [
    ("secretKeyRef", &["name", "key", "optional"]),
    ("configMapKeyRef", &["name", "key", "optional"]),
    ("fieldRef", &["apiVersion", "fieldPath"]),
    ("resourceFieldRef", &["containerName", "resource", "divisor"]),
    ("fileKeyRef", &["volumeName", "path", "key", "optional"]),
    ("secretRef", &["name", "optional"]),
    ("configMapRef", &["name", "optional"]),
];

/// The rule.
pub static RULE: Rule = Rule {
    name: "unknown-field",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a field of a variable or of its source does not exist",
    why: "`kubectl` and GitOps tools ask the API server for strict validation, which rejects unknown fields. Without it, the \
          field is silently removed: a variable with `valuefrom` is then empty.",
    remedy: "Correct the name of the field. Names are case-sensitive.",
    fix: Some(FixDescription { is_safe: false, text: "rename the field" }),
    sources: &["https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation"],
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
          valuefrom:
            secretKeyRef:
              name: db
              key: password
",
        with: &[],
        bad: "          valuefrom:
",
        good: "          valueFrom:
",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for (_, _, container) in subject.containers() {
        for entry in &container.env {
            check_fields("a variable", entry.node, &VARIABLE, findings);
            if let Some(source) = entry.value_from {
                check_fields("`valueFrom`", source, &VALUE_FROM_SOURCES, findings);
                check_sources(source, findings);
            }
        }
        for source in container.node.get_first("envFrom").into_iter().flat_map(Node::items) {
            check_fields("an item of `envFrom`", source, &ENV_FROM, findings);
            check_sources(source, findings);
        }
    }
}

/// Checks the fields of the sources in a mapping.
fn check_sources<'a>(map: Node<'a>, findings: &mut Findings<'a>) {
    for (name, fields) in SOURCES {
        if let Some(source) = map.get_first(name) {
            check_fields(&format!("`{name}`"), source, fields, findings);
        }
    }
}

/// Reports the keys of a mapping that are not among its fields.
fn check_fields<'a>(owner: &str, map: Node<'a>, fields: &[&str], findings: &mut Findings<'a>) {
    let unused =
        LazyCell::new(|| fields.iter().copied().filter(|field| map.get_first(field).is_none()).collect::<Vec<_>>());
    let editable = LazyCell::new(|| Editable::from_node(map, owner).ok());
    for (position, (key, value)) in map.entries().enumerate() {
        let Some(text) = key.text() else { continue };
        if fields.contains(&&*text) || key.is_merge_key() || has_expression(&text) || is_patch_directive(&text) {
            continue;
        }
        let closest = closest(&text, unused.iter().copied());
        // A key without a value may be a secret after a forgotten `:`.
        let message = match closest.is_none() && value.kind() == NodeKind::Empty {
            true => format!("{owner} has a key without a value"),
            false => format!("unknown field {} in {owner}", quote_key(&text)),
        };
        let finding = findings.report(key, message);
        let Some(field) = closest else {
            finding.help(format!("remove it, or use one of: {}", fields.join(", ")));
            continue;
        };
        finding.help(format!("did you mean `{field}`?"));
        if let (Some(map), Some(copy)) = (*editable, to_value(value)) {
            let insert = vec![(position, Child::entry(field.to_owned(), copy))];
            finding.fix(
                false,
                format!("rename the field to `{field}`"),
                vec![map.change_children(vec![position], insert)],
            );
        }
    }
}
