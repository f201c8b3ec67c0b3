//! What an edit changed in a document, told in the words of its objects: which entry of which container.
//!
//! Read off the document before and after, so that it tells what was done, not what was meant. Names only: no
//! value is in it.

use std::borrow::Cow;

use super::container;
use super::embedded::{is_config_map, is_text};
use super::object::{Object, objects};
use super::select::ContainerChoice;
use super::workload::pod_specs;
use crate::yaml::{self, Document, Documents, Inner, Kind, Node, Tape};

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `kind` of the object.
    pub kind: String,
    /// Its name before; none where it has none.
    pub name: Option<String>,
    /// The key of the ConfigMap's text that the object is in.
    pub text: Option<String>,
    /// The name of the container; none for what is not in one.
    pub container: Option<String>,
    /// What it is.
    pub item: Item,
    /// What became of it.
    pub action: Action,
    /// Where it stands in the document before; what is new is told of where it belongs.
    pub at: usize,
}

/// What can differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An entry of `env`, by its name.
    Variable(String),
    /// An entry of `envFrom`: `secret/NAME`, `configmap/NAME`.
    Source(String),
    /// A field of the object, such as `metadata.name`.
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

/// What differs between a document and what became of it.
pub fn differences(before: &str, after: &str) -> Vec<Difference> {
    let mut found = Vec::new();
    compare_documents(before, after, &mut |difference| found.push(difference));
    found
}

fn compare_documents(before: &str, after: &str, tell: &mut dyn FnMut(Difference)) {
    let (mut tape, mut other) = (Tape::default(), Tape::default());
    // What was edited could be read, before and after.
    if yaml::read(before, &mut tape).is_err() || yaml::read(after, &mut other).is_err() {
        return;
    }
    let (before, after) = (Document::new(before, &tape), Document::new(after, &other));
    // An edit makes no object, and removes none.
    let pairs = objects(before).unwrap_or_default().into_iter().zip(objects(after).unwrap_or_default());
    pairs.for_each(|(before, after)| Comparison { object: &before, tell }.compare(&before, &after));
}

struct Comparison<'c, 'a> {
    object: &'c Object<'a>,
    tell: &'c mut dyn FnMut(Difference),
}

impl Comparison<'_, '_> {
    fn compare(&mut self, before: &Object<'_>, after: &Object<'_>) {
        for field in ["name", "generateName", "namespace"] {
            let at = before.metadata.unwrap_or(before.node);
            let own = before.metadata.and_then(|metadata| entry(metadata, field));
            let other = after.metadata.and_then(|metadata| entry(metadata, field));
            self.value(&format!("metadata.{field}"), at, own, other);
        }
        if is_config_map(before) {
            self.texts(before, after);
            return;
        }
        let pods = pod_specs(before).unwrap_or_default().into_iter().zip(pod_specs(after).unwrap_or_default());
        for (own, other) in pods {
            self.annotations(annotations(before.node, own), annotations(after.node, other), own);
            let all = |pod_spec| container::select(pod_spec, &ContainerChoice::All, true).unwrap_or_default();
            for (own, other) in all(own).into_iter().zip(all(other)) {
                self.container(own, other);
            }
        }
    }

    /// The annotations of a pod template.
    fn annotations(&mut self, before: Vec<(String, Node<'_>)>, after: Vec<(String, Node<'_>)>, pod_spec: Node<'_>) {
        for (key, other) in after {
            let own = before.iter().find(|(own, _)| *own == key).map(|(_, own)| *own);
            self.value(&format!("annotation {key}"), pod_spec, own, Some(other));
        }
    }

    fn container(&mut self, before: Node<'_>, after: Node<'_>) {
        let container = container::name(before).map(Cow::into_owned);
        for list in ["env", "envFrom"] {
            let read = |container: Node<'_>| -> Vec<(Item, u32)> {
                let items = entry(container, list).into_iter().flat_map(Node::items);
                items.filter_map(|item| Some((item_of(list, item)?, item.index()))).collect()
            };
            let (own, other) = (read(before), read(after));
            for (item, index) in &own {
                let node = before.document().node(*index);
                let at = node.span().start;
                match other.iter().find(|(other, _)| other == item) {
                    None => self.tell(container.clone(), item.clone(), Action::Removed, at),
                    Some((_, index)) if same(node, after.document().node(*index)) => {}
                    Some(_) => self.tell(container.clone(), item.clone(), Action::Replaced, at),
                }
            }
            for (item, _) in other.iter().filter(|(item, _)| own.iter().all(|(own, _)| own != item)) {
                let at = entry(before, list).unwrap_or(before).span().start;
                self.tell(container.clone(), item.clone(), Action::Added, at);
            }
        }
    }

    fn value(&mut self, field: &str, at: Node<'_>, before: Option<Node<'_>>, after: Option<Node<'_>>) {
        let action = match (before, after) {
            (None, Some(_)) => Action::Added,
            (Some(_), None) => Action::Removed,
            (Some(own), Some(other)) if !same(own, other) => Action::Replaced,
            _ => return,
        };
        self.tell(None, Item::Field(field.to_owned()), action, before.unwrap_or(at).span().start);
    }

    /// Texts that are documents of their own.
    fn texts(&mut self, before: &Object<'_>, after: &Object<'_>) {
        let after = entry(after.node, "data").map(entries).unwrap_or_default();
        for (key, own) in entry(before.node, "data").map(entries).unwrap_or_default() {
            let Some((_, other)) = after.iter().find(|(other, _)| *other == key) else { continue };
            if !is_text(own) || same(own, *other) {
                continue;
            }
            let (inner, text) = (Inner::new(own), other.text().unwrap_or_default().into_owned());
            let (mut documents, mut changed) = (stream(inner.text()), stream(&text).into_iter());
            for (offset, document) in documents.drain(..) {
                let Some((_, other)) = changed.next() else { break };
                compare_documents(document, other, &mut |difference| {
                    let at = inner.outside(offset + difference.at);
                    (self.tell)(Difference { text: Some(key.clone()), at, ..difference });
                });
            }
        }
    }

    fn tell(&mut self, container: Option<String>, item: Item, action: Action, at: usize) {
        let name = self.object.name().map(Cow::into_owned);
        let kind = self.object.kind.clone().into_owned();
        (self.tell)(Difference { kind, name, text: None, container, item, action, at });
    }
}

