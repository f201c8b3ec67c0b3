//! What an edit changed in a document, told in the words of its objects: which entry of which container.
//!
//! Read off the document before and after, so that it tells what was done, not what was meant. Names only: no
//! value is in it.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use jobplate_yaml::{DecodedScalar, Document, Documents, Node, NodeArena, NodeKind};

use super::container;
use super::embedded::{can_hold_document, is_config_map};
use super::env::ENV_FROM_SOURCES;
use super::object::{Object, objects};
use super::workload::pod_specs;

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The object that it is in.
    pub object: ObjectName,
    /// The ConfigMap, and the key of its text, that the object is in.
    pub text: Option<(ObjectName, String)>,
    /// The container: its name, or its place (`containers[0]`) where it has none. None for what is not in one.
    pub container: Option<String>,
    /// What it is.
    pub item: ChangedItem,
    /// What became of it.
    pub action: Action,
    /// Where it stands in the document before; what is new is told of where it belongs.
    pub at: usize,
}

/// An object by its names before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// `kind`, or what an object without one is called.
    pub kind: String,
    /// `metadata.name`, or `generateName`; none where it has neither.
    pub name: Option<String>,
    /// `metadata.namespace`
    pub namespace: Option<String>,
}

/// What can differ.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ChangedItem {
    /// An entry of `env`, by its name.
    Variable(String),
    /// An entry of `envFrom`: `secret/NAME`, `configmap/NAME`.
    Source(String),
    /// A field of the object: `metadata.name`, `template.metadata.annotations[KEY]`.
    Field(String),
}

/// What became of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It was not there.
    Added,
    /// It was something else.
    Replaced,
    /// It is no longer there.
    Removed,
}

impl Action {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Added => "added",
            Action::Replaced => "replaced",
            Action::Removed => "removed",
        }
    }
}

