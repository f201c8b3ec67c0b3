//! `duplicate-key`: a mapping of an object, of a template or of a file that describes the run has a key twice.

use std::borrow::Cow;
use std::collections::HashMap;

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::quote_key;
use jobplate_yaml::{KeyIndex, Node, NodeKind};

use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::Subject;
use crate::render::is_object;

/// The rule.
pub static RULE: Rule = Rule {
    name: "duplicate-key",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a mapping has a duplicate key",
    why: "YAML requires unique keys. `kubectl` uses the last value and silently drops the others, even with strict \
          validation. The API server and kustomize reject such a file. Prefect uses the last value of a template, so \
          there it is a warning.",
    remedy: "Remove one of the two, or merge their values.",
    fix: None,
    sources: &["https://yaml.org/spec/1.2.2/#3211-nodes", "pyyaml:lib/yaml/constructor.py (construct_mapping)"],
    examples: &[
        Example {
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
        - name: DB_HOST
          value: db
        env:
        - name: DB_PORT
          value: '5432'
",
            with: &[],
            bad: "        env:
        - name: DB_PORT
",
            good: "        - name: DB_PORT
",
        },
        Example {
            manifest: "apiVersion: batch/v1
kind: Job
spec:
  template:
    spec:
      containers:
      - name: flow
        image: prefecthq/prefect:1.4.1
        image: prefecthq/prefect:1.4.0
",
            with: &[],
            bad: "        image: prefecthq/prefect:1.4.0
",
            good: "",
        },
    ],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for object in &subject.objects {
        // The preview reports the duplicate keys of a template.
        let is_template = object.base_job_template.is_some() || subject.is_prefect1_template(object);
        let is_manifest = is_object(&object.object) || !object.pods.is_empty();
        if is_template || !is_manifest {
            continue;
        }
        for map in object.object.node.descendants().filter(|node| node.kind() == NodeKind::Map) {
            if KeyIndex::new(map).refuse_duplicates().is_err() {
                report(map, findings);
            }
        }
    }
}

/// Reports the duplicate keys of a mapping.
fn report<'a>(map: Node<'a>, findings: &mut Findings<'a>) {
    let mut first: HashMap<Cow<'a, str>, (Node<'a>, Node<'a>)> = HashMap::new();
    // The API server accepts several merge keys.
    for (key, value) in map.entries().filter(|(key, _)| !key.is_merge_key()) {
        let Some(name) = key.text() else { continue };
        match first.get(&name) {
            Some((first, first_value)) => {
                let message = format!("duplicate key {}", quote_key(&name));
                let help = match (first_value.kind(), value.kind()) {
                    (NodeKind::Seq, NodeKind::Seq) => "merge the two lists into one",
                    (NodeKind::Map, NodeKind::Map) => "merge the two mappings into one",
                    _ => "remove one of the two",
                };
                findings.report(key, message).related(*first, "first occurrence").help(help);
            }
            None => drop(first.insert(name, (key, value))),
        }
    }
}
