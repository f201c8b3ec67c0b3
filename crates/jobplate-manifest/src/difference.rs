//! Lists the changes that an edit made to a document: to the entries of containers and to fields.
//!
//! The comparison uses the documents before and after the edit, so it reports the actual changes, not the requested
//! changes. Differences contain only names, never values.

// Over 400 lines: a fifth of the file is tests.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};

use jobplate_yaml::{DecodedScalar, Document, Documents, KeyIndex, Node, NodeArena, NodeKind, PathCursor};

use super::container;
use super::embedded::{can_hold_document, is_config_map};
use super::env::ENV_FROM_SOURCES;
use super::object::{Object, objects};
use super::workload::pod_specs;

/// The kind of a values file in reports.
const VALUES_KIND: &str = "Values";

/// A difference between two versions of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The changed object.
    pub object: ObjectName,
    /// The object whose string contains the object, and the key of a ConfigMap or the path of the string. `None` if the
    /// object is not embedded.
    pub embedded_in: Option<(ObjectName, String)>,
    /// The name of the container, or its index (`containers[0]`) if it has no name. `None` outside of containers.
    pub container: Option<String>,
    /// The changed item.
    pub item: ChangedItem,
    /// The kind of change.
    pub action: Action,
    /// The item's offset in the document before the edit. For a new item, the offset of the node that now contains it.
    pub offset: usize,
}

/// The identity of an object before the edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// `kind`, the result of [`TemplateKind`] for a template, or `Values` for a values file.
    pub kind: String,
    /// `metadata.name`, or `metadata.generateName` if the name is missing.
    pub name: Option<String>,
    /// `metadata.namespace`
    pub namespace: Option<String>,
}

impl ObjectName {
    /// Returns the identity of an object.
    pub fn new(object: &Object<'_>, template_kind: TemplateKind<'_>) -> Self {
        ObjectName {
            kind: match template_kind(object) {
                Some(kind) => kind,
                None if object.kind.is_empty() => VALUES_KIND.to_owned(),
                None => object.kind.clone().into_owned(),
            },
            name: object.name().map(Cow::into_owned),
            namespace: object.namespace().map(Cow::into_owned),
        }
    }
}

/// An item that an edit can change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ChangedItem {
    /// An entry of `env`, with its name.
    Variable(String),
    /// An entry of `envFrom`: `secret/NAME`, `configmap/NAME`.
    Source(String),
    /// A field of the object: `metadata.name`, `template.metadata.annotations[KEY]`.
    Field(String),
}

/// The kind of change to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The item is new.
    Added,
    /// The item has another value.
    Replaced,
    /// The item no longer exists.
    Removed,
}

impl Action {
    /// Returns the action as a word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Added => "added",
            Action::Replaced => "replaced",
            Action::Removed => "removed",
        }
    }
}

/// A function that returns the reported kind of a template: an object in which an edit can change more than the pod
/// spec. It returns `None` for all other objects.
pub type TemplateKind<'k> = &'k dyn Fn(&Object<'_>) -> Option<String>;

/// Calls `report` with each difference between a document and its edited version.
pub fn compare_documents(
    before: &str,
    after: &str,
    template_kind: TemplateKind<'_>,
    report: &mut dyn FnMut(Difference),
) {
    let (mut old_nodes, mut new_nodes) = (NodeArena::default(), NodeArena::default());
    // Both versions of an edited document were parsed before, so neither read fails.
    if jobplate_yaml::read(before, &mut old_nodes).is_err() || jobplate_yaml::read(after, &mut new_nodes).is_err() {
        return;
    }
    let (before, after) = (Document::new(before, &old_nodes), Document::new(after, &new_nodes));
    // An edit neither adds nor removes objects, so both versions list the same objects in the same order.
    let pairs = objects(before).unwrap_or_default().into_iter().zip(objects(after).unwrap_or_default());
    pairs.for_each(|(before, after)| Comparison::new(&before, template_kind, report).compare(&before, &after));
}

/// The comparison of two versions of an object.
struct Comparison<'c> {
    /// The identity of the object before the edit.
    name: ObjectName,
    is_template: bool,
    template_kind: TemplateKind<'c>,
    report: &'c mut dyn FnMut(Difference),
}

