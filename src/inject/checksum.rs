//! Plans the `checksum/` annotations of pod templates: if a ConfigMap's data change, the pods that use it must be
//! replaced, because running pods do not read the new data.
//!
//! Helm charts set `checksum/...` annotations on pod templates for this purpose. A post-renderer changes the ConfigMap
//! after the chart has computed the checksums, so each checksum is computed again from its old value and the new data.

use std::collections::{BTreeSet, HashMap, HashSet};

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::object::Object;
use jobplate_manifest::workload::{is_builtin_workload, pod_specs};
use jobplate_yaml::{Child, Document, Edit, Editable, Node, NodeKind, Value};
use memchr::memmem;
use sha2::{Digest, Sha256};

use super::canonical;

/// The prefix of the annotations.
const ANNOTATION_PREFIX: &str = "checksum/";
/// The annotation that is added to a pod template without a `checksum/` annotation.
const ADDED_ANNOTATION: &str = "checksum/jobplate";

/// A ConfigMap whose data change.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ChangedConfigMap {
    namespace: Option<String>,
    /// The SHA-256 hash of the name and the new data.
    digest: [u8; 32],
}

/// The ConfigMaps whose data change in a run, keyed by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedConfigMaps(HashMap<String, Vec<ChangedConfigMap>>);

impl ChangedConfigMaps {
    /// Returns whether no ConfigMap changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a ConfigMap with its new data. Ignores a ConfigMap without a name, because pods cannot refer to it, or
    /// without `data`.
    pub fn add(&mut self, object: &Object<'_>) {
        let Some(name) = object.metadata_name() else { return };
        let Some(data) = object.node.get_first("data") else { return };
        let namespace = object.namespace().map(|namespace| namespace.into_owned());
        let digest = Sha256::new_with_prefix(name.as_bytes()).chain_update(canonical::compute_digest(data, None));
        let map = ChangedConfigMap { namespace, digest: digest.finalize().into() };
        self.0.entry(name.into_owned()).or_default().push(map);
    }
}

/// The references to changed ConfigMaps in a document.
pub(super) struct ConfigMapReferences<'a, 'm> {
    changed: &'m ChangedConfigMaps,
    /// The nodes with an anchor, keyed by the anchor's name, in document order. Used to resolve aliases.
    anchors: HashMap<&'a str, Vec<Node<'a>>>,
}

impl<'a, 'm> ConfigMapReferences<'a, 'm> {
    /// Returns whether a document may refer to a changed ConfigMap, without parsing the document. Every key that refers
    /// to a ConfigMap begins with `configMap`, and only an escape can hide this prefix.
    pub(super) fn may_exist_in(text: &str, changed: &ChangedConfigMaps) -> bool {
        let bytes = text.as_bytes();
        !changed.is_empty() && (memmem::find(bytes, b"configMap").is_some() || memchr::memchr(b'\\', bytes).is_some())
    }

    /// Collects the document's anchors, which are needed to resolve its aliases.
    pub(super) fn new(document: Document<'a>, changed: &'m ChangedConfigMaps) -> Self {
        let mut anchors: HashMap<&str, Vec<Node<'_>>> = HashMap::new();
        if document.text.contains('&') {
            for node in document.root().descendants() {
                if let Some(anchor) = node.anchor() {
                    anchors.entry(anchor).or_default().push(node);
                }
            }
        }
        ConfigMapReferences { changed, anchors }
    }

    /// Returns whether a subtree refers to the name of a changed ConfigMap.
    pub(super) fn exist_in(&self, node: Node<'a>) -> bool {
        !self.changed.is_empty() && self.referenced_names(node).iter().any(|name| self.changed.0.contains_key(name))
    }

    /// Returns the names of the ConfigMaps that a subtree refers to in volumes, projected volumes, `envFrom` and `env`.
    fn referenced_names(&self, node: Node<'a>) -> BTreeSet<String> {
        let references = ["configMap", "configMapRef", "configMapKeyRef"];
        let (mut names, mut visited, mut pending) = (BTreeSet::new(), HashSet::new(), vec![node]);
        while let Some(root) = pending.pop() {
            if !visited.insert(root.index()) {
                continue;
            }
            for node in root.descendants() {
                if node.kind() == NodeKind::Alias {
                    pending.push(self.resolve_alias(node));
                }
                let used = node.entries().filter(|(key, _)| references.iter().any(|reference| key.has_text(reference)));
                let referenced_entries = used.flat_map(|(_, value)| self.resolve_alias(value).entries());
                let referenced = referenced_entries
                    .filter(|(key, _)| key.has_text("name"))
                    .filter_map(|(_, name)| self.resolve_alias(name).text());
                names.extend(referenced.map(|name| name.into_owned()));
            }
        }
        names
    }

