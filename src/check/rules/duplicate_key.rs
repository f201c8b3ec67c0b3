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
    summary: "a mapping has a key twice",
    why: "YAML requires unique keys. The API server rejects a manifest with a key twice. Prefect uses the last value of a \
          template and silently drops the others, so there it is a warning.",
    remedy: "Remove one of the two.",
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
    let mut first: HashMap<Cow<'a, str>, Node<'a>> = HashMap::new();
    for (key, _) in map.entries() {
        let Some(name) = key.text() else { continue };
        match first.get(&name) {
            Some(first) => {
                let message = format!("duplicate key {}", quote_key(&name));
                findings.report(key, message).related(*first, "first occurrence").help("remove one of the two");
            }
            None => drop(first.insert(name, key)),
        }
    }
}