impl<'c> Comparison<'c> {
    fn new(object: &Object<'_>, template_kind: TemplateKind<'c>, report: &'c mut dyn FnMut(Difference)) -> Self {
        Comparison {
            is_template: template_kind(object).is_some(),
            name: ObjectName::new(object, template_kind),
            template_kind,
            report,
        }
    }

    /// Compares names, annotations and containers, or the embedded documents of a ConfigMap or of values.
    fn compare(&mut self, before: &Object<'_>, after: &Object<'_>) {
        for field in ["name", "generateName", "namespace"] {
            let at = before.metadata.unwrap_or(before.node);
            let old = before.metadata.and_then(|metadata| metadata.get_first(field));
            let new = after.metadata.and_then(|metadata| metadata.get_first(field));
            self.compare_values(&format!("metadata.{field}"), at, old, new);
        }
        if is_config_map(before) {
            self.compare_embedded(before, after);
            return;
        }
        let valid_pod_specs = |object| pod_specs(object).unwrap_or_default();
        let (old_pods, new_pods) = (valid_pod_specs(before), valid_pod_specs(after));
        if old_pods.is_empty() && !self.is_template {
            // Values of a chart are the only other place of an edit.
            self.compare_strings("", before.node, after.node);
            return;
        }
        if self.is_template {
            let pods: HashSet<u32> = old_pods.iter().map(|pod| pod.index()).collect();
            self.compare_fields(&mut Vec::new(), before.node, after.node, &pods);
        }
        let (mut old_paths, mut new_paths) = (PathCursor::new(before.node), PathCursor::new(after.node));
        // Pod specs that are found by their shape can have the same parent.
        let mut templates = HashSet::new();
        for (old, new) in old_pods.into_iter().zip(new_pods) {
            if let (Some(old_template), Some(new_template)) = (parent(&mut old_paths, old), parent(&mut new_paths, new))
                && templates.insert(old_template.index())
            {
                self.compare_annotations(annotations(old_template), annotations(new_template), old);
            }
            for list in ["containers", "initContainers"] {
                let pairs = list_items(old, list).into_iter().zip(list_items(new, list));
                for (position, (old, new)) in pairs.enumerate() {
                    let name = container::name(old).map(Cow::into_owned);
                    self.compare_container(&name.unwrap_or_else(|| format!("{list}[{position}]")), old, new);
                }
            }
        }
    }

    /// Compares the annotations of a pod template. Duplicate keys are compared in order.
    fn compare_annotations(
        &mut self,
        before: Vec<(Cow<'_, str>, Node<'_>)>,
        after: Vec<(Cow<'_, str>, Node<'_>)>,
        pod_spec: Node<'_>,
    ) {
        let mut old: HashMap<&str, VecDeque<Node<'_>>> = HashMap::new();
        before.iter().for_each(|(key, value)| old.entry(key).or_default().push_back(*value));
        for (key, new) in &after {
            let old = old.get_mut(&**key).and_then(VecDeque::pop_front);
            self.compare_values(&format!("template.metadata.annotations[{key}]"), pod_spec, old, Some(*new));
        }
    }