    /// Resolves an alias to the last node with that anchor before it. Returns the alias itself if its anchor is
    /// unknown, and any other node unchanged.
    fn resolve_alias(&self, node: Node<'a>) -> Node<'a> {
        if node.kind() != NodeKind::Alias {
            return node;
        }
        let nodes = self.anchors.get(&node.raw()[1..]).map_or(&[][..], Vec::as_slice);
        let before = nodes.partition_point(|other| other.index() < node.index());
        before.checked_sub(1).map_or(node, |last| nodes[last])
    }

    /// Returns the changed ConfigMaps that a pod uses. If the object or the ConfigMap has no namespace, both are
    /// treated as being in the same namespace, because the missing namespace is set when the manifest is applied.
    fn used_by_pod(&self, object: &Object<'a>, pod_spec: Node<'a>) -> Vec<&'m ChangedConfigMap> {
        let namespace = object.namespace();
        let is_same_namespace = |map: &&ChangedConfigMap| match (&namespace, &map.namespace) {
            (Some(pod), Some(map)) => pod == map,
            _ => true,
        };
        let used = self.referenced_names(pod_spec);
        let mut maps: Vec<_> =
            used.iter().filter_map(|name| self.changed.0.get(name)).flatten().filter(is_same_namespace).collect();
        // The checksum must not depend on the order of documents, which differs between Helm 3 and Helm 4.
        maps.sort_by_key(|map| map.digest);
        maps.dedup_by_key(|map| map.digest);
        maps
    }

    /// Adds the edits of an object's pod template annotations, if the pods use a changed ConfigMap and are replaced
    /// when the template changes.
    pub(super) fn plan_checksums(&self, object: &Object<'a>, edits: &mut Vec<Edit>) -> Result<()> {
        // A Job's pod template is immutable, and a CronJob's next pod reads the new data anyway, so neither gets a
        // checksum.
        let keeps_pods = is_builtin_workload(object)
            && !matches!(&*object.kind, "Deployment" | "StatefulSet" | "DaemonSet" | "PodTemplate");
        // An object that uses no changed ConfigMap needs no edits, so return before its pod specs are validated.
        if self.changed.is_empty() || keeps_pods || !self.exist_in(object.node) {
            return Ok(());
        }
        for pod_spec in pod_specs(object)? {
            let used = self.used_by_pod(object, pod_spec);
            if let Some(template) = find_pod_template(object, pod_spec).filter(|_| !used.is_empty()) {
                plan_annotations(template, &used, edits)?;
            }
        }
        Ok(())
    }
}

/// Adds the edits of a pod template's annotations: updates all `checksum/` annotations, or adds [`ADDED_ANNOTATION`] if
/// there is no such annotation.
fn plan_annotations(template: Node<'_>, used: &[&ChangedConfigMap], edits: &mut Vec<Edit>) -> Result<()> {
    let compute_checksum = |old: &str| {
        let hash = used.iter().fold(Sha256::new_with_prefix(old), |hash, map| hash.chain_update(map.digest));
        Value::string(&canonical::to_hex(&hash.finalize()))
    };
    let added_annotation = || Value::map([(ADDED_ANNOTATION, compute_checksum(""))]);
    let template = Editable::from_node(template, "the pod template")?;
    let Some(metadata) = template.get("metadata")? else {
        edits.push(template.append([Child::entry("metadata", Value::map([("annotations", added_annotation())]))]));
        return Ok(());
    };
    let metadata = mapping_or_null(metadata, "the pod template's `metadata`")?;
    if metadata.is_null() {
        edits.push(metadata.replace(Value::map([("annotations", added_annotation())])));
        return Ok(());
    }
    let Some(annotations) = metadata.get("annotations")? else {
        edits.push(metadata.append([Child::entry("annotations", added_annotation())]));
        return Ok(());
    };
    let annotations = mapping_or_null(annotations, "the pod template's `annotations`")?;
    if annotations.is_null() {
        edits.push(annotations.replace(added_annotation()));
        return Ok(());
    }
    let checksums: Vec<_> = annotations
        .entries()
        .filter(|(key, _)| key.text().is_some_and(|key| key.starts_with(ANNOTATION_PREFIX)))
        .collect();
    for (key, value) in &checksums {
        annotations.get(&key.text().unwrap_or_default())?;
        let value = Editable::from_node(*value, "the checksum")?;
        if !value.is_scalar() {
            return Err(Error::input("a checksum is no text").at(value.span()).hint("an annotation holds text only"));
        }
        edits.push(value.replace(compute_checksum(&value.text().unwrap_or_default())));
    }
    if checksums.is_empty() {
        edits.push(annotations.append([Child::entry(ADDED_ANNOTATION, compute_checksum(""))]));
    }
    Ok(())
}

/// Returns a mapping or null for editing. Refuses any other node. `description` names the node in the error.
fn mapping_or_null<'a>(node: Node<'a>, description: &str) -> Result<Editable<'a>> {
    let node = Editable::from_node(node, description)?;
    match node.kind() {
        NodeKind::Map => Ok(node),
        _ if node.is_null() => Ok(node),
        _ => Err(Error::input(format!("{description} is no mapping"))
            .at(node.span())
            .hint("write `key: value` below it")),
    }
}

/// Returns the pod template of a pod spec, or `None` if the pod spec is not `template.spec` of another mapping.
fn find_pod_template<'a>(object: &Object<'a>, pod_spec: Node<'a>) -> Option<Node<'a>> {
    let path: Vec<Node<'a>> = object.node.path_to(pod_spec).collect();
    let [.., parent, template] = path.as_slice() else { return None };
    let is_child = |map: Node<'a>, key: &str, child: Node<'a>| {
        map.entries().any(|(name, value)| name.has_text(key) && value.index() == child.index())
    };
    (is_child(*parent, "template", *template) && is_child(*template, "spec", pod_spec)).then_some(*template)
}
