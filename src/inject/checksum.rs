//! Plans the `checksum/` annotations of pod templates: if a ConfigMap's data change, the pods that use it must be
//! replaced, because running pods do not read the new data.
//!
//! Helm charts set `checksum/...` annotations on pod templates for this purpose. A post-renderer changes the ConfigMap
//! after the chart has computed the checksums, so each checksum is computed again from its old value and the new data.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::object::Object;
use jobplate_manifest::workload::{is_builtin_workload, pod_specs};
use jobplate_yaml::{Child, Edit, Editable, KeyIndex, Node, NodeKind, PathCursor, PathStep, Value};
use memchr::memmem;
use sha2::{Digest, Sha256};

use super::canonical;

/// The prefix of the annotations.
const ANNOTATION_PREFIX: &str = "checksum/";
/// The annotation that is added to a pod template without a `checksum/` annotation.
const ADDED_ANNOTATION: &str = "checksum/jobplate";

/// The maximum number of nodes that are searched through the aliases of one document. Each pod template that uses an
/// alias is searched through it.
const MAX_ALIASED_NODES: usize = 1_000_000;

/// The maximum number of changed ConfigMaps with the same name that one pod can use. There is more than one if several
/// namespaces have a ConfigMap with this name and the pod has no namespace.
const MAX_EQUAL_NAMES: usize = 100;

/// The maximum number of digests that are hashed for the annotations of one pod template.
const MAX_HASHED_DIGESTS: usize = 100_000;

/// The SHA-256 hash of the name and the new data of a ConfigMap.
type ConfigMapDigest = [u8; 32];

/// The ConfigMaps whose data change in a run, keyed by name and namespace. The digests are sorted: a checksum must not
/// depend on the order of documents, which differs between Helm 3 and Helm 4.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedConfigMaps(HashMap<String, BTreeMap<Option<String>, BTreeSet<ConfigMapDigest>>>);

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
        let namespaces = self.0.entry(name.into_owned()).or_default();
        namespaces.entry(namespace).or_default().insert(digest.finalize().into());
    }
}

/// The references to changed ConfigMaps in a document.
pub(super) struct ConfigMapReferences<'m> {
    changed: &'m ChangedConfigMaps,
    /// The number of nodes that may still be searched through aliases.
    remaining_aliased_nodes: Cell<usize>,
}

impl<'m> ConfigMapReferences<'m> {
    /// Returns whether a document may refer to a changed ConfigMap, without parsing the document. Every key that refers
    /// to a ConfigMap begins with `configMap`, and only an escape can hide this prefix.
    pub(super) fn may_exist_in(text: &str, changed: &ChangedConfigMaps) -> bool {
        let bytes = text.as_bytes();
        !changed.is_empty() && (memmem::find(bytes, b"configMap").is_some() || memchr::memchr(b'\\', bytes).is_some())
    }

    /// Creates the references of a document, with an unused budget.
    pub(super) fn new(changed: &'m ChangedConfigMaps) -> Self {
        ConfigMapReferences { changed, remaining_aliased_nodes: Cell::new(MAX_ALIASED_NODES) }
    }

    /// Returns whether a subtree refers to the name of a changed ConfigMap.
    ///
    /// # Errors
    ///
    /// Fails if the aliases of the document repeat more than [`MAX_ALIASED_NODES`] nodes.
    pub(super) fn exist_in(&self, node: Node<'_>) -> Result<bool> {
        Ok(!self.changed.is_empty()
            && self.referenced_names(node)?.iter().any(|name| self.changed.0.contains_key(name)))
    }

    /// Returns the names of the ConfigMaps that a subtree refers to in volumes, projected volumes, `envFrom` and `env`.
    fn referenced_names(&self, node: Node<'_>) -> Result<BTreeSet<String>> {
        let references = ["configMap", "configMapRef", "configMapKeyRef"];
        let (mut names, mut visited, mut pending) = (BTreeSet::new(), HashSet::new(), vec![node]);
        while let Some(root) = pending.pop() {
            if !visited.insert(root.index()) {
                continue;
            }
            if visited.len() > 1 {
                self.count_aliased_nodes(root)?;
            }
            for node in root.descendants() {
                if node.kind() == NodeKind::Alias {
                    pending.push(resolve_alias(node));
                }
                let used = node.entries().filter(|(key, _)| references.iter().any(|reference| key.has_text(reference)));
                let referenced_entries = used.flat_map(|(_, value)| resolve_alias(value).entries());
                let referenced = referenced_entries
                    .filter(|(key, _)| key.has_text("name"))
                    .filter_map(|(_, name)| resolve_alias(name).text());
                names.extend(referenced.map(|name| name.into_owned()));
            }
        }
        Ok(names)
    }

