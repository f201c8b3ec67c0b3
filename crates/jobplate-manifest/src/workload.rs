//! Which objects carry a pod, and where its spec is.

use jobplate_diagnostic::Result;
use jobplate_yaml::{Node, NodeKind, StrictMap};

use super::field::FieldPath;
use super::object::{Object, get_on_path};

/// Kinds of Kubernetes itself that carry a pod spec, and the way to it.
const WORKLOADS: [(&str, &[&str]); 9] = [
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

/// The kind as Kubernetes spells it, if it is one of its own workloads; any case, plural and short names too.
pub fn canonical_kind(kind: &str) -> Option<&'static str> {
    // As kubectl prints it: `deployment.apps`.
    if let Some((kind, "apps" | "batch")) = kind.split_once('.') {
        return canonical_kind(kind);
    }
    let short = match kind.to_ascii_lowercase().as_str() {
        "cj" => "cronjob",
        "deploy" => "deployment",
        "sts" => "statefulset",
        "ds" => "daemonset",
        "rs" => "replicaset",
        "rc" => "replicationcontroller",
        "po" => "pod",
        other => return WORKLOADS.iter().map(|(kind, _)| *kind).find(|kind| plural_or_same(kind, other)),
    };
    canonical_kind(short)
}

/// The way from an object of one of Kubernetes' own workload kinds to its pod spec.
pub fn pod_spec_path(kind: &str) -> Option<FieldPath> {
    WORKLOADS.iter().find(|(own, _)| *own == kind).map(|(_, way)| FieldPath::from_keys(way))
}

fn plural_or_same(kind: &str, asked: &str) -> bool {
    kind.eq_ignore_ascii_case(asked)
        || asked.strip_suffix('s').is_some_and(|singular| kind.eq_ignore_ascii_case(singular))
}

/// The groups that Kubernetes' own workloads are in; an object without `apiVersion` passes for one.
fn is_builtin(object: &Object<'_>) -> bool {
    matches!(object.group(), "" | "apps" | "batch" | "extensions")
}

/// The pod specs of an object: one for Kubernetes' own kinds; for others, every mapping that has
/// `containers` with mappings in them, wherever it is.
///
/// # Errors
/// Fails where it is unclear what a mapping on the path to a pod spec is.
pub fn pod_specs<'a>(object: &Object<'a>) -> Result<Vec<Node<'a>>> {
    let way = WORKLOADS.iter().find(|(kind, _)| *kind == object.kind);
    match way {
        Some((_, way)) if is_builtin(object) => {
            let mut node = object.node;
            for key in *way {
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

/// Whether Kubernetes' own API defines the object's kind as a workload.
pub fn is_builtin_workload(object: &Object<'_>) -> bool {
    is_builtin(object) && WORKLOADS.iter().any(|(kind, _)| *kind == object.kind)
}

/// Whether an object is a Job or CronJob of Kubernetes' own: what flows run in.
pub fn is_job(object: &Object<'_>) -> bool {
    matches!(&*object.kind, "Job" | "CronJob") && is_builtin(object)
}

fn is_pod_spec(node: Node<'_>) -> bool {
    node.entries().any(|(key, value)| {
        key.has_text("containers")
            && value.kind() == NodeKind::Seq
            && value.items().next().is_some_and(|item| item.kind() == NodeKind::Map)
    })
}

fn find_by_shape(root: Node<'_>) -> Result<Vec<Node<'_>>> {
    let mut found: Vec<Node<'_>> = Vec::new();
    for node in root.descendants() {
        let inside_found = found.last().is_some_and(|last| last.span().end > node.span().start);
        if node.kind() == NodeKind::Map && !inside_found && is_pod_spec(node) {
            // Every node on the way could be shared through an anchor.
            for above in root.path_to(node) {
                let above = StrictMap::from_node(above, "a mapping on the way to the containers")?;
                if let Some((key, _)) = above.entries().find(|(_, value)| value.contains(node)) {
                    above.get(&key.text().unwrap_or_default())?;
                }
            }
            StrictMap::from_node(node, "the pod spec")?;
            found.push(node);
        }
    }
    Ok(found)
}