    /// Compares `env` and `envFrom` of a container.
    fn compare_container(&mut self, container: &str, before: Node<'_>, after: Node<'_>) {
        for list in ["env", "envFrom"] {
            let (old, new) = (env_items(before, list), env_items(after, list));
            // Entries with the same name are compared in order, so each name has a queue of new entries.
            let mut remaining: HashMap<&ChangedItem, VecDeque<Node<'_>>> = HashMap::new();
            new.iter().for_each(|(item, node)| remaining.entry(item).or_default().push_back(*node));
            for (item, node) in &old {
                let action = match remaining.get_mut(item).and_then(VecDeque::pop_front) {
                    None => Action::Removed,
                    Some(new) if node.equals(new) => continue,
                    Some(_) => Action::Replaced,
                };
                self.report_item(Some(container), item.clone(), action, node.span().start);
            }
            let at = before.get_first(list).unwrap_or(before).span().start;
            let added: HashSet<u32> = remaining.values().flatten().map(|node| node.index()).collect();
            for (item, _) in new.iter().filter(|(_, node)| added.contains(&node.index())) {
                self.report_item(Some(container), item.clone(), Action::Added, at);
            }
        }
    }

    /// Reports a field if its value differs. `parent` is the node that contains a new field.
    fn compare_values(&mut self, field: &str, parent: Node<'_>, before: Option<Node<'_>>, after: Option<Node<'_>>) {
        let action = match (before, after) {
            (None, Some(_)) => Action::Added,
            (Some(_), None) => Action::Removed,
            (Some(old), Some(new)) if !old.equals(new) => Action::Replaced,
            _ => return,
        };
        self.report_item(None, ChangedItem::Field(field.to_owned()), action, before.unwrap_or(parent).span().start);
    }

    /// Compares all fields of a template except `metadata` and the pod specs, which are compared separately. `path` is
    /// the path to the two nodes. It is only joined if a field differs.
    fn compare_fields<'n>(
        &mut self,
        path: &mut Vec<Cow<'n, str>>,
        before: Node<'n>,
        after: Node<'n>,
        pods: &HashSet<u32>,
    ) {
        if before.kind() != after.kind() || !matches!(before.kind(), NodeKind::Map | NodeKind::Seq) {
            return self.compare_field(path, before, Some(before), Some(after));
        }
        let (old_keys, new_keys) = (KeyIndex::new(before), KeyIndex::new(after));
        for (key, old) in entries(before) {
            let is_compared_separately = pods.contains(&old.index()) || path.is_empty() && key == "metadata";
            let new = new_keys.get_first(&key);
            path.push(key);
            match new {
                _ if is_compared_separately => {}
                Some(new) => self.compare_fields(path, old, new, pods),
                None => self.compare_field(path, old, Some(old), None),
            }
            path.pop();
        }
        for (key, new) in entries(after).into_iter().filter(|(key, _)| old_keys.get_first(key).is_none()) {
            path.push(key);
            self.compare_field(path, before, None, Some(new));
            path.pop();
        }
        let (mut old, mut new) = (before.items(), after.items());
        for position in 0.. {
            let (old, new) = (old.next(), new.next());
            if old.is_none() && new.is_none() {
                break;
            }
            path.push(Cow::Owned(format!("[{position}]")));
            match (old, new) {
                (Some(old), Some(new)) => self.compare_fields(path, old, new, pods),
                (old, new) => self.compare_field(path, old.unwrap_or(before), old, new),
            }
            path.pop();
        }
    }

    /// Reports the field at `path` if its value differs.
    fn compare_field(
        &mut self,
        path: &[Cow<'_, str>],
        parent: Node<'_>,
        before: Option<Node<'_>>,
        after: Option<Node<'_>>,
    ) {
        let is_equal = before.zip(after).is_some_and(|(before, after)| before.equals(after));
        if !is_equal {
            let mut field = String::new();
            for step in path {
                let separator = if field.is_empty() || step.starts_with('[') { "" } else { "." };
                field.push_str(separator);
                field.push_str(step);
            }
            self.compare_values(&field, parent, before, after);
        }
    }

    /// Compares the embedded documents of a ConfigMap.
    fn compare_embedded(&mut self, before: &Object<'_>, after: &Object<'_>) {
        let Some(after) = after.node.get_first("data").map(KeyIndex::new) else { return };
        for (key, old) in before.node.get_first("data").map(entries).unwrap_or_default() {
            let Some(new) = after.get_first(&key) else { continue };
            self.compare_text(&key, old, new);
        }
    }

    /// Compares the strings in two versions of a value. `path` is the path of the value.
    fn compare_strings(&mut self, path: &str, before: Node<'_>, after: Node<'_>) {
        for ((key, old), (_, new)) in before.entries().zip(after.entries()) {
            let separator = if path.is_empty() { "" } else { "." };
            self.compare_strings(&format!("{path}{separator}{}", key.text().unwrap_or_default()), old, new);
        }
        for (position, (old, new)) in before.items().zip(after.items()).enumerate() {
            self.compare_strings(&format!("{path}[{position}]"), old, new);
        }
        self.compare_text(path, before, after);
    }

    /// Compares the documents in two versions of a string. `key` is the key or path of the string.
    fn compare_text(&mut self, key: &str, old: Node<'_>, new: Node<'_>) {
        if !can_hold_document(old) || old.equals(new) {
            return;
        }
        let (decoded, text) = (DecodedScalar::new(old), new.text().unwrap_or_default().into_owned());
        for ((offset, document), (_, new)) in split_documents(decoded.text()).into_iter().zip(split_documents(&text)) {
            compare_documents(document, new, self.template_kind, &mut |difference| {
                let offset = decoded.source_offset(offset + difference.offset);
                let embedded_in = Some((self.name.clone(), key.to_owned()));
                (self.report)(Difference { embedded_in, offset, ..difference });
            });
        }
    }

    /// Reports a difference in this object.
    fn report_item(&mut self, container: Option<&str>, item: ChangedItem, action: Action, offset: usize) {
        let container = container.map(str::to_owned);
        (self.report)(Difference { object: self.name.clone(), embedded_in: None, container, item, action, offset });
    }
}

