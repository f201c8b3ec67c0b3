//! Objects: mappings with `kind` and `metadata`, alone in a document or as items of a List.

use std::borrow::Cow;

use jobplate_diagnostic::{Error, Result};
use jobplate_yaml::{Document, Documents, Node, NodeArena, NodeKind, StrictMap, read};

/// One object of a document.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    /// Its mapping.
    pub node: Node<'a>,
    /// `kind`; empty where there is none.
    pub kind: Cow<'a, str>,
    /// `apiVersion`; empty where there is none.
    pub api_version: Cow<'a, str>,
    /// `metadata`, if it is there and no null.
    pub metadata: Option<Node<'a>>,
}

impl<'a> Object<'a> {
    /// Reads a mapping; fails where a key that decides what it is stands twice.
    fn read(node: Node<'a>) -> Result<Self> {
        let mut object = Object { node, kind: Cow::Borrowed(""), api_version: Cow::Borrowed(""), metadata: None };
        let mut seen = [false; 3];
        for (key, value) in node.entries() {
            let position = if key.has_text("kind") {
                object.kind = value.text().unwrap_or_default();
                0
            } else if key.has_text("apiVersion") {
                object.api_version = value.text().unwrap_or_default();
                1
            } else if key.has_text("metadata") {
                object.metadata = (value.kind() == NodeKind::Map).then_some(value);
                2
            } else {
                continue;
            };
            if std::mem::replace(&mut seen[position], true) {
                return Err(duplicate_key(key));
            }
            let tagged = value.tag().is_some_and(|tag| tag != "!!str");
            if position < 2 && (tagged || value.kind() == NodeKind::Alias) {
                return Err(Error::refused("a tag or alias makes it unclear what kind of object this is")
                    .at(value.span())
                    .hint("write it out"));
            }
        }
        Ok(object)
    }

    /// The API group: what stands before the `/` of `apiVersion`.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    fn metadata_text(&self, key: &str) -> Option<Cow<'a, str>> {
        let value = self.metadata?.get_first(key)?;
        value.text().filter(|_| !value.is_null())
    }

    /// `metadata.name`, or `metadata.generateName` where there is no name.
    pub fn name(&self) -> Option<Cow<'a, str>> {
        self.metadata_name().or_else(|| self.metadata_text("generateName"))
    }

    /// `metadata.name`
    pub fn metadata_name(&self) -> Option<Cow<'a, str>> {
        self.metadata_text("name")
    }

    /// `metadata.namespace`
    pub fn namespace(&self) -> Option<Cow<'a, str>> {
        self.metadata_text("namespace").filter(|namespace| !namespace.is_empty())
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<Cow<'a, str>> {
        self.metadata_entry("labels", key)
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<Cow<'a, str>> {
        self.metadata_entry("annotations", key)
    }

    fn metadata_entry(&self, map: &str, key: &str) -> Option<Cow<'a, str>> {
        let map = self.metadata?.get_first(map)?;
        let value = map.get_first(key)?;
        value.text()
    }

    /// Refuses labels or annotations that are an alias or merged: what a choice by them would choose is unclear.
    ///
    /// # Errors
    /// Fails at the first of them.
    pub fn check_metadata(&self) -> Result<()> {
        let Some(metadata) = self.node.get_first("metadata") else { return Ok(()) };
        let metadata = StrictMap::from_node(metadata, "`metadata`")?;
        let mut maps = metadata.entries().filter(|(key, _)| key.has_text("labels") || key.has_text("annotations"));
        maps.try_for_each(|(_, map)| StrictMap::from_node(map, "a mapping that objects are chosen by").map(drop))
    }

    /// `NodeKind/name`, as reports and errors name it.
    pub fn display(&self) -> String {
        let kind = if self.kind.is_empty() { "(no kind)" } else { &self.kind };
        match self.name() {
            Some(name) => format!("{kind}/{name}"),
            None => kind.to_owned(),
        }
    }
}

/// Whether Helm makes an object at a moment of a release, not as a part of it.
pub fn is_helm_hook(object: &Object<'_>) -> bool {
    object.annotation("helm.sh/hook").is_some()
}

fn duplicate_key(key: Node<'_>) -> Error {
    Error::refused(format!("the key `{}` stands twice in one mapping", key.text().unwrap_or_default()))
        .at(key.span())
        .hint("remove one of the two, or put the `---` between two documents that is missing")
}

/// Shows the objects of all documents of a text, each with where its document begins. What is no YAML, or no object,
/// is passed over.
///
/// # Errors
/// Returns the first error of `show`.
pub fn for_each_object(text: &str, show: &mut dyn FnMut(usize, &Object<'_>) -> Result<()>) -> Result<()> {
    let mut documents = Documents::new(text.as_bytes(), usize::MAX);
    let mut arena = NodeArena::default();
    while let Ok(Some(chunk)) = documents.next() {
        let offset = chunk.offset as usize;
        let document = &text[offset..offset + chunk.bytes.len()];
        if read(document, &mut arena).is_ok() {
            let objects = objects(Document::new(document, &arena)).unwrap_or_default();
            objects.iter().try_for_each(|object| show(offset, object))?;
        }
    }
    Ok(())
}

/// The objects of a document: its own, or the items of its List.
///
/// # Errors
/// Fails where it is unclear what kind of object one is, or what the items of a List are.
pub fn objects(document: Document<'_>) -> Result<Vec<Object<'_>>> {
    let root = document.root();
    if root.kind() != NodeKind::Map {
        return Ok(Vec::new());
    }
    let object = Object::read(root)?;
    if object.kind.ends_with("List")
        && let Some(items) = root.get("items")?
    {
        StrictMap::from_node(root, "the List")?;
        StrictMap::from_node(items, "`items`")?;
        return items.items().filter(|item| item.kind() == NodeKind::Map).map(Object::read).collect();
    }
    Ok(vec![object])
}

/// Steps from a mapping to the mapping or other value under a key; nothing where it is missing or null.
///
/// # Errors
/// Fails where it is unclear what is under the key.
pub fn get_on_path<'a>(node: Node<'a>, key: &str) -> Result<Option<Node<'a>>> {
    StrictMap::from_node(node, "a mapping on the way to the containers")?.get_non_null(key)
}