/// What an object that is a template, and more than its pod can change of it, is called; none for others.
pub type TemplateKind<'k> = &'k dyn Fn(&Object<'_>) -> Option<String>;

/// What differs between a document and what became of it.
pub fn differences(before: &str, after: &str, template_kind: TemplateKind<'_>) -> Vec<Difference> {
    let mut found = Vec::new();
    compare_documents(before, after, template_kind, &mut |difference| found.push(difference));
    found
}

fn compare_documents(before: &str, after: &str, template_kind: TemplateKind<'_>, tell: &mut dyn FnMut(Difference)) {
    let (mut arena, mut other) = (NodeArena::default(), NodeArena::default());
    // What was edited could be read, before and after.
    if jobplate_yaml::read(before, &mut arena).is_err() || jobplate_yaml::read(after, &mut other).is_err() {
        return;
    }
    let (before, after) = (Document::new(before, &arena), Document::new(after, &other));
    // An edit makes no object, and removes none.
    let pairs = objects(before).unwrap_or_default().into_iter().zip(objects(after).unwrap_or_default());
    pairs.for_each(|(before, after)| Comparison { object: &before, template_kind, tell }.compare(&before, &after));
}

struct Comparison<'c, 'a> {
    object: &'c Object<'a>,
    template_kind: TemplateKind<'c>,
    tell: &'c mut dyn FnMut(Difference),
}

impl Comparison<'_, '_> {
    fn compare(&mut self, before: &Object<'_>, after: &Object<'_>) {
        for field in ["name", "generateName", "namespace"] {
            let at = before.metadata.unwrap_or(before.node);
            let own = before.metadata.and_then(|metadata| metadata.get_first(field));
            let other = after.metadata.and_then(|metadata| metadata.get_first(field));
            self.value(&format!("metadata.{field}"), at, own, other);
        }
        if is_config_map(before) {
            self.texts(before, after);
            return;
        }
        let pod_specs = |object| pod_specs(object).unwrap_or_default();
        if (self.template_kind)(before).is_some() {
            let pods: Vec<u32> = pod_specs(before).iter().map(|pod| pod.index()).collect();
            self.fields(String::new(), before.node, after.node, &pods);
        }
        for (own, other) in pod_specs(before).into_iter().zip(pod_specs(after)) {
            self.annotations(annotations(before.node, own), annotations(after.node, other), own);
            for list in ["containers", "initContainers"] {
                let pairs = items(own, list).into_iter().zip(items(other, list));
                for (position, (own, other)) in pairs.enumerate() {
                    let name = container::name(own).map(Cow::into_owned);
                    self.container(&name.unwrap_or_else(|| format!("{list}[{position}]")), own, other);
                }
            }
        }
    }

    /// The annotations of a pod template. Of a key that stands twice, the first is compared with the first.
    fn annotations(&mut self, before: Vec<(String, Node<'_>)>, after: Vec<(String, Node<'_>)>, pod_spec: Node<'_>) {
        let mut own: HashMap<&str, VecDeque<Node<'_>>> = HashMap::new();
        before.iter().for_each(|(key, value)| own.entry(key).or_default().push_back(*value));
        for (key, other) in &after {
            let own = own.get_mut(key.as_str()).and_then(VecDeque::pop_front);
            self.value(&format!("template.metadata.annotations[{key}]"), pod_spec, own, Some(*other));
        }
    }

    fn container(&mut self, container: &str, before: Node<'_>, after: Node<'_>) {
        for list in ["env", "envFrom"] {
            let (own, other) = (items_of(before, list), items_of(after, list));
            // Of a name that stands twice, the first is compared with the first.
            let mut left: HashMap<&ChangedItem, VecDeque<Node<'_>>> = HashMap::new();
            other.iter().for_each(|(item, node)| left.entry(item).or_default().push_back(*node));
            for (item, node) in &own {
                let action = match left.get_mut(item).and_then(VecDeque::pop_front) {
                    None => Action::Removed,
                    Some(other) if node.equals(other) => continue,
                    Some(_) => Action::Replaced,
                };
                self.tell(Some(container), item.clone(), action, node.span().start);
            }
            let at = before.get_first(list).unwrap_or(before).span().start;
            for (item, node) in &other {
                if left.get(item).is_some_and(|left| left.iter().any(|left| left.index() == node.index())) {
                    self.tell(Some(container), item.clone(), Action::Added, at);
                }
            }
        }
    }

    fn value(&mut self, field: &str, at: Node<'_>, before: Option<Node<'_>>, after: Option<Node<'_>>) {
        let action = match (before, after) {
            (None, Some(_)) => Action::Added,
            (Some(_), None) => Action::Removed,
            (Some(own), Some(other)) if !own.equals(other) => Action::Replaced,
            _ => return,
        };
        self.tell(None, ChangedItem::Field(field.to_owned()), action, before.unwrap_or(at).span().start);
    }

    /// Everything in a subtree but `metadata` of the object and its pods, which are told in their own words.
    fn fields(&mut self, path: String, before: Node<'_>, after: Node<'_>, pods: &[u32]) {
        if before.kind() != after.kind() || !matches!(before.kind(), NodeKind::Map | NodeKind::Seq) {
            return self.value(&path, before, Some(before), Some(after));
        }
        let within = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        for (key, own) in entries(before) {
            match after.get_first(&key) {
                _ if pods.contains(&own.index()) || path.is_empty() && key == "metadata" => {}
                Some(other) => self.fields(within(&key), own, other, pods),
                None => self.value(&within(&key), own, Some(own), None),
            }
        }
        for (key, other) in entries(after).into_iter().filter(|(key, _)| before.get_first(key).is_none()) {
            self.value(&within(&key), before, None, Some(other));
        }
        let (own, other): (Vec<_>, Vec<_>) = (before.items().collect(), after.items().collect());
        for (at, (own, other)) in own.iter().zip(&other).enumerate() {
            self.fields(format!("{path}[{at}]"), *own, *other, pods);
        }
        for (at, item) in own.iter().enumerate().skip(other.len()) {
            self.value(&format!("{path}[{at}]"), *item, Some(*item), None);
        }
        for (at, item) in other.iter().enumerate().skip(own.len()) {
            self.value(&format!("{path}[{at}]"), before, None, Some(*item));
        }
    }

    /// Texts that are documents of their own.
    fn texts(&mut self, before: &Object<'_>, after: &Object<'_>) {
        let after = after.node.get_first("data").map(entries).unwrap_or_default();
        for (key, own) in before.node.get_first("data").map(entries).unwrap_or_default() {
            let Some((_, other)) = after.iter().find(|(other, _)| *other == key) else { continue };
            if !can_hold_document(own) || own.equals(*other) {
                continue;
            }
            let (inner, text) = (DecodedScalar::new(own), other.text().unwrap_or_default().into_owned());
            for ((offset, document), (_, other)) in stream(inner.text()).into_iter().zip(stream(&text)) {
                compare_documents(document, other, self.template_kind, &mut |difference| {
                    let at = inner.source_offset(offset + difference.at);
                    let text = Some((self.named(), key.clone()));
                    (self.tell)(Difference { text, at, ..difference });
                });
            }
        }
    }

    fn tell(&mut self, container: Option<&str>, item: ChangedItem, action: Action, at: usize) {
        let container = container.map(str::to_owned);
        let object = self.named();
        (self.tell)(Difference { object, text: None, container, item, action, at });
    }

    fn named(&self) -> ObjectName {
        let text = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let kind = (self.template_kind)(self.object).unwrap_or_else(|| self.object.kind.clone().into_owned());
        ObjectName { kind, name: text(self.object.name()), namespace: text(self.object.namespace()) }
    }
}

/// The annotations of the template that a pod spec is in.
fn annotations<'a>(root: Node<'a>, pod_spec: Node<'a>) -> Vec<(String, Node<'a>)> {
    let template = root.path_to(pod_spec).last();
    template
        .and_then(|template| template.get_first("metadata")?.get_first("annotations"))
        .map(entries)
        .unwrap_or_default()
}