/// The annotations of the template that a pod spec is in.
fn annotations<'a>(root: Node<'a>, pod_spec: Node<'a>) -> Vec<(String, Node<'a>)> {
    let template = root.way_to(pod_spec).last();
    template.and_then(|template| entry(entry(template, "metadata")?, "annotations")).map(entries).unwrap_or_default()
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

fn entry<'a>(map: Node<'a>, name: &str) -> Option<Node<'a>> {
    map.entries().find(|(key, _)| key.is(name)).map(|(_, value)| value)
}

fn entries(map: Node<'_>) -> Vec<(String, Node<'_>)> {
    map.entries().map(|(key, value)| (key.text().unwrap_or_default().into_owned(), value)).collect()
}

fn item_of(list: &str, item: Node<'_>) -> Option<Item> {
    let text = |map: Node<'_>, key: &str| entry(map, key).and_then(Node::text).map(Cow::into_owned);
    if list == "env" {
        return text(item, "name").map(Item::Variable);
    }
    let sources = [("secretRef", "secret"), ("configMapRef", "configmap")];
    let (kind, name) = sources.iter().find_map(|(key, kind)| Some((kind, text(entry(item, key)?, "name")?)))?;
    let prefix = text(item, "prefix").map(|prefix| prefix + "=").unwrap_or_default();
    Some(Item::Source(format!("{prefix}{kind}/{name}")))
}

/// Whether two nodes are the same value, written in whatever way.
fn same(one: Node<'_>, other: Node<'_>) -> bool {
    match (one.kind(), other.kind()) {
        (Kind::Map, Kind::Map) => {
            let (own, others) = (entries(one), entries(other));
            own.len() == others.len()
                && own.iter().zip(&others).all(|((key, own), (name, other))| key == name && same(*own, *other))
        }
        (Kind::Seq, Kind::Seq) => {
            let (own, others): (Vec<_>, Vec<_>) = (one.items().collect(), other.items().collect());
            own.len() == others.len() && own.iter().zip(&others).all(|(own, other)| same(*own, *other))
        }
        _ => {
            one.is_scalar()
                && other.is_scalar()
                && one.text() == other.text()
                && one.scalar_kind() == other.scalar_kind()
                || one.raw() == other.raw()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &str, after: &str) -> Vec<String> {
        let line = |at: usize| before[..at].matches('\n').count() + 1;
        let told = |difference: Difference| {
            let Difference { kind, name, text, container, item, action, at } = difference;
            let item = match item {
                Item::Variable(name) | Item::Source(name) | Item::Field(name) => name,
            };
            let place = [name, text, container].map(Option::unwrap_or_default).join(" ");
            format!("{} {kind} {place} {item} {}", line(at), action.as_str())
        };
        differences(before, after).into_iter().map(told).collect()
    }

    #[test]
    fn entries_of_containers() {
        let before = "kind: Job\nmetadata: {name: etl}\nspec:\n  template:\n    spec:\n      containers:\n      - name: flow\n        env:\n        - {name: A, value: x}\n        - {name: B, value: x}\n        - {name: C, value: x}\n      - name: side\n";
        let after = before
            .replace("{name: etl}", "{name: etl2, namespace: x}")
            .replace("{name: A, value: x}", "{name: \"A\", value: 'x'}")
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
    fn texts_and_the_annotations_that_follow() {
        let before = "kind: ConfigMap\nmetadata: {name: m}\ndata:\n  j: |\n    # x\n    kind: Job\n    spec: {template: {spec: {containers: [{name: f}]}}}\n";
        let after = before.replace("{name: f}", "{name: f, env: [{name: A, value: x}]}");
        assert_eq!(told(before, &after), ["7 Job  j f A added"]);
        let before = "kind: Deployment\nspec:\n  template:\n    metadata:\n      annotations: {checksum/a: b}\n    spec:\n      containers: [{name: f}]\n";
        let after = before.replace("checksum/a: b", "checksum/a: c, checksum/jobplate: d");
        assert_eq!(
            told(before, &after),
            ["5 Deployment    annotation checksum/a replaced", "7 Deployment    annotation checksum/jobplate added"]
        );
    }
}
