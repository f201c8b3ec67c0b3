//! Marks values in Secrets and in references whose keys are unknown, or that cannot be names.

use jobplate_yaml::{Node, NodeKind};

use super::marks::{Marks, REFERENCE, SCALARS};
use crate::credentials::{is_name, is_placeholder};

/// The keys of `valueFrom` and `envFrom` entries whose value is a reference.
pub(super) const REFERENCE_KEYS: [&str; 7] =
    ["secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef", "fileKeyRef", "secretRef", "configMapRef"];

/// The keys of a reference. Their values are names.
const REFERENCE_FIELDS: [&str; 12] = [
    "name",
    "key",
    "optional",
    "fieldPath",
    "apiVersion",
    "containerName",
    "resource",
    "divisor",
    "volumeName",
    "path",
    "namespace",
    "secret",
];

/// The keys of a Secret with values that are not sensitive.
const SECRET_FIELDS: [&str; 4] = ["apiVersion", "kind", "type", "immutable"];

/// The keys of a reference to an object of the kind Secret.
const OBJECT_REFERENCE_FIELDS: [&str; 13] = [
    "apiVersion",
    "blockOwnerDeletion",
    "controller",
    "fieldPath",
    "group",
    "key",
    "kind",
    "name",
    "namespace",
    "optional",
    "targetPath",
    "uid",
    "valuesKey",
];

/// The keys of `metadata`.
const METADATA_FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Marks values in a `valueFrom` that are not references.
pub(super) fn mark_value_from<'a>(marks: &mut Marks<'a>, map: Node<'a>) {
    for (key, value) in map.entries() {
        let is_reference = REFERENCE_KEYS.iter().any(|name| key.has_text(name)) && value.kind() == NodeKind::Map;
        marks.add(value, if is_reference { REFERENCE } else { SCALARS });
    }
}

/// Marks values in a reference that cannot be names.
pub(super) fn mark_reference<'a>(marks: &mut Marks<'a>, map: Node<'a>) {
    for (key, value) in map.entries() {
        let is_field = REFERENCE_FIELDS.iter().any(|name| key.has_text(name)) && value.is_scalar();
        let text = value.text().unwrap_or_default();
        if !is_field || !is_name(&text) && !is_placeholder(text.trim()) && !text.contains("{{") {
            marks.add(value, SCALARS);
        }
    }
}

/// Marks the values of a Secret, also those of unknown keys, but not the mappings that are merged into it.
pub(super) fn mark_secret<'a>(marks: &mut Marks<'a>, map: Node<'a>) {
    for (key, value) in map.entries() {
        if key.has_text("metadata") && value.kind() == NodeKind::Map {
            mark_metadata(marks, value);
            continue;
        }
        let is_known = SECRET_FIELDS.iter().any(|field| key.has_text(field));
        // The node of an alias at a known key is shown or not by its own place.
        if !key.has_text("<<") && !(is_known && (value.is_scalar() || value.kind() == NodeKind::Alias)) {
            marks.add(value, SCALARS);
        }
    }
}

fn mark_unknown<'a>(marks: &mut Marks<'a>, map: Node<'a>, known: &[&str]) {
    let is_unknown = |key: Node<'_>| !known.iter().any(|name| key.has_text(name));
    map.entries().filter(|(key, _)| is_unknown(*key)).for_each(|(_, value)| marks.add(value, SCALARS));
}

/// Marks the values of unknown keys in the metadata of a Secret.
fn mark_metadata<'a>(marks: &mut Marks<'a>, map: Node<'a>) {
    mark_unknown(marks, map, &METADATA_FIELDS);
}

/// Marks the values of unknown keys in a reference to an object.
pub(super) fn mark_object_reference<'a>(marks: &mut Marks<'a>, map: Node<'a>) {
    mark_unknown(marks, map, &OBJECT_REFERENCE_FIELDS);
}
