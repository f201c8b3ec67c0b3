//! Plans the edits of `name`, `generateName` and `namespace` in `metadata`, and computes the name for `--name-hash`.

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::object::Object;
use jobplate_manifest::sendable;
use jobplate_yaml::{Child, Edit, Editable, Node, NodeKind, ScalarKind, StrictMap, Value};

use super::canonical;
use super::injection::MetadataChanges;

/// Adds the edits of an object's `metadata`.
pub(super) fn plan_metadata(object: &Object<'_>, changes: &MetadataChanges, edits: &mut Vec<Edit>) -> Result<()> {
    if changes.name.is_none() && changes.generate_name.is_none() && changes.namespace.is_none() {
        return Ok(());
    }
    check_name_length(object, changes)?;
    let Some(metadata) = object.node.get("metadata")? else {
        return create_metadata(object, changes, edits);
    };
    let map = StrictMap::from_node(metadata, "`metadata`")?;
    if metadata.is_null() {
        edits.push(map.into_editable().replace(Value::map(to_entries(changes))));
        return Ok(());
    }
    if metadata.kind() != NodeKind::Map {
        return Err(Error::input("`metadata` must be a mapping")
            .at(metadata.span())
            .hint("write it as a mapping with `name`"));
    }
    let mut children = ChildChanges::default();
    plan_name(metadata, changes, &mut children, edits)?;
    plan_namespace(object, metadata, changes, &mut children, edits)?;
    let ChildChanges { remove, insert } = children;
    if !(remove.is_empty() && insert.is_empty()) {
        edits.push(map.into_editable().change_children(remove, insert));
    }
    Ok(())
}

/// Refuses a new name that Kubernetes rejects as too long for the object's kind.
fn check_name_length(object: &Object<'_>, changes: &MetadataChanges) -> Result<()> {
    let Some(name) = &changes.name else { return Ok(()) };
    sendable::check_name_length(object, name).map_err(|error| match changes.append_hash {
        true => error.hint("shorten the name; --name-hash appends 9 characters to it"),
        false => error.with_context("`--name`").hint("shorten the value of --name"),
    })
}

/// The indices of the `metadata` entries to remove, and the entries to insert, each with the index before which it is
/// inserted.
#[derive(Default)]
struct ChildChanges {
    remove: Vec<usize>,
    insert: Vec<(usize, Child)>,
}

/// Sets `name` or `generateName`, and removes the other key.
fn plan_name(
    metadata: Node<'_>,
    changes: &MetadataChanges,
    children: &mut ChildChanges,
    edits: &mut Vec<Edit>,
) -> Result<()> {
    let ChildChanges { remove, insert } = children;
    let count = metadata.entries().count();
    let keys = [("name", &changes.name, "generateName"), ("generateName", &changes.generate_name, "name")];
    for (key, new, other_key) in keys {
        let Some(new) = new else { continue };
        match (metadata.get(key)?, metadata.get(other_key)?) {
            (Some(old), _) if old.has_text(new) && old.scalar_kind() == ScalarKind::String => {
                remove.extend(position_of(metadata, other_key));
            }
            (Some(old), _) => {
                edits.push(editable_scalar(old, key)?.replace(Value::name(new)));
                remove.extend(position_of(metadata, other_key));
            }
            (None, Some(_)) => {
                let position = position_of(metadata, other_key).unwrap_or(count);
                remove.push(position);
                insert.push((position, Child::entry(key, Value::name(new))));
            }
            (None, None) => insert.push((count, Child::entry(key, Value::name(new)))),
        }
    }
    Ok(())
}

