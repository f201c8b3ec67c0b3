//! Plans the edits of a container's `envFrom`.

use std::borrow::Cow;
use std::collections::HashMap;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::env::{EnvFrom, EnvFromKind};
use jobplate_manifest::json;
use jobplate_yaml::{Edit, Node, NodeKind, StrictMap, Value};

use super::list::{EnvList, change_list, read_list};

/// The name of a source in errors.
const DESCRIPTION: &str = "an entry of `envFrom`";

/// The identity of a source: two sources of one container that differ only in `optional` are the same.
type SourceId<'a> = (EnvFromKind, Cow<'a, str>, Cow<'a, str>);

/// A source in the input.
struct ExistingSource {
    position: usize,
    /// `optional`. An error if the source cannot be replaced, because it is unclear what it means.
    optional: Result<bool>,
}

/// Adds the edits of `envFrom`. A new source replaces an existing source that differs only in `optional`. If the
/// container has no `envFrom`, adds the new list to `new_keys`.
pub(super) fn plan_env_from(
    container: Node<'_>,
    sources: &[EnvFrom],
    new_keys: &mut Vec<(&'static str, Value)>,
    edits: &mut Vec<Edit>,
) -> Result<()> {
    let list = read_list(container, "envFrom")?;
    let mut existing: HashMap<SourceId<'_>, ExistingSource> = HashMap::new();
    let mut count = 0;
    if let EnvList::Items(node) = list {
        for (position, item) in node.items().enumerate() {
            count += 1;
            if let Some((id, source)) = read_source(item, position)? {
                existing.entry(id).or_insert(source);
            }
        }
    }
    let (mut remove, mut insert) = (Vec::new(), Vec::new());
    for source in sources {
        let id = (source.kind, Cow::from(&source.name), Cow::from(&source.prefix));
        let Some(ExistingSource { position, optional }) = existing.remove(&id) else {
            insert.push((count, source_to_yaml(source)));
            continue;
        };
        if optional? != source.optional {
            remove.push(position);
            insert.push((position, source_to_yaml(source)));
        }
    }
    change_list(&list, "envFrom", remove, insert, new_keys, edits);
    Ok(())
}

/// Reads an existing source. Returns `None` for a source that is neither a Secret nor a ConfigMap.
///
/// # Errors
///
/// Fails if it is unclear which object the source refers to.
fn read_source(item: Node<'_>, position: usize) -> Result<Option<(SourceId<'_>, ExistingSource)>> {
    let item = StrictMap::from_node(item, DESCRIPTION)?;
    item.node().refuse_duplicate_keys()?;
    let prefix = read_text(item.node(), "prefix")?;
    let (mut source, mut has_other_keys) = (None, false);
    for (key, reference) in item.entries() {
        let kind = match () {
            () if key.has_text("secretRef") => EnvFromKind::Secret,
            () if key.has_text("configMapRef") => EnvFromKind::ConfigMap,
            () => {
                has_other_keys |= !key.has_text("prefix");
                continue;
            }
        };
        // A reference that is not edited may be shared, but its name must be known.
        if reference.kind() == NodeKind::Alias || reference.entries().any(|(key, _)| key.is_merge_key()) {
            StrictMap::from_node(reference, "a reference in `envFrom`")?;
        }
        has_other_keys |= reference.entries().any(|(key, _)| !key.has_text("name") && !key.has_text("optional"));
        has_other_keys |= source.replace((kind, reference)).is_some();
    }
    let Some((kind, reference)) = source else { return Ok(None) };
    let optional = match has_other_keys {
        false => read_optional(reference),
        true => Err(Error::refused(format!("{DESCRIPTION} has an unknown key, or two keys that exclude each other"))
            .at(item.node().span())
            .hint("use either `secretRef` or `configMapRef`, with `name` and `optional`")),
    };
    Ok(Some(((kind, read_text(reference, "name")?, prefix), ExistingSource { position, optional })))
}

/// Returns the string under a key, or `""` if it is missing or null.
fn read_text<'a>(map: Node<'a>, key: &str) -> Result<Cow<'a, str>> {
    let Some(value) = map.get(key)?.filter(|value| !value.is_null()) else { return Ok(Cow::Borrowed("")) };
    let is_plain = value.tag().is_none_or(|tag| tag == "!!str");
    value.text().filter(|_| is_plain).ok_or_else(|| {
        Error::refused(format!("`{key}` of {DESCRIPTION} must be a string without alias or tag"))
            .at(value.span())
            .hint("replace it with a plain string")
    })
}

/// Returns `optional` of a reference. The default is `false`.
fn read_optional(reference: Node<'_>) -> Result<bool> {
    let Some(value) = reference.get("optional")?.filter(|value| !value.is_null()) else { return Ok(false) };
    json::to_bool(value).ok_or_else(|| {
        Error::input(format!("`optional` of {DESCRIPTION} must be a boolean"))
            .at(value.span())
            .hint("write `true` or `false`")
    })
}

/// Returns the YAML of a source.
fn source_to_yaml(source: &EnvFrom) -> Value {
    let mut reference = vec![("name", Value::name(&source.name))];
    if source.optional {
        reference.push(("optional", Value::Bool(true)));
    }
    let key = match source.kind {
        EnvFromKind::Secret => "secretRef",
        EnvFromKind::ConfigMap => "configMapRef",
    };
    let mut entries = Vec::new();
    if !source.prefix.is_empty() {
        entries.push(("prefix", Value::name(&source.prefix)));
    }
    entries.push((key, Value::map(reference)));
    Value::map(entries)
}
