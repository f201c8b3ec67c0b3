//! A second verification for edits of documents that the scanner rejects, with yaml_serde, which is derived from
//! libyaml.

use serde_yaml::{Mapping, Value as SerdeValue};

use super::super::edit::{Change, Child, Edit, Value};
use super::super::node_kind::NodeKind;
use super::super::tree::{Document, Node};

/// Returns whether yaml_serde also reads `after` as `before` with the edits applied.
pub(in super::super) fn agrees_with_yaml_serde(before: Document<'_>, edits: &[Edit], after: &str) -> bool {
    let read = |text: &str| serde_yaml::from_str::<SerdeValue>(text.trim_start_matches('\u{feff}')).ok();
    match (read(before.text), read(after)) {
        (Some(old), Some(new)) => {
            matches_node(&old, before.root()) && apply_edits(old, before.root(), edits) == Some(new)
        }
        _ => false,
    }
}

/// Returns whether yaml_serde's value has the same structure and strings as a node.
///
/// Numbers and booleans have no text to compare. The value of an alias is compared at its anchor.
fn matches_node(value: &SerdeValue, node: Node<'_>) -> bool {
    let is_plain = matches!(node.kind(), NodeKind::Plain | NodeKind::Empty);
    match value {
        _ if node.kind() == NodeKind::Alias => true,
        SerdeValue::Tagged(tagged) => matches_node(&tagged.value, node),
        SerdeValue::Sequence(items) => {
            let mut actual = node.items();
            node.kind() == NodeKind::Seq
                && items.iter().all(|item| actual.next().is_some_and(|actual| matches_node(item, actual)))
                && actual.next().is_none()
        }
        SerdeValue::Mapping(entries) => {
            let mut actual = node.entries();
            let matches_next = |(key, value): (&SerdeValue, &SerdeValue)| {
                actual.next().is_some_and(|(actual_key, actual_value)| {
                    matches_node(key, actual_key) && matches_node(value, actual_value)
                })
            };
            node.kind() == NodeKind::Map && entries.iter().all(matches_next) && node.entries().count() == entries.len()
        }
        SerdeValue::String(text) => node.is_scalar() && node.has_text(text),
        SerdeValue::Null | SerdeValue::Bool(_) | SerdeValue::Number(_) => is_plain,
    }
}

/// Applies the edits in a node's subtree to yaml_serde's value of the node. Returns `None` if they do not fit the
/// value.
fn apply_edits(value: SerdeValue, node: Node<'_>, edits: &[Edit]) -> Option<SerdeValue> {
    let is_inside = |edit: &&Edit| (node.index()..node.subtree_end()).contains(&edit.node);
    let Some(edit) = edits.iter().find(is_inside) else { return Some(value) };
    let (remove, insert): (&[usize], &[(usize, Child)]) = match &edit.change {
        Change::Replace(new) if edit.node == node.index() => return Some(to_serde_value(new)),
        Change::Text { text, .. } if edit.node == node.index() => return Some(SerdeValue::from(&**text)),
        Change::Children { remove, insert } if edit.node == node.index() => (remove, insert),
        _ => (&[], &[]),
    };
    let inserted_at = |position: usize| insert.iter().filter(move |(at, _)| *at == position).map(|(_, child)| child);
    match value {
        SerdeValue::Sequence(items) => {
            let mut out = Vec::new();
            let count = items.len();
            for (position, (item, node)) in items.into_iter().zip(node.items()).enumerate() {
                out.extend(
                    inserted_at(position).cloned().filter_map(Child::into_item).map(|value| to_serde_value(&value)),
                );
                if !remove.contains(&position) {
                    out.push(apply_edits(item, node, edits)?);
                }
            }
            out.extend(inserted_at(count).cloned().filter_map(Child::into_item).map(|value| to_serde_value(&value)));
            Some(SerdeValue::Sequence(out))
        }
        SerdeValue::Mapping(entries) => {
            let mut out = Mapping::new();
            let count = entries.len();
            let insert_at = |position: usize, out: &mut Mapping| {
                for (key, value) in inserted_at(position).cloned().filter_map(Child::into_entry) {
                    out.insert(SerdeValue::from(key), to_serde_value(&value));
                }
            };
            for (position, ((key, item), (_, node))) in entries.into_iter().zip(node.entries()).enumerate() {
                insert_at(position, &mut out);
                if !remove.contains(&position) {
                    out.insert(key, apply_edits(item, node, edits)?);
                }
            }
            insert_at(count, &mut out);
            Some(SerdeValue::Mapping(out))
        }
        _ => None,
    }
}

/// Converts a new value to yaml_serde's type.
fn to_serde_value(value: &Value) -> SerdeValue {
    match value {
        Value::Name(text) | Value::String(text) => SerdeValue::from(&**text),
        Value::Bool(value) => SerdeValue::from(*value),
        Value::Null => SerdeValue::Null,
        Value::Map(entries) => SerdeValue::Mapping(
            entries.iter().map(|(key, value)| (SerdeValue::from(&**key), to_serde_value(value))).collect(),
        ),
        Value::Seq(items) => SerdeValue::Sequence(items.iter().map(to_serde_value).collect()),
    }
}
