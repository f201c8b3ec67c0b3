//! Builds the body of the dry run for `--take-over`: `env` entries that replace those of another field manager.
//!
//! While another manager owns an entry's `value`, an apply request without `value` does not remove the field. Only
//! `value: null` removes it. The body with nulls is sent only as a dry run and is never applied.

use std::collections::HashSet;

use jobplate_diagnostic::Result;
use jobplate_manifest::env::VALUE_FROM_SOURCES;
use jobplate_manifest::object::objects;
use jobplate_yaml::{Child, Document, Edit, Editor, Node, StrictMap, Value};

use super::edit_plan::RequestedEntries;

/// The newest `valueFrom` source. Servers before Kubernetes 1.34 reject the field even if it is null.
const NEWEST_SOURCE: &str = "fileKeyRef";

/// Returns a document's text in which the unused value fields of the requested entries are null, or the literals are
/// empty. Returns `None` if the document needs no edits.
///
/// # Errors
///
/// Fails if an entry cannot be edited safely. The error has a span of the document.
pub fn dry_run_body(document: Document<'_>, requested: &[RequestedEntries]) -> Result<Option<String>> {
    let objects = objects(document)?;
    let mut edits = Vec::new();
    for RequestedEntries { object, container, names } in requested {
        let Some(object) = objects.get(*object) else { continue };
        let resolved = container.resolve(object.node);
        let names: HashSet<&str> = names.iter().map(String::as_str).collect();
        let env = resolved.node.entries().find(|(key, _)| resolved.is_complete && key.has_text("env"));
        for entry in env.into_iter().flat_map(|(_, env)| env.items()) {
            if entry.get_first("name").and_then(Node::text).is_some_and(|name| names.contains(&*name)) {
                null_other_fields(StrictMap::from_node(entry, "the entry of `env`")?, &mut edits)?;
            }
        }
    }
    if edits.is_empty() {
        return Ok(None);
    }
    edits.sort_by_key(Edit::node);
    let mut editor = Editor::default();
    let edited = editor.apply(document, &edits)?;
    Ok(Some(edited.document.text.to_owned()))
}

/// Adds the edits that set `value` and the unused sources of an entry with `valueFrom` to null.
///
/// Replaces the literal of an entry with `value` by an empty string: an apply request cannot remove another manager's
/// reference, and Kubernetes accepts a reference only together with an empty literal.
fn null_other_fields(entry: StrictMap<'_>, edits: &mut Vec<Edit>) -> Result<()> {
    let append_nulls = |map: StrictMap<'_>, keys: &[&'static str]| {
        let missing = keys.iter().filter(|key| map.node().get_first(key).is_none());
        map.into_editable().append(missing.map(|key| Child::entry(*key, Value::Null)))
    };
    match (entry.get("value")?, entry.get("valueFrom")?) {
        (None, Some(value_from)) => {
            edits.push(append_nulls(entry, &["value"]));
            let sources: Vec<&'static str> =
                VALUE_FROM_SOURCES.into_iter().filter(|source| *source != NEWEST_SOURCE).collect();
            edits.push(append_nulls(StrictMap::from_node(value_from, "`valueFrom`")?, &sources));
        }
        (Some(value), None) => {
            edits.push(StrictMap::from_node(value, "`value`")?.into_editable().replace(Value::string("")))
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jobplate_manifest::field::FieldPath;
    use jobplate_yaml::{NodeArena, scan};

    use super::*;

    #[test]
    fn sets_other_sources_to_null() {
        let text = "kind: Pod\nspec:\n  containers:\n  - name: c\n    env:\n    - name: X\n      valueFrom:\n        secretKeyRef: {name: s, key: k}\n    - {name: Y, value: y}\n    - name: W\n      value: w\n";
        let mut arena = NodeArena::default();
        scan(text, &mut arena).unwrap();
        let requested = RequestedEntries {
            object: 0,
            container: FieldPath::parse("spec.containers[name=\"c\"]").unwrap(),
            names: ["X", "Y", "Z"].map(str::to_owned).to_vec(),
        };
        let body = dry_run_body(Document::new(text, &arena), &[requested]).unwrap().unwrap();
        let expected = text
            .replace(
                "key: k}\n",
                "key: k}\n        configMapKeyRef: null\n        fieldRef: null\n        resourceFieldRef: null\n      value: null\n",
            )
            .replace("value: y}", "value: \"\"}");
        assert_eq!(body, expected);
    }

    #[test]
    fn refuses_an_entry_with_an_anchor() {
        let text = "kind: Pod\nspec:\n  containers:\n  - name: c\n    env:\n    - &x {name: X, value: x}\n  - name: d\n    env:\n    - *x\n";
        let mut arena = NodeArena::default();
        scan(text, &mut arena).unwrap();
        let container = FieldPath::parse("spec.containers[name=\"c\"]").unwrap();
        let requested = RequestedEntries { object: 0, container, names: vec!["X".to_owned()] };
        let error = dry_run_body(Document::new(text, &arena), &[requested]).unwrap_err();
        assert!(error.message().starts_with("the entry of `env` has the anchor `&x`"), "{error}");
    }
}
