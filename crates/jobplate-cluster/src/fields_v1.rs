//! Edits `fieldsV1` trees, in which Kubernetes records the fields that a manager owns.
//!
//! The keys of a tree are `f:KEY` for a field, `k:{"name":"X"}` for an item of a list, and `.` for the item or map
//! itself. A key with an empty tree owns the whole value of the key. Source:
//! <https://github.com/kubernetes-sigs/structured-merge-diff>, `fieldpath/serialize.go`.

use jobplate_manifest::field::{FieldPath, PathStep};
use serde_json::{Map, Value, json};

/// Converts a path to the keys of a `fieldsV1` tree. Returns `None` for a path with an index, since these trees
/// identify list items by key.
pub(crate) fn to_tree_path(path: &FieldPath) -> Option<Vec<String>> {
    let to_tree_key = |step: &PathStep| match step {
        PathStep::Key(key) => Some(format!("f:{key}")),
        PathStep::Item(keys) => {
            let keys: Map<String, Value> = keys.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
            Some(format!("k:{}", to_go_json(&Value::Object(keys))))
        }
        PathStep::Index(_) => None,
    };
    path.0.iter().map(to_tree_key).collect()
}

/// Serializes a value like Go's `encoding/json`, which escapes characters that are special in HTML. The result must be
/// identical, since the server compares the keys of `fieldsV1` as strings.
fn to_go_json(value: &Value) -> String {
    let escape = |c: char| match c {
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    value.to_string().chars().map(escape).collect()
}

/// Returns the subtree at a path, or `None` if the tree does not contain the path.
pub(crate) fn get_subtree<'t>(fields: &'t Value, path: &[String]) -> Option<&'t Value> {
    path.iter().try_fold(fields, |tree, key| tree.get(key))
}

/// Removes and returns the subtree at a path. Also removes each parent that would be left empty, since a key with an
/// empty tree owns the whole value of the key. Returns `None` if the tree does not contain the path.
pub(crate) fn remove_subtree(fields: &mut Value, path: &[String]) -> Option<Value> {
    let map = fields.as_object_mut()?;
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return map.remove(first);
    }
    let child = map.get_mut(first)?;
    let removed_tree = remove_subtree(child, rest)?;
    if child.as_object().is_some_and(Map::is_empty) {
        map.remove(first);
    }
    Some(removed_tree)
}

/// Merges `tree` into `fields` at a path.
pub(crate) fn insert_subtree(fields: &mut Value, path: &[String], tree: Value) {
    let nested_tree = path.iter().rev().fold(tree, |inner, key| json!({ key: inner }));
    merge_trees(fields, nested_tree);
}

/// Adds all fields of `other` to `fields`.
pub(crate) fn merge_trees(fields: &mut Value, other: Value) {
    match (fields, other) {
        (Value::Object(own), Value::Object(other)) => {
            for (key, value) in other {
                merge_trees(own.entry(key).or_insert_with(|| json!({})), value);
            }
        }
        (own, other) => *own = other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_names_like_go() {
        let path =
            to_tree_path(&FieldPath(vec![PathStep::Item(vec![("name".to_owned(), "A<B>&\"C".to_owned())])])).unwrap();
        assert_eq!(path, ["k:{\"name\":\"A\\u003cB\\u003e\\u0026\\\"C\"}"]);
    }
}
