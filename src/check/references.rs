//! The references of a pod to Secrets, ConfigMaps and their keys.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use jobplate_diagnostic::suggest::quote_key;
use jobplate_manifest::env::{ENV_FROM_SOURCES, KEY_SOURCES};
use jobplate_yaml::{Node, NodeKind};

use super::subject::{Container, Pod};

/// A reference to a Secret or ConfigMap.
pub(super) struct Reference<'a> {
    /// `Secret` or `ConfigMap`.
    pub kind: &'static str,
    /// What refers to the object.
    pub owner: ReferenceOwner<'a>,
    /// The mapping of the reference.
    pub node: Node<'a>,
    /// The key of the mapping with the name of the object.
    pub name_key: &'static str,
    /// Whether the reference must have a `key`.
    pub needs_key: bool,
}

/// What refers to an object. It is displayed as ``variable `TOKEN` `` or ``volume `config` ``.
#[derive(Clone)]
pub(super) enum ReferenceOwner<'a> {
    /// The variable with a name.
    Variable(Cow<'a, str>),
    /// An item of `envFrom`.
    EnvFrom,
    /// The volume with a name, or one without a name.
    Volume(Option<Cow<'a, str>>),
    /// An item of `imagePullSecrets`.
    ImagePullSecret,
}

impl Display for ReferenceOwner<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            ReferenceOwner::Variable(name) => write!(f, "variable {}", quote_key(name)),
            ReferenceOwner::EnvFrom => f.write_str("an item of `envFrom`"),
            ReferenceOwner::Volume(Some(name)) => write!(f, "volume {}", quote_key(name)),
            ReferenceOwner::Volume(None) => f.write_str("a volume"),
            ReferenceOwner::ImagePullSecret => f.write_str("an item of `imagePullSecrets`"),
        }
    }
}

impl<'a> Reference<'a> {
    /// Returns the name of the object, if it is a string.
    pub(super) fn name(&self) -> Option<Node<'a>> {
        self.node.get_first(self.name_key).filter(|name| name.is_scalar() && !name.is_null())
    }

    /// Returns the nodes with the names of keys in the object's data.
    pub(super) fn keys(&self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let own = Some(self.node).filter(|_| self.needs_key);
        let items = Some(self.node).filter(|_| !self.needs_key).and_then(|node| node.get_first("items"));
        own.into_iter().chain(items.into_iter().flat_map(Node::items)).filter_map(|node| node.get_first("key"))
    }
}

/// Returns the references of a pod: of its variables, `envFrom`, volumes and image pull secrets.
pub(super) fn references<'a>(pod: &Pod<'a>) -> Vec<Reference<'a>> {
    let mut found: Vec<_> = pod.containers.iter().flat_map(container_references).collect();
    for volume in pod.node.get_first("volumes").into_iter().flat_map(Node::items) {
        add_volume(volume, &mut found);
    }
    for secret in pod.node.get_first("imagePullSecrets").into_iter().flat_map(Node::items) {
        found.extend(reference("Secret", ReferenceOwner::ImagePullSecret, Some(secret), "name"));
    }
    found
}

/// Returns the references of a container.
pub(super) fn container_references<'a>(container: &Container<'a>) -> Vec<Reference<'a>> {
    let mut found = Vec::new();
    for entry in &container.env {
        for (key, kind) in KEY_SOURCES {
            let source = entry.value_from.and_then(|source| source.get_first(key));
            if let Some(reference) = reference(kind, ReferenceOwner::Variable(entry.text.clone()), source, "name") {
                found.push(Reference { needs_key: true, ..reference });
            }
        }
    }
    for source in container.node.get_first("envFrom").into_iter().flat_map(Node::items) {
        for (key, kind) in ENV_FROM_SOURCES {
            found.extend(reference(kind, ReferenceOwner::EnvFrom, source.get_first(key), "name"));
        }
    }
    found
}

/// Adds the references of a volume, also of its projected sources.
fn add_volume<'a>(volume: Node<'a>, found: &mut Vec<Reference<'a>>) {
    let owner = ReferenceOwner::Volume(volume.get_first("name").and_then(Node::text));
    let projected = volume.get_first("projected").and_then(|projected| projected.get_first("sources"));
    let sources = projected.into_iter().flat_map(Node::items).map(|source| (source, "name"));
    for (source, secret_key) in std::iter::once((volume, "secretName")).chain(sources) {
        for (key, kind, name_key) in [("secret", "Secret", secret_key), ("configMap", "ConfigMap", "name")] {
            found.extend(reference(kind, owner.clone(), source.get_first(key), name_key));
        }
    }
}

/// Returns a reference that needs no key, or `None` if the node is not a mapping.
fn reference<'a>(
    kind: &'static str,
    owner: ReferenceOwner<'a>,
    node: Option<Node<'a>>,
    name_key: &'static str,
) -> Option<Reference<'a>> {
    let node = node.filter(|node| node.kind() == NodeKind::Map)?;
    Some(Reference { kind, owner, node, name_key, needs_key: false })
}
