//! The references of a pod to Secrets, ConfigMaps and their keys.

use std::cell::LazyCell;

use jobplate_diagnostic::suggest::quote_key;
use jobplate_manifest::env::{ENV_FROM_SOURCES, KEY_SOURCES};
use jobplate_yaml::{Node, NodeKind};

use super::subject::{Container, Pod};

/// A reference to a Secret or ConfigMap.
pub(super) struct Reference<'a> {
    /// `Secret` or `ConfigMap`.
    pub kind: &'static str,
    /// What refers to the object, for messages: ``variable `TOKEN` `` or ``volume `config` ``.
    pub owner: String,
    /// The mapping of the reference.
    pub node: Node<'a>,
    /// The key of the mapping with the name of the object.
    pub name_key: &'static str,
    /// The nodes with the names of keys in the object's data.
    pub keys: Vec<Node<'a>>,
    /// Whether the reference must have a `key`.
    pub needs_key: bool,
}

impl<'a> Reference<'a> {
    /// Returns the name of the object, if it is a string.
    pub(super) fn name(&self) -> Option<Node<'a>> {
        self.node.get_first(self.name_key).filter(|name| name.is_scalar() && !name.is_null())
    }
}

/// Returns the references of a pod: of its variables, `envFrom`, volumes and image pull secrets.
pub(super) fn references<'a>(pod: &Pod<'a>) -> Vec<Reference<'a>> {
    let mut found: Vec<_> = pod.containers.iter().flat_map(container_references).collect();
    for volume in pod.node.get_first("volumes").into_iter().flat_map(Node::items) {
        add_volume(volume, &mut found);
    }
    for secret in pod.node.get_first("imagePullSecrets").into_iter().flat_map(Node::items) {
        found.extend(reference("Secret", || "an item of `imagePullSecrets`".to_owned(), Some(secret), "name"));
    }
    found
}

/// Returns the references of a container.
pub(super) fn container_references<'a>(container: &Container<'a>) -> Vec<Reference<'a>> {
    let mut found = Vec::new();
    for entry in &container.env {
        for (key, kind) in KEY_SOURCES {
            let source = entry.value_from.and_then(|source| source.get_first(key));
            let owner = || format!("variable {}", quote_key(&entry.text));
            if let Some(reference) = reference(kind, owner, source, "name") {
                let keys = reference.node.get_first("key").into_iter().collect();
                found.push(Reference { keys, needs_key: true, ..reference });
            }
        }
    }
    for source in container.node.get_first("envFrom").into_iter().flat_map(Node::items) {
        for (key, kind) in ENV_FROM_SOURCES {
            found.extend(reference(kind, || "an item of `envFrom`".to_owned(), source.get_first(key), "name"));
        }
    }
    found
}

/// Adds the references of a volume, also of its projected sources.
fn add_volume<'a>(volume: Node<'a>, found: &mut Vec<Reference<'a>>) {
    let owner = LazyCell::new(|| match volume.get_first("name").and_then(Node::text) {
        Some(name) => format!("volume {}", quote_key(&name)),
        None => "a volume".to_owned(),
    });
    let projected = volume.get_first("projected").and_then(|projected| projected.get_first("sources"));
    let sources = projected.into_iter().flat_map(Node::items).map(|source| (source, "name"));
    for (source, secret_key) in std::iter::once((volume, "secretName")).chain(sources) {
        for (key, kind, name_key) in [("secret", "Secret", secret_key), ("configMap", "ConfigMap", "name")] {
            if let Some(reference) = reference(kind, || owner.clone(), source.get_first(key), name_key) {
                let items = reference.node.get_first("items").into_iter().flat_map(Node::items);
                let keys = items.filter_map(|item| item.get_first("key")).collect();
                found.push(Reference { keys, ..reference });
            }
        }
    }
}

/// Returns a reference without keys, or `None` if the node is not a mapping. `owner` is called only for a mapping.
fn reference<'a>(
    kind: &'static str,
    owner: impl FnOnce() -> String,
    node: Option<Node<'a>>,
    name_key: &'static str,
) -> Option<Reference<'a>> {
    let node = node.filter(|node| node.kind() == NodeKind::Map)?;
    Some(Reference { kind, owner: owner(), node, name_key, keys: Vec::new(), needs_key: false })
}
