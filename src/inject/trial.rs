//! A document as it is tried on a server that still has literals where it has references.
//!
//! An apply can't say "no value" by leaving it out, while somebody else owns it: only by `value: null`.
//! Such a text is tried, never applied.

use super::plan::NamedEntries;
use crate::error::Result;
use crate::manifest::object::objects;
use crate::yaml::{self, Change, Child, Document, Edit, Splices, Value};

/// The text of a document with `value: null` in those of the named entries that are references; none
/// where there is none.
pub fn without_literals(document: Document<'_>, named: &[NamedEntries]) -> Result<Option<String>> {
    let objects = objects(document)?;
    let mut edits = Vec::new();
    for NamedEntries { object, container, names } in named {
        let Some(object) = objects.get(*object) else { continue };
        let found = container.find(object.node);
        let env = found.node.entries().find(|(key, _)| found.whole && key.is("env"));
        for entry in env.into_iter().flat_map(|(_, env)| env.items()) {
            let has = |key: &str| entry.entries().any(|(own, _)| own.is(key));
            let is_named =
                entry.entries().any(|(key, value)| key.is("name") && names.iter().any(|name| value.is(name)));
            if is_named && has("valueFrom") && !has("value") {
                let insert = vec![(1, Child::Entry("value", Value::Null))];
                edits.push(Edit { node: entry.index(), change: Change::Children { remove: Vec::new(), insert } });
            }
        }
    }
    if edits.is_empty() {
        return Ok(None);
    }
    edits.sort_by_key(|edit| edit.node);
    let mut splices = Splices::default();
    yaml::layout(document, &edits, &mut splices)?;
    let mut text = String::new();
    splices.apply(document.text, &mut text);
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::field::FieldPath;
    use crate::yaml::{Tape, scan};

    #[test]
    fn references_that_are_named_get_a_null() {
        let text = "kind: Pod\nspec:\n  containers:\n  - name: c\n    env:\n    - name: X\n      valueFrom:\n        secretKeyRef: {name: s, key: k}\n    - {name: Y, valueFrom: {fieldRef: {fieldPath: metadata.name}}}\n    - name: Z\n      value: z\n    - name: W\n      valueFrom: {fieldRef: {fieldPath: metadata.name}}\n";
        let mut tape = Tape::default();
        scan(text, &mut tape).unwrap();
        let named = NamedEntries {
            object: 0,
            container: FieldPath::parse("spec.containers[name=\"c\"]").unwrap(),
            names: ["X", "Y", "Z"].map(str::to_owned).to_vec(),
        };
        let tried = without_literals(Document::new(text, &tape), &[named]).unwrap().unwrap();
        let expected =
            text.replace("name: X\n", "name: X\n      value: null\n").replace("{name: Y, ", "{name: Y, value: null, ");
        assert_eq!(tried, expected);
    }
}