/// Adds a missing namespace after the name. Refuses a different namespace.
fn plan_namespace(
    object: &Object<'_>,
    metadata: Node<'_>,
    changes: &MetadataChanges,
    children: &mut ChildChanges,
    edits: &mut Vec<Edit>,
) -> Result<()> {
    let Some(new) = &changes.namespace else { return Ok(()) };
    match metadata.get("namespace")? {
        Some(old) if old.tag().is_some() => return editable_scalar(old, "namespace").map(drop),
        Some(old) if old.has_text(new) => {}
        Some(old) if !old.is_null() => {
            let message = format!("the namespace of {} is different from that of -n", object.display());
            return Err(Error::refused(message)
                .at(old.span())
                .hint("remove -n, or change the namespace in the manifest"));
        }
        Some(null) => {
            edits.push(StrictMap::from_node(null, "`metadata.namespace`")?.into_editable().replace(Value::name(new)));
        }
        None => {
            let name = position_of(metadata, "name").or(position_of(metadata, "generateName"));
            let position = name.map_or(metadata.entries().count(), |position| position + 1);
            children.insert.push((position, Child::entry("namespace", Value::name(new))));
        }
    }
    Ok(())
}

fn position_of(metadata: Node<'_>, key: &str) -> Option<usize> {
    metadata.entries().position(|(name, _)| name.has_text(key))
}

/// Returns the value of a `metadata` key for editing. Fails if the value is a collection or block scalar, or has an
/// anchor or tag.
fn editable_scalar<'a>(node: Node<'a>, key: &str) -> Result<Editable<'a>> {
    let has_properties = node.anchor().is_some() || node.tag().is_some();
    if !has_properties && node.is_scalar() && !matches!(node.kind(), NodeKind::Literal | NodeKind::Folded) {
        return Editable::from_node(node, &format!("`metadata.{key}`"));
    }
    let hint = match has_properties {
        true => "remove the anchor or tag",
        false => "write it on one line",
    };
    Err(Error::refused(format!("`metadata.{key}` must be a plain or quoted string without anchor or tag"))
        .at(node.span())
        .hint(hint))
}

/// Returns the entries of a new `metadata`.
fn to_entries(changes: &MetadataChanges) -> Vec<(&'static str, Value)> {
    let values = [("name", &changes.name), ("generateName", &changes.generate_name), ("namespace", &changes.namespace)];
    values.into_iter().filter_map(|(key, value)| Some((key, Value::name(value.as_ref()?)))).collect()
}

/// Adds `metadata` after `apiVersion` and `kind`.
fn create_metadata(object: &Object<'_>, changes: &MetadataChanges, edits: &mut Vec<Edit>) -> Result<()> {
    let last_head_key = object
        .node
        .entries()
        .enumerate()
        .filter(|(_, (key, _))| key.has_text("kind") || key.has_text("apiVersion"))
        .last();
    let at = last_head_key.map_or(object.node.entries().count(), |(position, _)| position + 1);
    let insert = vec![(at, Child::entry("metadata", Value::map(to_entries(changes))))];
    edits.push(StrictMap::from_node(object.node, "the object")?.into_editable().change_children(Vec::new(), insert));
    Ok(())
}

/// Returns an object's name followed by `-` and the first 8 hexadecimal digits of the object's hash.
///
/// Comments, layout and the order of keys do not change the hash. If the name already ends with the hash that the
/// object would have without this suffix, it is returned unchanged.
///
/// # Errors
///
/// Fails if the object has no name or two names, or if the name is a collection or block scalar, or has an anchor or
/// tag.
pub fn hashed_name(object: &Object<'_>) -> Result<String> {
    let name = match object.metadata {
        Some(metadata) => metadata.get("name")?,
        None => None,
    };
    let Some(name) = name.filter(|name| !name.is_null()) else {
        let start = object.node.span().start;
        return Err(Error::refused(format!("{} has no name to which --name-hash can append", object.display()))
            .at(start..start + 1)
            .hint("add a name to the manifest, or pass --name"));
    };
    editable_scalar(name, "name")?;
    let text = name.text().unwrap_or_default();
    if let Some((base, suffix)) = text.rsplit_once('-')
        && suffix.len() == 8
        && suffix == short_hash(object.node, name, base)
    {
        return Ok(text.into_owned());
    }
    Ok(format!("{text}-{}", short_hash(object.node, name, &text)))
}

/// Returns the first 8 hexadecimal digits of an object's hash, computed with `base` instead of the object's name.
fn short_hash(object: Node<'_>, name: Node<'_>, base: &str) -> String {
    canonical::to_hex(&canonical::compute_digest(object, Some((name, base)))[..4])
}