/// Returns the mapping that contains a pod spec. `paths` is a cursor of the object.
fn parent<'a>(paths: &mut PathCursor<'a>, pod_spec: Node<'_>) -> Option<Node<'a>> {
    paths.steps_to(pod_spec).last().map(|step| step.parent)
}

/// Returns the annotations of a pod template.
fn annotations(template: Node<'_>) -> Vec<(Cow<'_, str>, Node<'_>)> {
    let annotations = template.get_first("metadata").and_then(|metadata| metadata.get_first("annotations"));
    annotations.map(entries).unwrap_or_default()
}

/// Splits a stream into its documents, with their offsets.
fn split_documents(text: &str) -> Vec<(usize, &str)> {
    let mut documents = Documents::new(text.as_bytes(), usize::MAX);
    let mut parts = Vec::new();
    // Reading a stream from memory cannot fail, so an error is not handled.
    while let Ok(Some(document)) = documents.next() {
        let start = document.offset as usize;
        parts.push((start, &text[start..start + document.bytes.len()]));
    }
    parts
}

/// Returns the entries of a mapping with their keys as strings.
fn entries(map: Node<'_>) -> Vec<(Cow<'_, str>, Node<'_>)> {
    map.entries().map(|(key, value)| (key.text().unwrap_or_default(), value)).collect()
}

/// Returns the entries of `env` or `envFrom`, each with the item that identifies it.
fn env_items<'a>(container: Node<'a>, list: &str) -> Vec<(ChangedItem, Node<'a>)> {
    let text_of = |map: Node<'_>, key: &str| map.get_first(key).and_then(Node::text).map(Cow::into_owned);
    let identify = |item: Node<'_>| {
        if list == "env" {
            return text_of(item, "name").map(ChangedItem::Variable);
        }
        let find_source = |(key, kind)| Some((str::to_ascii_lowercase(kind), text_of(item.get_first(key)?, "name")?));
        let (kind, name) = ENV_FROM_SOURCES.into_iter().find_map(find_source)?;
        let prefix = text_of(item, "prefix").map(|prefix| prefix + "=").unwrap_or_default();
        Some(ChangedItem::Source(format!("{prefix}{kind}/{name}")))
    };
    list_items(container, list).into_iter().filter_map(|item| Some((identify(item)?, item))).collect()
}

