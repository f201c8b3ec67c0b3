//! Checksums: where a ConfigMap's data change, pods that use it must be replaced, or they go on with what
//! they read when they started.
//!
//! Helm charts have `checksum/...` annotations on pod templates for that. A post-renderer comes after the
//! chart has made them, so they are made anew here, from the old one and the new data.

use std::collections::{BTreeSet, HashMap};

use sha2::{Digest, Sha256};

use super::canonical;
use crate::error::{Error, Result};
use crate::manifest::object::{Object, check_edited};
use crate::manifest::workload::pod_specs;
use crate::yaml::{Change, Child, Edit, Kind, Node, Value};

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
pub struct ChangedMaps(HashMap<String, Vec<ChangedMap>>);

impl ChangedMaps {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a ConfigMap as it is now. Nothing can refer to one that has no name yet.
    pub fn add(&mut self, object: &Object<'_>) {
        let Some(name) = object.own_name() else { return };
        let Some((_, data)) = object.node.entries().find(|(key, _)| key.is("data")) else { return };
        let namespace = object.namespace().map(|namespace| namespace.into_owned());
        let digest = Sha256::new_with_prefix(name.as_bytes()).chain_update(canonical::digest(data, None));
        let map = ChangedMap { namespace, digest: digest.finalize().into() };
        self.0.entry(name.into_owned()).or_default().push(map);
    }

    /// Those that a pod of an object's namespace uses. Where only one of the two has a namespace, the other
    /// gets its own when it is applied, which may be the same.
    fn used_by<'m>(&'m self, object: &Object<'_>, pod_spec: Node<'_>) -> Vec<&'m ChangedMap> {
        let namespace = object.namespace();
        let same = |map: &&ChangedMap| match (&namespace, &map.namespace) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        };
        let used = used_maps(pod_spec);
        let mut maps: Vec<_> = used.iter().filter_map(|name| self.0.get(name)).flatten().filter(same).collect();
        // The order of documents is nobody's wish: Helm 3 and Helm 4 have each their own.
        maps.sort_by_key(|map| map.digest);
        maps.dedup_by_key(|map| map.digest);
        maps
    }
}

/// Adds the edits of the annotations of an object's pod template, if its pods use a changed ConfigMap, and are
/// replaced when their template changes.
pub(super) fn plan_checksums(object: &Object<'_>, maps: &ChangedMaps, edits: &mut Vec<Edit>) -> Result<()> {
    // A Job's pods are not replaced, and its template can't be changed; a CronJob's next pod is a new one.
    if maps.is_empty() || matches!(&*object.kind, "Job" | "CronJob" | "Pod" | "ReplicaSet" | "ReplicationController") {
        return Ok(());
    }
    // What uses none is not looked at closely.
    if used_maps(object.node).iter().all(|name| !maps.0.contains_key(name)) {
        return Ok(());
    }
    for pod_spec in pod_specs(object)? {
        let used = maps.used_by(object, pod_spec);
        let Some(template) = template_of(object, pod_spec).filter(|_| !used.is_empty()) else { continue };
        let checksum = |old: &str| {
            let sum = used.iter().fold(Sha256::new_with_prefix(old), |sum, map| sum.chain_update(map.digest));
            Value::text(&canonical::hex(&sum.finalize()))
        };
        let own = || Value::map([(OWN, checksum(""))]);
        let insert = |map: Node<'_>, key: &'static str, value: Value| {
            let end = map.entries().count();
            let change = Change::Children { remove: Vec::new(), insert: vec![(end, Child::Entry(key, value))] };
            Edit { node: map.index(), change }
        };
        let replace = |node: Node<'_>, value: Value| Edit { node: node.index(), change: Change::Replace(value) };
        check_edited(template, "the pod template")?;
        let Some(metadata) = template.get("metadata")? else {
            edits.push(insert(template, "metadata", Value::map([("annotations", own())])));
            continue;
        };
        let Some(metadata) = mapping(metadata, "the pod template's `metadata`")? else {
            edits.push(replace(metadata, Value::map([("annotations", own())])));
            continue;
        };
        let Some(annotations) = metadata.get("annotations")? else {
            edits.push(insert(metadata, "annotations", own()));
            continue;
        };
        let Some(annotations) = mapping(annotations, "the pod template's `annotations`")? else {
            edits.push(replace(annotations, own()));
            continue;
        };
        let sums: Vec<_> =
            annotations.entries().filter(|(key, _)| key.text().is_some_and(|key| key.starts_with(PREFIX))).collect();
        for (key, value) in &sums {
            annotations.get(&key.text().unwrap_or_default())?;
            check_edited(*value, "the checksum")?;
            if !value.is_scalar() {
                return Err(Error::input("a checksum is no text")
                    .at(value.span())
                    .hint("an annotation holds text only"));
            }
            edits.push(replace(*value, checksum(&value.text().unwrap_or_default())));
        }
        if sums.is_empty() {
            edits.push(insert(annotations, OWN, checksum("")));
        }
    }
    Ok(())
}

/// A node as the mapping that it must be; none where it is null.
fn mapping<'a>(node: Node<'a>, what: &str) -> Result<Option<Node<'a>>> {
    check_edited(node, what)?;
    match node.kind() {
        Kind::Map => Ok(Some(node)),
        _ if node.is_null() => Ok(None),
        _ => Err(Error::input(format!("{what} is no mapping")).at(node.span()).hint("write `key: value` below it")),
    }
}

/// The pod template that a pod spec stands in: the mapping under `template` that has it as its `spec`.
fn template_of<'a>(object: &Object<'a>, pod_spec: Node<'a>) -> Option<Node<'a>> {
    let way: Vec<Node<'a>> = object.node.way_to(pod_spec).collect();
    let [.., above, template] = way.as_slice() else { return None };
    let is_child = |map: Node<'a>, key: &str, child: Node<'a>| {
        map.entries().any(|(own, value)| own.is(key) && value.index() == child.index())
    };
    (is_child(*above, "template", *template) && is_child(*template, "spec", pod_spec)).then_some(*template)
}

/// The names of the ConfigMaps that a pod uses, each once: by volume, projected volume, `envFrom`, `env`.
fn used_maps(node: Node<'_>) -> BTreeSet<String> {
    let references = |key: Node<'_>| ["configMap", "configMapRef", "configMapKeyRef"].iter().any(|own| key.is(own));
    let used = node.descendants().flat_map(|node| node.entries()).filter(|(key, _)| references(*key));
    let names = used.flat_map(|(_, value)| resolved(value).entries()).filter(|(key, _)| key.is("name"));
    names.filter_map(|(_, name)| Some(resolved(name).text()?.into_owned())).collect()
}

/// What an alias stands for: the last node before it that has the anchor. Other nodes stand for themselves.
fn resolved(node: Node<'_>) -> Node<'_> {
    if node.kind() != Kind::Alias {
        return node;
    }
    let before = node.document().root().descendants().take_while(|other| other.index() < node.index());
    before.filter(|other| other.anchor() == Some(&node.raw()[1..])).last().unwrap_or(node)
}
