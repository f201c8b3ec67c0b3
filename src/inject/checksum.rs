//! Checksums: where a ConfigMap's data change, pods that use it must be replaced, or they go on with what
//! they read when they started.
//!
//! Helm charts have `checksum/...` annotations on pod templates for that. A post-renderer comes after the
//! chart has made them, so they are made anew here, from the old one and the new data.

use std::collections::{BTreeSet, HashMap, HashSet};

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::object::Object;
use jobplate_manifest::workload::{is_builtin_workload, pod_specs};
use jobplate_yaml::{Child, Document, Edit, Editable, Node, NodeKind, Value};
use memchr::memmem;
use sha2::{Digest, Sha256};

use super::canonical;

/// What the names of such annotations begin with.
const PREFIX: &str = "checksum/";
/// The annotation of a pod template that had none.
const OWN: &str = "checksum/jobplate";

/// A ConfigMap whose data were changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ChangedMap {
    namespace: Option<String>,
    /// Of its name and its new data.
    digest: [u8; 32],
}

/// The ConfigMaps whose data a run changes, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedConfigMaps(HashMap<String, Vec<ChangedMap>>);

impl ChangedConfigMaps {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a ConfigMap as it is now. Nothing can refer to one that has no name yet.
    pub fn add(&mut self, object: &Object<'_>) {
        let Some(name) = object.metadata_name() else { return };
        let Some(data) = object.node.get_first("data") else { return };
        let namespace = object.namespace().map(|namespace| namespace.into_owned());
        let digest = Sha256::new_with_prefix(name.as_bytes()).chain_update(canonical::digest(data, None));
        let map = ChangedMap { namespace, digest: digest.finalize().into() };
        self.0.entry(name.into_owned()).or_default().push(map);
    }
}

/// The changed ConfigMaps that a document uses.
pub(super) struct UsedMaps<'a, 'm> {
    changed: &'m ChangedConfigMaps,
    /// What aliases stand for: the nodes with an anchor, by its name, in the order of the document.
    anchors: HashMap<&'a str, Vec<Node<'a>>>,
}

impl<'a, 'm> UsedMaps<'a, 'm> {
    /// Whether a document could use one by its bytes: all keys that refer to a ConfigMap begin alike, and only
    /// an escape could hide that.
    pub(super) fn may_be_in(text: &str, changed: &ChangedConfigMaps) -> bool {
        let bytes = text.as_bytes();
        !changed.is_empty() && (memmem::find(bytes, b"configMap").is_some() || memchr::memchr(b'\\', bytes).is_some())
    }

    /// Prepares the search in one document.
    pub(super) fn new(document: Document<'a>, changed: &'m ChangedConfigMaps) -> Self {
        let mut anchors: HashMap<&str, Vec<Node<'_>>> = HashMap::new();
        if document.text.contains('&') {
            for node in document.root().descendants() {
                if let Some(anchor) = node.anchor() {
                    anchors.entry(anchor).or_default().push(node);
                }
            }
        }
        UsedMaps { changed, anchors }
    }

    /// Whether anything in a subtree uses one.
    pub(super) fn any(&self, node: Node<'a>) -> bool {
        !self.changed.is_empty() && self.names(node).iter().any(|name| self.changed.0.contains_key(name))
    }

    /// The names of the ConfigMaps that a pod uses, each once: by volume, projected volume, `envFrom`, `env`.
    fn names(&self, node: Node<'a>) -> BTreeSet<String> {
        let references = ["configMap", "configMapRef", "configMapKeyRef"];
        let (mut names, mut visited, mut open) = (BTreeSet::new(), HashSet::new(), vec![node]);
        while let Some(root) = open.pop() {
            if !visited.insert(root.index()) {
                continue;
            }
            for node in root.descendants() {
                if node.kind() == NodeKind::Alias {
                    open.push(self.resolved(node));
                }
                let used = node.entries().filter(|(key, _)| references.iter().any(|reference| key.has_text(reference)));
                let all = used.flat_map(|(_, value)| self.resolved(value).entries());
                let named =
                    all.filter(|(key, _)| key.has_text("name")).filter_map(|(_, name)| self.resolved(name).text());
                names.extend(named.map(|name| name.into_owned()));
            }
        }
        names
    }