/// The documents of a text, with their offsets.
fn stream(text: &str) -> Vec<(usize, &str)> {
    let mut documents = Documents::new(text.as_bytes(), usize::MAX);
    let mut found = Vec::new();
    // It is in memory: there is nothing that could fail to be read.
    while let Ok(Some(chunk)) = documents.next() {
        let start = chunk.offset as usize;
        found.push((start, &text[start..start + chunk.bytes.len()]));
    }
    found
}

fn entries(map: Node<'_>) -> Vec<(String, Node<'_>)> {
    map.entries().map(|(key, value)| (key.text().unwrap_or_default().into_owned(), value)).collect()
}

/// The entries of `env` or `envFrom`, by what they are.
fn items_of<'a>(container: Node<'a>, list: &str) -> Vec<(ChangedItem, Node<'a>)> {
    let text = |map: Node<'_>, key: &str| map.get_first(key).and_then(Node::text).map(Cow::into_owned);
    let item_of = |item: Node<'_>| {
        if list == "env" {
            return text(item, "name").map(ChangedItem::Variable);
        }
        let named = |(key, kind)| Some((str::to_ascii_lowercase(kind), text(item.get_first(key)?, "name")?));
        let (kind, name) = ENV_FROM_SOURCES.into_iter().find_map(named)?;
        let prefix = text(item, "prefix").map(|prefix| prefix + "=").unwrap_or_default();
        Some(ChangedItem::Source(format!("{prefix}{kind}/{name}")))
    };
    items(container, list).into_iter().filter_map(|item| Some((item_of(item)?, item))).collect()
}

/// The items of the list under a key.
fn items<'a>(map: Node<'a>, list: &str) -> Vec<Node<'a>> {
    map.get_first(list).into_iter().flat_map(Node::items).collect()
}

#[cfg(test)]
mod tests {
    use jobplate_diagnostic::LineIndex;

    use super::*;

    fn told(before: &str, after: &str) -> Vec<String> {
        let lines = LineIndex::new(before);
        let told = |difference: Difference| {
            let Difference { object: ObjectName { kind, name, .. }, text, container, item, action, at } = difference;
            let text = text.map(|(map, key)| format!("{}:{key}", map.name.unwrap_or_default()));
            let item = match item {
                ChangedItem::Variable(name) | ChangedItem::Source(name) | ChangedItem::Field(name) => name,
            };
            let place = [name, text, container].map(Option::unwrap_or_default).join(" ");
            format!("{} {kind} {place} {item} {}", lines.line(at), action.as_str())
        };
        differences(before, after, &|_| None).into_iter().map(told).collect()
    }

    #[test]
    fn entries_of_containers() {
        let before = "kind: Job\nmetadata: {name: etl}\nspec:\n  template:\n    spec:\n      containers:\n      - name: flow\n        env:\n        - {name: A, value: x}\n        - {name: B, value: x}\n        - {name: C, value: x}\n      - name: side\n";
        let after = before
            .replace("{name: etl}", "{name: etl2, namespace: x}")
            .replace("{name: A, value: x}", "{ name: A,  value: x }")
            .replace("B, value: x", "B, value: y")
            .replace("        - {name: C, value: x}\n", "        - {name: D, value: x}\n")
            .replace("- name: side\n", "- name: side\n        envFrom: [{secretRef: {name: s}}]\n");
        assert_eq!(
            told(before, &after),
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
    fn what_could_not_be_edited_hides_nothing() {
        // Another container with an anchor, one without a name, entries of one name.
        let before = "kind: Job\nspec:\n  template:\n    spec:\n      initContainers: [{<<: {a: b}}]\n      containers:\n      - env:\n        - {name: U, value: a}\n        - {name: U, value: b}\n      - &side {name: side}\n";
        let after =
            before.replace("value: b}\n", "value: b}\n        - {name: A, value: x}\n        - {name: U, value: c}\n");
        assert_eq!(told(before, &after), ["8 Job   containers[0] A added", "8 Job   containers[0] U added"]);
    }

    #[test]
    fn texts_and_the_annotations_that_follow() {
        let before = "kind: ConfigMap\nmetadata: {name: m}\ndata:\n  j: |\n    # x\n    kind: Job\n    spec: {template: {spec: {containers: [{name: f}]}}}\n";
        let after = before.replace("{name: f}", "{name: f, env: [{name: A, value: x}]}");
        assert_eq!(told(before, &after), ["7 Job  m:j f A added"]);
        let before = "kind: Deployment\nspec:\n  template:\n    metadata:\n      annotations: {checksum/a: b}\n    spec:\n      containers: [{name: f}]\n";
        let after = before.replace("checksum/a: b", "checksum/a: c, checksum/jobplate: d");
        assert_eq!(
            told(before, &after),
            [
                "5 Deployment    template.metadata.annotations[checksum/a] replaced",
                "7 Deployment    template.metadata.annotations[checksum/jobplate] added"
            ]
        );
    }
}
