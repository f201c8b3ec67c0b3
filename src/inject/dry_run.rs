//! A document as it is tried on a server whose objects have env entries in another way.
//!
//! While somebody else owns the literal of an entry, an apply can't take it away by leaving it out: only by
//! `value: null`. A text that says so is tried, never applied.

use jobplate_diagnostic::Result;
use jobplate_manifest::env::VALUE_FROM_SOURCES;
use jobplate_manifest::object::objects;
use jobplate_yaml::{Child, Document, Edit, Editor, StrictMap, Value};

use super::plan::RequestedEntries;

/// The newest source: servers before 1.34 would refuse even a null there.
const NEWEST_SOURCE: &str = "fileKeyRef";

/// The text of a document in which the named entries say outright what they have not; none where it has
/// none of them.
///
/// # Errors
///
/// Refuses, with a span of the document, an entry that cannot be edited safely.
pub fn dry_run_body(document: Document<'_>, named: &[RequestedEntries]) -> Result<Option<String>> {
    let objects = objects(document)?;
    let mut edits = Vec::new();
    for RequestedEntries { object, container, names } in named {
        let Some(object) = objects.get(*object) else { continue };
        let found = container.resolve(object.node);
        let env = found.node.entries().find(|(key, _)| found.is_complete && key.has_text("env"));
        for entry in env.into_iter().flat_map(|(_, env)| env.items()) {
            if entry.get_first("name").is_some_and(|name| names.iter().any(|wanted| name.has_text(wanted))) {
                deny_others(StrictMap::from_node(entry, "the entry of `env`")?, &mut edits)?;
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

/// Adds a null for every way that a reference does not have its value in. A literal becomes empty: that is
/// the only one that Kubernetes takes beside a reference, which no apply can take away.
fn deny_others(entry: StrictMap<'_>, edits: &mut Vec<Edit>) -> Result<()> {
    let nulls = |map: StrictMap<'_>, keys: &[&'static str]| {
        let missing = keys.iter().filter(|key| map.node().get_first(key).is_none());
        map.into_editable().append(missing.map(|key| Child::entry(*key, Value::Null)))
    };
    match (entry.get("value")?, entry.get("valueFrom")?) {
        (None, Some(from)) => {
            edits.push(nulls(entry, &["value"]));
            let known: Vec<&'static str> =
                VALUE_FROM_SOURCES.into_iter().filter(|source| *source != NEWEST_SOURCE).collect();
            edits.push(nulls(StrictMap::from_node(from, "`valueFrom`")?, &known));
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
    fn named_entries_deny_what_they_are_not() {
        let text = "kind: Pod\nspec:\n  containers:\n  - name: c\n    env:\n    - name: X\n      valueFrom:\n        secretKeyRef: {name: s, key: k}\n    - {name: Y, value: y}\n    - name: W\n      value: w\n";
        let mut arena = NodeArena::default();
        scan(text, &mut arena).unwrap();
        let named = RequestedEntries {
            object: 0,
            container: FieldPath::parse("spec.containers[name=\"c\"]").unwrap(),
            names: ["X", "Y", "Z"].map(str::to_owned).to_vec(),
        };
        let tried = dry_run_body(Document::new(text, &arena), &[named]).unwrap().unwrap();
        let expected = text
            .replace(
                "key: k}\n",
                "key: k}\n        configMapKeyRef: null\n        fieldRef: null\n        resourceFieldRef: null\n      value: null\n",
            )
            .replace("value: y}", "value: \"\"}");
        assert_eq!(tried, expected);
    }

    #[test]
    fn an_entry_that_is_used_elsewhere_is_refused() {
        let text = "kind: Pod\nspec:\n  containers:\n  - name: c\n    env:\n    - &x {name: X, value: x}\n  - name: d\n    env:\n    - *x\n";
        let mut arena = NodeArena::default();
        scan(text, &mut arena).unwrap();
        let container = FieldPath::parse("spec.containers[name=\"c\"]").unwrap();
        let named = RequestedEntries { object: 0, container, names: vec!["X".to_owned()] };
        let error = dry_run_body(Document::new(text, &arena), &[named]).unwrap_err();
        assert!(error.message().starts_with("the entry of `env` carries the anchor `&x`"), "{error}");
    }
}