    /// What an alias stands for: the last node before it that has the anchor. Others stand for themselves.
    fn resolved(&self, node: Node<'a>) -> Node<'a> {
        if node.kind() != NodeKind::Alias {
            return node;
        }
        let nodes = self.anchors.get(&node.raw()[1..]).map_or(&[][..], Vec::as_slice);
        let before = nodes.partition_point(|other| other.index() < node.index());
        before.checked_sub(1).map_or(node, |last| nodes[last])
    }

    /// Those that a pod of an object's namespace uses. Where only one of the two has a namespace, the other
    /// gets its own when it is applied, which may be the same.
    fn of_pod(&self, object: &Object<'a>, pod_spec: Node<'a>) -> Vec<&'m ChangedMap> {
        let namespace = object.namespace();
        let same = |map: &&ChangedMap| match (&namespace, &map.namespace) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        };
        let used = self.names(pod_spec);
        let mut maps: Vec<_> = used.iter().filter_map(|name| self.changed.0.get(name)).flatten().filter(same).collect();
        // The order of documents is nobody's wish: Helm 3 and Helm 4 have each their own.
        maps.sort_by_key(|map| map.digest);
        maps.dedup_by_key(|map| map.digest);
        maps
    }

    /// Adds the edits of the annotations of an object's pod template, if its pods use a changed ConfigMap, and
    /// are replaced when their template changes.
    pub(super) fn plan(&self, object: &Object<'a>, edits: &mut Vec<Edit>) -> Result<()> {
        // A Job's pods are not replaced, and its template can't be changed; a CronJob's next pod is a new one.
        let stays = is_builtin_workload(object)
            && !matches!(&*object.kind, "Deployment" | "StatefulSet" | "DaemonSet" | "PodTemplate");
        // What uses none is not looked at closely.
        if self.changed.is_empty() || stays || !self.any(object.node) {
            return Ok(());
        }
        for pod_spec in pod_specs(object)? {
            let used = self.of_pod(object, pod_spec);
            if let Some(template) = template_of(object, pod_spec).filter(|_| !used.is_empty()) {
                plan_annotations(template, &used, edits)?;
            }
        }
        Ok(())
    }
}

/// Adds the edits of the annotations of a pod template.
fn plan_annotations(template: Node<'_>, used: &[&ChangedMap], edits: &mut Vec<Edit>) -> Result<()> {
    let checksum = |old: &str| {
        let sum = used.iter().fold(Sha256::new_with_prefix(old), |sum, map| sum.chain_update(map.digest));
        Value::string(&canonical::hex(&sum.finalize()))
    };
    let own = || Value::map([(OWN, checksum(""))]);
    let template = Editable::from_node(template, "the pod template")?;
    let Some(metadata) = template.get("metadata")? else {
        edits.push(template.append([Child::entry("metadata", Value::map([("annotations", own())]))]));
        return Ok(());
    };
    let metadata = mapping_or_null(metadata, "the pod template's `metadata`")?;
    if metadata.is_null() {
        edits.push(metadata.replace(Value::map([("annotations", own())])));
        return Ok(());
    }
    let Some(annotations) = metadata.get("annotations")? else {
        edits.push(metadata.append([Child::entry("annotations", own())]));
        return Ok(());
    };
    let annotations = mapping_or_null(annotations, "the pod template's `annotations`")?;
    if annotations.is_null() {
        edits.push(annotations.replace(own()));
        return Ok(());
    }
    let sums: Vec<_> =
        annotations.entries().filter(|(key, _)| key.text().is_some_and(|key| key.starts_with(PREFIX))).collect();
    for (key, value) in &sums {
        annotations.get(&key.text().unwrap_or_default())?;
        let value = Editable::from_node(*value, "the checksum")?;
        if !value.is_scalar() {
            return Err(Error::input("a checksum is no text").at(value.span()).hint("an annotation holds text only"));
        }
        edits.push(value.replace(checksum(&value.text().unwrap_or_default())));
    }
    if sums.is_empty() {
        edits.push(annotations.append([Child::entry(OWN, checksum(""))]));
    }
    Ok(())
}

/// A node as the mapping or null that it must be.
fn mapping_or_null<'a>(node: Node<'a>, what: &str) -> Result<Editable<'a>> {
    let node = Editable::from_node(node, what)?;
    match node.kind() {
        NodeKind::Map => Ok(node),
        _ if node.is_null() => Ok(node),
        _ => Err(Error::input(format!("{what} is no mapping")).at(node.span()).hint("write `key: value` below it")),
    }
}

/// The pod template that a pod spec stands in: the mapping under `template` that has it as its `spec`.
fn template_of<'a>(object: &Object<'a>, pod_spec: Node<'a>) -> Option<Node<'a>> {
    let way: Vec<Node<'a>> = object.node.path_to(pod_spec).collect();
    let [.., above, template] = way.as_slice() else { return None };
    let is_child = |map: Node<'a>, key: &str, child: Node<'a>| {
        map.entries().any(|(own, value)| own.has_text(key) && value.index() == child.index())
    };
    (is_child(*above, "template", *template) && is_child(*template, "spec", pod_spec)).then_some(*template)
}
