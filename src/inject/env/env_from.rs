//! Plans the edits of a container's `envFrom`.

use jobplate_diagnostic::Result;
use jobplate_manifest::env::{EnvFrom, EnvFromKind};
use jobplate_yaml::{Edit, Node, StrictMap, Value};

use super::list::{EnvList, change_list, read_list};

/// Adds the edits of `envFrom`. A new source replaces an existing source that differs only in `optional`. If the
/// container has no `envFrom`, adds the new list to `new_keys`.
pub(super) fn plan_env_from(
    container: Node<'_>,
    sources: &[EnvFrom],
    new_keys: &mut Vec<(&'static str, Value)>,
    edits: &mut Vec<Edit>,
) -> Result<()> {
    let list = read_list(container, "envFrom")?;
    let mut existing = Vec::new();
    if let EnvList::Items(node) = list {
        for item in node.items() {
            existing.push(read_source(StrictMap::from_node(item, "an entry of `envFrom`")?));
        }
    }
    let (mut remove, mut insert) = (Vec::new(), Vec::new());
    for source in sources {
        let has_same_target =
            |other: &EnvFrom| (other.kind, &other.name, &other.prefix) == (source.kind, &source.name, &source.prefix);
        match existing.iter().position(|other| other.as_ref().is_some_and(has_same_target)) {
            Some(position) if existing[position].as_ref() == Some(source) => {}
            Some(position) => {
                remove.push(position);
                insert.push((position, source_to_yaml(source)));
            }
            None => insert.push((existing.len(), source_to_yaml(source))),
        }
    }
    remove.sort_unstable();
    insert.sort_by_key(|(position, _)| *position);
    change_list(&list, "envFrom", remove, insert, new_keys, edits);
    Ok(())
}

/// Reads an existing source. Returns `None` if it has keys or values that [`source_to_yaml`] never writes.
fn read_source(item: StrictMap<'_>) -> Option<EnvFrom> {
    let mut source = EnvFrom { prefix: String::new(), kind: EnvFromKind::Secret, name: String::new(), optional: false };
    for (key, value) in item.entries() {
        if key.has_text("prefix") {
            source.prefix = value.text()?.into_owned();
        } else if key.has_text("secretRef") || key.has_text("configMapRef") {
            source.kind = if key.has_text("secretRef") { EnvFromKind::Secret } else { EnvFromKind::ConfigMap };
            for (key, value) in value.entries() {
                if key.has_text("name") {
                    source.name = value.text()?.into_owned();
                } else if key.has_text("optional") && matches!(value.raw(), "true" | "false") {
                    source.optional = value.raw() == "true";
                } else {
                    return None;
                }
            }
        } else {
            return None;
        }
    }
    Some(source)
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
