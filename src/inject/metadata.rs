//! Edits of `metadata`: name, generateName, namespace, and the name's hash.

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::object::Object;
use jobplate_yaml::{Child, Edit, Editable, Node, NodeKind, ScalarKind, StrictMap, Value};

use super::canonical;
use super::injection::MetadataChanges;

/// Adds the edits that an object's names need.
pub(super) fn plan_names(object: &Object<'_>, names: &MetadataChanges, edits: &mut Vec<Edit>) -> Result<()> {
    if names.name.is_none() && names.generate_name.is_none() && names.namespace.is_none() {
        return Ok(());
    }
    let Some(metadata) = object.node.get("metadata")? else {
        return create_metadata(object, names, edits);
    };
    let map = StrictMap::from_node(metadata, "`metadata`")?;
    if metadata.is_null() {
        edits.push(map.into_editable().replace(Value::map(fresh_entries(names))));
        return Ok(());
    }
    if metadata.kind() != NodeKind::Map {
        return Err(Error::input("`metadata` is no mapping").at(metadata.span()).hint("write `name: ...` below it"));
    }
    let (mut remove, mut insert) = (Vec::new(), Vec::new());
    let position = |key: &str| metadata.entries().position(|(name, _)| name.has_text(key));
    let count = metadata.entries().count();
    let pairs = [("name", &names.name, "generateName"), ("generateName", &names.generate_name, "name")];
    for (key, wanted, rival) in pairs {
        let Some(wanted) = wanted else { continue };
        match (metadata.get(key)?, metadata.get(rival)?) {
            (Some(own), _) if own.has_text(wanted) && own.scalar_kind() == ScalarKind::String => {
                remove.extend(position(rival))
            }
            (Some(own), _) => {
                edits.push(plain_text(own, key)?.replace(Value::name(wanted)));
                remove.extend(position(rival));
            }
            (None, Some(_)) => {
                // In the place of the other one.
                let at = position(rival).unwrap_or(count);
                remove.push(at);
                insert.push((at, Child::entry(key, Value::name(wanted))));
            }
            (None, None) => insert.push((count, Child::entry(key, Value::name(wanted)))),
        }
    }
    if let Some(wanted) = &names.namespace {
        match metadata.get("namespace")? {
            Some(own) if own.tag().is_some() => return plain_text(own, "namespace").map(drop),
            Some(own) if own.has_text(wanted) => {}
            Some(own) if !own.is_null() => {
                return Err(Error::refused(format!("{} is in another namespace than -n asks for", object.display()))
                    .at(own.span())
                    .hint("leave -n out, or change the manifest"));
            }
            Some(null) => {
                edits.push(
                    StrictMap::from_node(null, "`metadata.namespace`")?.into_editable().replace(Value::name(wanted)),
                );
            }
            None => {
                let behind = position("name").or(position("generateName")).map_or(count, |at| at + 1);
                insert.push((behind, Child::entry("namespace", Value::name(wanted))));
            }
        }
    }
    remove.sort_unstable();
    insert.sort_by_key(|(position, _)| *position);
    if !(remove.is_empty() && insert.is_empty()) {
        edits.push(map.into_editable().change_children(remove, insert));
    }
    Ok(())
}

/// The value of a key of `metadata`, which must be a plain text on one line.
fn plain_text<'a>(node: Node<'a>, key: &str) -> Result<Editable<'a>> {
    let scalar = node.is_scalar() && node.anchor().is_none() && node.tag().is_none();
    let one_line = !node.raw().contains('\n');
    if scalar && one_line {
        return Editable::from_node(node, &format!("`metadata.{key}`"));
    }
    Err(Error::refused(format!("`metadata.{key}` is not a plain text on one line")).at(node.span()).hint("write it so"))
}

fn fresh_entries(names: &MetadataChanges) -> Vec<(&'static str, Value)> {
    let all = [("name", &names.name), ("generateName", &names.generate_name), ("namespace", &names.namespace)];
    all.into_iter().filter_map(|(key, value)| Some((key, Value::name(value.as_ref()?)))).collect()
}

fn create_metadata(object: &Object<'_>, names: &MetadataChanges, edits: &mut Vec<Edit>) -> Result<()> {
    let behind = object
        .node
        .entries()
        .enumerate()
        .filter(|(_, (key, _))| key.has_text("kind") || key.has_text("apiVersion"))
        .last();
    let at = behind.map_or(object.node.entries().count(), |(position, _)| position + 1);
    let insert = vec![(at, Child::entry("metadata", Value::map(fresh_entries(names))))];
    edits.push(StrictMap::from_node(object.node, "the object")?.into_editable().change_children(Vec::new(), insert));
    Ok(())
}

/// An object's name with 8 characters of a hash of the object's value behind it.
///
/// The hash is of what the object means: comments, layout and the order of keys do not count, and the
/// name counts without the hash, so that a name which has it already stays.
///
/// # Errors
///
/// Fails if the object has no name, two names, or a name that is not plain text.
pub fn hashed_name(object: &Object<'_>) -> Result<String> {
    let name = match object.metadata {
        Some(metadata) => metadata.get("name")?,
        None => None,
    };
    let Some(name) = name.filter(|name| !name.is_null()) else {
        let start = object.node.span().start;
        return Err(Error::refused(format!("{} has no name for --name-hash to lengthen", object.display()))
            .at(start..start + 1)
            .hint("give it a name, with --name or in the manifest"));
    };
    plain_text(name, "name")?;
    let text = name.text().unwrap_or_default();
    if let Some((base, suffix)) = text.rsplit_once('-')
        && suffix.len() == 8
        && suffix == hash(object.node, name, base)
    {
        return Ok(text.into_owned());
    }
    Ok(format!("{text}-{}", hash(object.node, name, &text)))
}

/// 8 hexadecimal characters of a hash of an object whose name counts as `base`.
fn hash(object: Node<'_>, name: Node<'_>, base: &str) -> String {
    canonical::hex(&canonical::digest(object, Some((name, base)))[..4])
}