/// Returns the items of the list under a key.
fn list_items<'a>(map: Node<'a>, list: &str) -> Vec<Node<'a>> {
    map.get_first(list).into_iter().flat_map(Node::items).collect()
}

#[cfg(test)]
mod tests {
    use jobplate_diagnostic::LineIndex;

    use super::*;

    fn describe(before: &str, after: &str) -> Vec<String> {
        let lines = LineIndex::new(before);
        let describe = |difference: Difference| {
            let Difference { object: ObjectName { kind, name, .. }, embedded_in, container, item, action, offset } =
                difference;
            let embedded_in = embedded_in.map(|(map, key)| format!("{}:{key}", map.name.unwrap_or_default()));
            let item = match item {
                ChangedItem::Variable(name) | ChangedItem::Source(name) | ChangedItem::Field(name) => name,
            };
            let location = [name, embedded_in, container].map(Option::unwrap_or_default).join(" ");
            format!("{} {kind} {location} {item} {}", lines.line(offset), action.as_str())
        };
        let mut differences = Vec::new();
        compare_documents(before, after, &|_| None, &mut |difference| differences.push(describe(difference)));
        differences
    }

    #[test]
    fn reports_entries_of_containers() {
        let before = "kind: Job\nmetadata: {name: etl}\nspec:\n  template:\n    spec:\n      containers:\n      - name: flow\n        env:\n        - {name: A, value: x}\n        - {name: B, value: x}\n        - {name: C, value: x}\n      - name: side\n";
        let after = before
            .replace("{name: etl}", "{name: etl2, namespace: x}")
            .replace("{name: A, value: x}", "{ name: A,  value: x }")
            .replace("B, value: x", "B, value: y")
            .replace("        - {name: C, value: x}\n", "        - {name: D, value: x}\n")
            .replace("- name: side\n", "- name: side\n        envFrom: [{secretRef: {name: s}}]\n");
        assert_eq!(
            describe(before, &after),
            [
                "2 Job etl   metadata.name replaced",
                "2 Job etl   metadata.namespace added",
                "10 Job etl  flow B replaced",
                "11 Job etl  flow C removed",
                "9 Job etl  flow D added",
                "12 Job etl  side secret/s added",
            ]
        );
    }

    #[test]
    fn reports_next_to_nodes_that_cannot_be_edited() {
        // The document has an anchor on another container, a container without a name, and entries with the same name.
        let before = "kind: Job\nspec:\n  template:\n    spec:\n      initContainers: [{<<: {a: b}}]\n      containers:\n      - env:\n        - {name: U, value: a}\n        - {name: U, value: b}\n      - &side {name: side}\n";
        let after =
            before.replace("value: b}\n", "value: b}\n        - {name: A, value: x}\n        - {name: U, value: c}\n");
        assert_eq!(describe(before, &after), ["8 Job   containers[0] A added", "8 Job   containers[0] U added"]);
    }

    #[test]
    fn reports_embedded_documents_and_annotations() {
        let before = "kind: ConfigMap\nmetadata: {name: m}\ndata:\n  j: |\n    # x\n    kind: Job\n    spec: {template: {spec: {containers: [{name: f}]}}}\n";
        let after = before.replace("{name: f}", "{name: f, env: [{name: A, value: x}]}");
        assert_eq!(describe(before, &after), ["7 Job  m:j f A added"]);
        let before = "kind: Deployment\nspec:\n  template:\n    metadata:\n      annotations: {checksum/a: b}\n    spec:\n      containers: [{name: f}]\n";
        let after = before.replace("checksum/a: b", "checksum/a: c, checksum/jobplate: d");
        assert_eq!(
            describe(before, &after),
            [
                "5 Deployment    template.metadata.annotations[checksum/a] replaced",
                "7 Deployment    template.metadata.annotations[checksum/jobplate] added"
            ]
        );
    }
}
