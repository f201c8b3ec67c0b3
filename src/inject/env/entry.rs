//! Plans the edits of one existing entry of `env`.

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::env::{EnvValue, KeyRef};
use jobplate_manifest::sendable::describe_non_string;
use jobplate_yaml::{Child, Edit, Editable, Node, NodeKind, ScalarKind, Value};

use super::desired::DesiredEntry;
use super::existing::DESCRIPTION;

/// Adds the edits that give an existing entry the desired value, and put its name in quotes if Kubernetes would not read
/// it as a string. Adds no edits if the entry already has that value.
pub(in crate::inject) fn set_entry(entry: Node<'_>, desired: &DesiredEntry, edits: &mut Vec<Edit>) -> Result<()> {
    entry.refuse_duplicate_keys()?;
    if let Some((_, name)) = entry.entries().find(|(key, _)| key.has_text("name"))
        && describe_non_string(name).is_some()
    {
        // Without quotes, the name `NO` is a boolean, and Kubernetes rejects it.
        edits.push(Editable::from_node(name, DESCRIPTION)?.replace(Value::name(desired.name())));
    }
    if !has_value(entry, desired.value())? {
        let entry = Editable::for_replacement(entry, DESCRIPTION)?;
        refuse_unknown_keys(*entry)?;
        match update_key_ref(*entry, desired.value()) {
            Some(updates) => edits.extend(updates),
            None => edits.push(replace_value(entry, desired.value_field())),
        }
    }
    Ok(())
}

/// Returns whether an entry already has the desired value and can be left unchanged.
fn has_value(entry: Node<'_>, value: &EnvValue) -> Result<bool> {
    let mut pairs = entry.entries().filter(|(key, _)| !key.has_text("name"));
    let (Some((key, existing)), None) = (pairs.next(), pairs.next()) else { return Ok(false) };
    if !is_plain_tree(existing) {
        return Ok(false);
    }
    let is_string = |node: Node<'_>, text: &str| {
        node.is_scalar() && node.has_text(text) && node.scalar_kind() == ScalarKind::String
    };
    match value {
        EnvValue::Literal(text) => Ok(key.has_text("value") && is_string(existing, text)),
        EnvValue::SecretKey(reference) => {
            Ok(key.has_text("valueFrom") && is_reference(existing, "secretKeyRef", reference)?)
        }
        EnvValue::ConfigMapKey(reference) => {
            Ok(key.has_text("valueFrom") && is_reference(existing, "configMapKeyRef", reference)?)
        }
        EnvValue::Field(path) => {
            let Some(field) = get_only_value(existing, "fieldRef").filter(|_| key.has_text("valueFrom")) else {
                return Ok(false);
            };
            let other_keys_are_default = field
                .entries()
                .all(|(key, value)| key.has_text("fieldPath") || (key.has_text("apiVersion") && value.has_text("v1")));
            Ok(other_keys_are_default && field.get("fieldPath")?.is_some_and(|existing| is_string(existing, path)))
        }
    }
}

/// Returns whether a tree has no anchor, alias or tag, which could change its meaning.
fn is_plain_tree(node: Node<'_>) -> bool {
    node.descendants().all(|node| node.anchor().is_none() && node.tag().is_none() && node.kind() != NodeKind::Alias)
}

/// Returns the value of the key `name` if the mapping has no other key. Otherwise, returns `None`.
fn get_only_value<'a>(map: Node<'a>, name: &str) -> Option<Node<'a>> {
    let mut entries = map.entries();
    match (entries.next(), entries.next()) {
        (Some((key, value)), None) if key.has_text(name) => Some(value),
        _ => None,
    }
}

