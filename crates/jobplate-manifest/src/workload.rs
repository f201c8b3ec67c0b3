//! Workloads: the objects with a pod spec, and the path to it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use jobplate_diagnostic::Result;
use jobplate_yaml::{KeyIndex, Node, NodeKind, PathCursor, PathStep, StrictMap};

use super::field::FieldPath;
use super::object::{Object, get_on_path};

/// The built-in kinds with a pod spec, each with the path to it.
pub const WORKLOAD_KINDS: [(&str, &[&str]); 9] = [
    ("Job", &["spec", "template", "spec"]),
    ("CronJob", &["spec", "jobTemplate", "spec", "template", "spec"]),
    ("Deployment", &["spec", "template", "spec"]),
    ("StatefulSet", &["spec", "template", "spec"]),
    ("DaemonSet", &["spec", "template", "spec"]),
    ("ReplicaSet", &["spec", "template", "spec"]),
    ("ReplicationController", &["spec", "template", "spec"]),
    ("Pod", &["spec"]),
    ("PodTemplate", &["template", "spec"]),
];

/// Returns the canonical spelling of a built-in workload kind, or `None` for any other kind. Accepts any case, plurals
/// and short names such as `deploy`.
pub fn canonical_kind(kind: &str) -> Option<&'static str> {
    // kubectl prints kinds with their group (`deployment.apps`), so the group of a built-in kind is removed.
    if let Some((kind, "apps" | "batch")) = kind.split_once('.') {
        return canonical_kind(kind);
    }
    let full_name = match kind.to_ascii_lowercase().as_str() {
        "cj" => "cronjob",
        "deploy" => "deployment",
        "sts" => "statefulset",
        "ds" => "daemonset",
        "rs" => "replicaset",
        "rc" => "replicationcontroller",
        "po" => "pod",
        other => return WORKLOAD_KINDS.iter().map(|(kind, _)| *kind).find(|kind| is_kind_or_plural(kind, other)),
    };
    canonical_kind(full_name)
}

/// Returns the path from an object of a built-in workload kind to its pod spec, or `None` for any other kind.
pub fn pod_spec_path(kind: &str) -> Option<FieldPath> {
    WORKLOAD_KINDS.iter().find(|(builtin, _)| *builtin == kind).map(|(_, path)| FieldPath::from_keys(path))
}

/// Returns whether `name` is `kind` or its plural, ignoring ASCII case.
fn is_kind_or_plural(kind: &str, name: &str) -> bool {
    kind.eq_ignore_ascii_case(name)
        || name.strip_suffix('s').is_some_and(|singular| kind.eq_ignore_ascii_case(singular))
}

/// Returns whether an object is in one of the API groups of the built-in workloads, or has no `apiVersion`.
pub fn has_builtin_group(object: &Object<'_>) -> bool {
    matches!(object.group(), "" | "apps" | "batch" | "extensions")
}

/// Returns the pod specs of an object.
///
/// A built-in kind has at most one pod spec. For other kinds, every outermost mapping with a list of mappings under
/// `containers` counts as a pod spec.
///
/// # Errors
/// Fails if an alias, merge key or duplicate key makes the path to a pod spec ambiguous.
pub fn pod_specs<'a>(object: &Object<'a>) -> Result<Vec<Node<'a>>> {
    match WORKLOAD_KINDS.iter().find(|(kind, _)| *kind == object.kind) {
        Some((_, path)) if has_builtin_group(object) => {
            let mut node = object.node;
            for key in *path {
                match get_on_path(node, key)? {
                    Some(next) => node = next,
                    None => return Ok(Vec::new()),
                }
            }
            StrictMap::from_node(node, "the pod spec")?;
            Ok(if node.kind() == NodeKind::Map { vec![node] } else { Vec::new() })
        }
        _ => find_by_shape(object.node),
    }
}

/// Returns whether the object's kind is a built-in workload.
pub fn is_builtin_workload(object: &Object<'_>) -> bool {
    has_builtin_group(object) && WORKLOAD_KINDS.iter().any(|(kind, _)| *kind == object.kind)
}

/// Returns whether an object is a built-in Job or CronJob.
pub fn is_job(object: &Object<'_>) -> bool {
    matches!(&*object.kind, "Job" | "CronJob") && has_builtin_group(object)
}

/// Returns whether a node has the shape of a pod spec: a list of mappings under `containers`. An alias may stand for a
/// list or a mapping, so it also counts: the selection of containers refuses it.
fn is_pod_spec(node: Node<'_>) -> bool {
    node.entries().any(|(key, value)| {
        let first_item = || value.items().next().map(Node::kind);
        key.has_text("containers")
            && (value.kind() == NodeKind::Alias || matches!(first_item(), Some(NodeKind::Map | NodeKind::Alias)))
    })
}

/// Returns all outermost nodes with the shape of a pod spec.
fn find_by_shape(root: Node<'_>) -> Result<Vec<Node<'_>>> {
    let mut found: Vec<Node<'_>> = Vec::new();
    let mut cursor = PathCursor::new(root);
    // The nodes on paths that were checked before, and the keys of their parents.
    let mut checked: HashSet<u32> = HashSet::new();
    let mut parents: HashMap<u32, KeyIndex<'_>> = HashMap::new();
    for node in root.descendants() {
        let is_nested = found.last().is_some_and(|last| last.contains(node));
        if node.kind() == NodeKind::Map && !is_nested && is_pod_spec(node) {
            // An alias may refer to any node on the path, and an edit would also change the alias, so check each node.
            let steps = cursor.steps_to(node);
            let unchecked = steps.iter().rev().take_while(|step| checked.insert(step.child.index())).count();
            for PathStep { parent, key, .. } in &steps[steps.len() - unchecked..] {
                let parent = match parents.entry(parent.index()) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        StrictMap::from_node(*parent, "a mapping on the way to the containers")?;
                        new.insert(KeyIndex::new(*parent))
                    }
                };
                key.map_or(Ok(None), |key| parent.get(&key.text().unwrap_or_default()))?;
            }
            StrictMap::from_node(node, "the pod spec")?;
            found.push(node);
        }
    }
    Ok(found)
}