    fn count_aliased_nodes(&self, root: Node<'_>) -> Result<()> {
        match self.remaining_aliased_nodes.get().checked_sub(root.descendants().count()) {
            Some(remaining) => self.remaining_aliased_nodes.set(remaining),
            None => {
                return Err(Error::refused(format!("aliases repeat more than {MAX_ALIASED_NODES} nodes"))
                    .at(root.span())
                    .hint("split the document, or replace aliases with copies"));
            }
        }
        Ok(())
    }

    /// Returns the digests of the changed ConfigMaps that a pod uses. If the object or the ConfigMap has no namespace,
    /// both are treated as being in the same namespace, because the missing namespace is set when the manifest is
    /// applied.
    fn used_by_pod(&self, namespace: Option<&str>, pod_spec: Node<'_>) -> Result<BTreeSet<ConfigMapDigest>> {
        let mut digests = BTreeSet::new();
        for name in self.referenced_names(pod_spec)? {
            let Some(namespaces) = self.changed.0.get(&name) else { continue };
            let same = match namespace {
                Some(own) => [Some(own.to_owned()), None].iter().filter_map(|key| namespaces.get(key)).collect(),
                None => namespaces.values().collect::<Vec<_>>(),
            };
            let used: Vec<_> = same.into_iter().flatten().take(MAX_EQUAL_NAMES + 1).collect();
            if used.len() > MAX_EQUAL_NAMES {
                return Err(Error::refused(format!("more than {MAX_EQUAL_NAMES} ConfigMaps `{name}` change"))
                    .at(pod_spec.span())
                    .hint("set `metadata.namespace` of each object, or remove the duplicates"));
            }
            digests.extend(used);
        }
        Ok(digests)
    }

    /// Adds the edits of an object's pod template annotations, if the pods use a changed ConfigMap and are replaced
    /// when the template changes.
    pub(super) fn plan_checksums(&self, object: &Object<'_>, edits: &mut Vec<Edit>) -> Result<()> {
        // A Job's pod template is immutable, and a CronJob's next pod reads the new data anyway, so neither gets a
        // checksum.
        let keeps_pods = is_builtin_workload(object)
            && !matches!(&*object.kind, "Deployment" | "StatefulSet" | "DaemonSet" | "PodTemplate");
        // An object that uses no changed ConfigMap needs no edits, so return before its pod specs are validated.
        if self.changed.is_empty() || keeps_pods || !self.exist_in(object.node)? {
            return Ok(());
        }
        let namespace = object.namespace();
        let mut paths = PathCursor::new(object.node);
        for pod_spec in pod_specs(object)? {
            let used = self.used_by_pod(namespace.as_deref(), pod_spec)?;
            if let Some(template) = find_pod_template(paths.steps_to(pod_spec)).filter(|_| !used.is_empty()) {
                plan_annotations(template, &used, edits)?;
            }
        }
        Ok(())
    }
}

/// Returns the target of an alias, and any other node unchanged. An alias inside its own anchor has no target.
fn resolve_alias(node: Node<'_>) -> Node<'_> {
    node.alias_target().unwrap_or(node)
}

/// Adds the edits of a pod template's annotations: updates all `checksum/` annotations, or adds [`ADDED_ANNOTATION`] if
/// there is no such annotation.
fn plan_annotations(template: Node<'_>, used: &BTreeSet<ConfigMapDigest>, edits: &mut Vec<Edit>) -> Result<()> {
    let compute_checksum = |old: &str| {
        let hash = used.iter().fold(Sha256::new_with_prefix(old), |hash, digest| hash.chain_update(digest));
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
    if checksums.len() * used.len() > MAX_HASHED_DIGESTS {
        let count = checksums.len();
        let message = format!("too many `checksum/` annotations: {count} for {} changed ConfigMaps", used.len());
        return Err(Error::refused(message)
            .at(annotations.span())
            .hint("remove annotations: one `checksum/` annotation is enough"));
    }
    let index = KeyIndex::new(*annotations);
    for (key, value) in &checksums {
        index.get(&key.text().unwrap_or_default())?;
        let value = Editable::from_node(*value, "the checksum")?;
        if !value.is_scalar() {
            return Err(Error::input("a checksum is not a string")
                .at(value.span())
                .hint("put the value of the annotation in quotes"));
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
        _ => Err(Error::input(format!("{description} must be a mapping"))
            .at(node.span())
            .hint("write it as a mapping, `key: value`")),
    }
}

/// Returns the pod template of a pod spec, or `None` if the pod spec is not `template.spec` of another mapping. `steps`
/// lead from the object to the pod spec.
fn find_pod_template<'a>(steps: &[PathStep<'a>]) -> Option<Node<'a>> {
    let has_key = |step: &PathStep<'_>, name: &str| step.key.is_some_and(|key| key.has_text(name));
    match steps {
        [.., template, spec] if has_key(template, "template") && has_key(spec, "spec") => Some(spec.parent),
        _ => None,
    }
}