/// Returns whether `field` is the only source in a `valueFrom`, and its value is equal to the desired reference.
fn is_reference(value_from: Node<'_>, field: &str, desired: &KeyRef) -> Result<bool> {
    let Some(reference) = get_only_value(value_from, field) else { return Ok(false) };
    let mut existing = KeyRef { name: String::new(), key: String::new(), optional: false };
    for (key, value) in reference.entries() {
        let text = value.text().unwrap_or_default();
        let is_string = value.scalar_kind() == ScalarKind::String;
        if key.has_text("name") && is_string {
            existing.name = text.into_owned();
        } else if key.has_text("key") && is_string {
            existing.key = text.into_owned();
        } else if key.has_text("optional") && (value.raw() == "true" || value.raw() == "false") {
            existing.optional = value.raw() == "true";
        } else {
            return Ok(false);
        }
    }
    Ok(existing == *desired)
}

/// Refuses an entry with keys that Kubernetes does not know, because the edit would delete them.
fn refuse_unknown_keys(entry: Node<'_>) -> Result<()> {
    let known = ["name", "value", "valueFrom"];
    match entry.entries().find(|(key, _)| !known.iter().any(|name| key.has_text(name))) {
        None => Ok(()),
        Some((key, _)) => {
            Err(Error::refused("the entry of `env` has a key other than `name`, `value` and `valueFrom`")
                .at(key.span())
                .hint("correct or remove that key first"))
        }
    }
}

/// Returns edits that change only the differing fields of a Secret or ConfigMap reference, to keep the reference's
/// comments.
///
/// Returns `None` if the entry does not have a complete reference of the same kind that can be edited in this way.
fn update_key_ref(entry: Node<'_>, value: &EnvValue) -> Option<Vec<Edit>> {
    let (field, desired) = match value {
        EnvValue::SecretKey(desired) => ("secretKeyRef", desired),
        EnvValue::ConfigMapKey(desired) => ("configMapKeyRef", desired),
        EnvValue::Literal(_) | EnvValue::Field(_) => return None,
    };
    let mut pairs = entry.entries().filter(|(key, _)| !key.has_text("name"));
    let (_, value_from) = pairs.next().filter(|(key, value)| key.has_text("valueFrom") && is_plain_tree(*value))?;
    let reference = get_only_value(value_from, field).filter(|_| pairs.next().is_none())?;
    let reference = Editable::from_node(reference, DESCRIPTION).ok()?;
    let mut edits = Vec::new();
    let (mut has_name, mut has_key, mut optional) = (false, false, None);
    for (position, (field, existing)) in reference.entries().enumerate() {
        let is_simple = existing.is_scalar() && !existing.raw().is_empty() && !existing.raw().contains('\n');
        let existing = Editable::from_node(existing, DESCRIPTION).ok()?;
        // Sets the field to `text` unless it already has this value. Returns `false` if the field has occurred before.
        let mut set_text = |was_seen: &mut bool, text: &str| {
            if !(existing.has_text(text) && existing.scalar_kind() == ScalarKind::String) {
                edits.push(existing.replace(Value::name(text)));
            }
            !std::mem::replace(was_seen, true)
        };
        let is_first = match () {
            () if field.has_text("name") => set_text(&mut has_name, &desired.name),
            () if field.has_text("key") => set_text(&mut has_key, &desired.key),
            () if field.has_text("optional") => optional.replace((position, existing)).is_none(),
            () => false,
        };
        if !is_first || !is_simple {
            return None;
        }
    }
    match (optional, desired.optional) {
        _ if !has_name || !has_key => return None,
        (None, true) => edits.push(reference.append([Child::entry("optional", Value::Bool(true))])),
        (Some((position, existing)), false) if existing.raw() != "false" => {
            edits.push(reference.change_children(vec![position], Vec::new()));
        }
        (Some((_, existing)), true) if existing.raw() != "true" => {
            edits.push(existing.replace(Value::Bool(true)));
        }
        _ => {}
    }
    Some(edits)
}

/// Returns the edit that replaces all keys of an entry except `name` by one key and its value.
fn replace_value(entry: Editable<'_>, (key, value): (&'static str, Value)) -> Edit {
    let names: Vec<bool> = entry.entries().map(|(key, _)| key.has_text("name")).collect();
    let remove: Vec<usize> = (0..names.len()).filter(|&position| !names[position]).collect();
    let at = remove.first().copied().unwrap_or(names.len());
    entry.change_children(remove, vec![(at, Child::entry(key, value))])
}
