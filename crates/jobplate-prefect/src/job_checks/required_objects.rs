//! Finds the kinds of the objects that must be in the namespace of a Job.

use jobplate_manifest::env::{ENV_FROM_SOURCES, KEY_SOURCES};

use super::container::{containers, items, pod};
use crate::pyvalue::arena::{Arena, Value, ValueId};

/// The kinds, in the order in which messages list them.
const KINDS: [&str; 4] = ["Secrets", "ConfigMaps", "volume claims", "service account"];

/// A required object: its kind, as in [`KINDS`], and its name.
type RequiredObject<'h> = (&'static str, &'h str);

/// Returns the kinds of the objects without which the pod of a Job does not start, such as `Secrets`. Ignores optional
/// references, and references to the Secrets with the names `created`.
pub(crate) fn find_required_kinds(arena: &Arena, job: ValueId, created: &[&str]) -> Vec<&'static str> {
    let Some(pod) = pod(arena, job) else { return Vec::new() };
    let mut found = Vec::new();
    for container in containers(arena, pod) {
        for entry in items(arena, container.id, "env") {
            let value_from = arena.dict_get(*entry, "valueFrom");
            found.extend(value_from.into_iter().flat_map(|from| references(arena, from, KEY_SOURCES, "name")));
        }
        for source in items(arena, container.id, "envFrom") {
            found.extend(references(arena, *source, ENV_FROM_SOURCES, "name"));
        }
    }
    for volume in items(arena, pod, "volumes") {
        add_volume(arena, *volume, &mut found);
    }
    for secret in items(arena, pod, "imagePullSecrets") {
        found.extend(object(arena, "Secrets", *secret, "name"));
    }
    // Every namespace has the account `default`.
    let account = object(arena, "service account", pod, "serviceAccountName");
    found.extend(account.filter(|(_, name)| *name != "default"));
    let is_required = |(kind, name): &RequiredObject<'_>| *kind != "Secrets" || !created.contains(name);
    found.retain(is_required);
    KINDS.into_iter().filter(|kind| found.iter().any(|(found, _)| found == kind)).collect()
}

/// Adds the objects of a volume, also of its projected sources.
fn add_volume<'h>(arena: &'h Arena, volume: ValueId, found: &mut Vec<RequiredObject<'h>>) {
    found.extend(references(arena, volume, [("secret", "Secret")], "secretName"));
    found.extend(references(arena, volume, [("configMap", "ConfigMap")], "name"));
    let claim = arena.dict_get(volume, "persistentVolumeClaim");
    found.extend(claim.and_then(|claim| object(arena, "volume claims", claim, "claimName")));
    let Some(projected) = arena.dict_get(volume, "projected") else { return };
    for source in items(arena, projected, "sources") {
        found.extend(references(arena, *source, [("secret", "Secret"), ("configMap", "ConfigMap")], "name"));
    }
}

/// Returns the objects of the references in a mapping that are not optional. `keys` are the keys of the references, each
/// with the kind of its object.
fn references<'h, const N: usize>(
    arena: &'h Arena,
    mapping: ValueId,
    keys: [(&'static str, &'static str); N],
    name_key: &str,
) -> Vec<RequiredObject<'h>> {
    let is_optional = |reference: ValueId| {
        arena.dict_get(reference, "optional").is_some_and(|optional| *arena.get(optional) == Value::Bool(true))
    };
    let find = |(key, kind): (&str, &str)| {
        let reference = arena.dict_get(mapping, key).filter(|reference| !is_optional(*reference))?;
        object(arena, if kind == "Secret" { "Secrets" } else { "ConfigMaps" }, reference, name_key)
    };
    keys.into_iter().filter_map(find).collect()
}

/// Returns the object that a key of a mapping names.
fn object<'h>(arena: &'h Arena, kind: &'static str, mapping: ValueId, name_key: &str) -> Option<RequiredObject<'h>> {
    match arena.get(arena.dict_get(mapping, name_key)?) {
        Value::Str(name) | Value::Unknown(name) if !name.is_empty() => Some((kind, name)),
        _ => None,
    }
}
