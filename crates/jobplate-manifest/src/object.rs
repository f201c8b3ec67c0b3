//! The objects of a document: its root, or the items of its List.

use std::borrow::Cow;
use std::collections::HashSet;

use jobplate_diagnostic::{Error, Result};
use jobplate_yaml::{Document, Documents, Node, NodeArena, NodeKind, StrictMap, read};

/// An object of a document.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    /// The mapping of the object.
    pub node: Node<'a>,
    /// `kind`, or `""` if it is missing.
    pub kind: Cow<'a, str>,
    /// `apiVersion`, or `""` if it is missing.
    pub api_version: Cow<'a, str>,
    /// `metadata`, if it is a mapping.
    pub metadata: Option<Node<'a>>,
    /// Whether the object inherits a missing `kind` or `apiVersion` from a typed List, such as `JobList`.
    pub inherits_from_list: bool,
}

impl<'a> Object<'a> {
    /// Reads an object from a mapping. Fails if `kind`, `apiVersion` or `metadata` is duplicate, if the value of `kind`
    /// or `apiVersion` is an alias or has a tag other than `!!str`, or if a merge key or an alias may set `kind`.
    fn from_node(node: Node<'a>, merges: &mut MergeSources) -> Result<Self> {
        let mut object = Object {
            node,
            kind: Cow::Borrowed(""),
            api_version: Cow::Borrowed(""),
            metadata: None,
            inherits_from_list: false,
        };
        let mut seen = [false; 3];
        for (key, value) in node.entries() {
            let is_null = |text: &str| matches!(text, "~" | "null" | "Null" | "NULL") && value.is_null();
            let text = || value.text().filter(|text| !is_null(text)).unwrap_or_default();
            let position = if key.has_text("kind") {
                object.kind = text();
                0
            } else if key.has_text("apiVersion") {
                object.api_version = text();
                1
            } else if key.has_text("metadata") {
                object.metadata = (value.kind() == NodeKind::Map).then_some(value);
                2
            } else {
                continue;
            };
            if std::mem::replace(&mut seen[position], true) {
                return Err(duplicate_key(node, key));
            }
            let is_tagged = value.tag().is_some_and(|tag| tag != "!!str");
            if position < 2 && (is_tagged || value.kind() == NodeKind::Alias) {
                return Err(Error::refused("a tag or alias hides the kind of this object")
                    .at(value.span())
                    .hint("write it out"));
            }
        }
        if !seen[0]
            && let Some(key) = merges.find_hidden_kind(node)
        {
            return Err(Error::refused(
                "cannot determine the `kind` of this object: a merge key, an alias or a tag can set it",
            )
            .at(key.span())
            .hint("write `kind` in the object itself"));
        }
        Ok(object)
    }

    /// Adds the kind and version that an item of a typed List inherits, such as `Job` in a `JobList`. Source:
    /// `decodeToList` in `apimachinery:pkg/apis/meta/v1/unstructured/helpers.go`.
    fn inherit_from_list(&mut self, list: &Object<'a>) {
        let item_kind = match &list.kind {
            Cow::Borrowed(kind) => kind.strip_suffix("List").map(Cow::Borrowed),
            Cow::Owned(kind) => kind.strip_suffix("List").map(|kind| Cow::Owned(kind.to_owned())),
        };
        let Some(item_kind) = item_kind.filter(|kind| !kind.is_empty()) else { return };
        if self.kind.is_empty() || self.kind == item_kind && self.api_version.is_empty() {
            self.inherits_from_list = true;
            self.kind = item_kind;
            self.api_version = list.api_version.clone();
        }
    }

    /// Returns the API group: the part of `apiVersion` before the `/`, or `""` for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Returns the string under `key` in `metadata`, or `None` if it is missing or null.
    fn metadata_text(&self, key: &str) -> Option<Cow<'a, str>> {
        let value = self.metadata?.get_first(key)?;
        value.text().filter(|_| !value.is_null())
    }

    /// Returns `metadata.name`, or `metadata.generateName` if the name is missing or null. Returns `None` if both are.
    pub fn name(&self) -> Option<Cow<'a, str>> {
        self.metadata_name().or_else(|| self.metadata_text("generateName"))
    }

    /// Returns `metadata.name`, or `None` if it is missing or null.
    pub fn metadata_name(&self) -> Option<Cow<'a, str>> {
        self.metadata_text("name")
    }

    /// Returns `metadata.namespace`, or `None` if it is missing, null or empty.
    pub fn namespace(&self) -> Option<Cow<'a, str>> {
        self.metadata_text("namespace").filter(|namespace| !namespace.is_empty())
    }

    /// Returns the value of the label `key`, or `None` if the object does not have this label.
    pub fn label(&self, key: &str) -> Option<Cow<'a, str>> {
        self.metadata_entry("labels", key)
    }

    /// Returns the value of the annotation `key`, or `None` if the object does not have this annotation.
    pub fn annotation(&self, key: &str) -> Option<Cow<'a, str>> {
        self.metadata_entry("annotations", key)
    }

    /// Returns the string under `key` in the mapping `map` of `metadata`, such as `labels`. Returns `None` if it is
    /// missing.
    fn metadata_entry(&self, map: &str, key: &str) -> Option<Cow<'a, str>> {
        let map = self.metadata?.get_first(map)?;
        let value = map.get_first(key)?;
        value.text()
    }

    /// Refuses labels and annotations with aliases or merge keys, because readers may disagree about the objects that a
    /// selector matches.
    ///
    /// # Errors
    /// Fails if `metadata`, `labels` or `annotations` is an alias or has a merge key. The error points to the alias or
    /// merge key.
    pub fn check_metadata(&self) -> Result<()> {
        let Some(metadata) = self.node.get_first("metadata") else { return Ok(()) };
        let metadata = StrictMap::from_node(metadata, "`metadata`")?;
        let mut maps = metadata.entries().filter(|(key, _)| key.has_text("labels") || key.has_text("annotations"));
        maps.try_for_each(|(_, map)| StrictMap::from_node(map, "a mapping that objects are chosen by").map(drop))
    }

    /// Refuses an object whose name is ambiguous, because readers may disagree about whether a target matches it.
    ///
    /// # Errors
    /// Fails if `metadata` or the name in it is an alias, is duplicate or may come from a merge key, or if the name has
    /// a tag other than `!!str`.
    pub fn check_name(&self) -> Result<()> {
        // A merge key cannot set a key that the mapping has itself.
        let get = |map: Node<'a>, key: &str, label: &str| {
            let value = map.get(key)?;
            let has_tag = |key: Node<'_>| key.tag().is_some_and(|tag| tag != "!!str");
            let is_hidden = |key: Node<'_>| key.is_merge_key() || !key.is_scalar() || has_tag(key);
            if value.is_none() && map.entries().any(|(key, _)| is_hidden(key)) {
                StrictMap::from_node(map, label)?;
            }
            Ok(value)
        };
        let refuse_alias = |node: Node<'_>, label: &str| match node.kind() {
            NodeKind::Alias => StrictMap::from_node(node, label).map(drop),
            _ => Ok(()),
        };
        let Some(metadata) = get(self.node, "metadata", "the object")? else { return Ok(()) };
        refuse_alias(metadata, "`metadata`")?;
        for key in ["name", "generateName"] {
            let Some(name) = get(metadata, key, "`metadata`")? else { continue };
            let label = format!("`metadata.{key}`");
            refuse_alias(name, &label)?;
            if name.tag().is_some_and(|tag| tag != "!!str") {
                return Err(Error::refused(format!("{label} must not have a tag"))
                    .at(name.span())
                    .hint("remove the tag"));
            }
            if !name.is_null() {
                break;
            }
        }
        Ok(())
    }

    /// Returns the name of the object in reports and errors: `Kind/name`, or `Kind` if the object has no name. A
    /// missing kind is written as `(no kind)`.
    pub fn display(&self) -> String {
        let kind = if self.kind.is_empty() { "(no kind)" } else { &self.kind };
        match self.name() {
            Some(name) => format!("{kind}/{name}"),
            None => kind.to_owned(),
        }
    }
}

/// Returns whether an object is a Helm hook. Helm creates a hook at a certain point of a release and does not manage it
/// as part of the release.
pub fn is_helm_hook(object: &Object<'_>) -> bool {
    object.annotation("helm.sh/hook").is_some()
}

/// Returns the error for a duplicate key of an object.
fn duplicate_key(object: Node<'_>, key: Node<'_>) -> Error {
    let name = key.text().unwrap_or_default();
    let previous = object.entries().take_while(|(other, _)| other.index() != key.index()).last();
    let hint = match previous.is_some_and(|(other, _)| other.has_text(&name)) {
        true => "remove one of the two",
        false => "remove one of the two, or add the missing `---` between two documents",
    };
    Error::refused(format!("duplicate key `{name}` in a mapping")).at(key.span()).hint(hint)
}

/// Calls `visit` with the document offset of each object of a stream, and with the object. Skips documents that are not
/// valid YAML or contain no objects.
///
/// # Errors
/// Returns the first error of `visit`.
pub fn for_each_object(text: &str, visit: &mut dyn FnMut(usize, &Object<'_>) -> Result<()>) -> Result<()> {
    let mut documents = Documents::new(text.as_bytes(), usize::MAX);
    let mut arena = NodeArena::default();
    while let Ok(Some(raw)) = documents.next() {
        let offset = raw.offset as usize;
        let document = &text[offset..offset + raw.bytes.len()];
        if read(document, &mut arena).is_ok() {
            let objects = objects(Document::new(document, &arena)).unwrap_or_default();
            objects.iter().try_for_each(|object| visit(offset, object))?;
        }
    }
    Ok(())
}

/// Returns the objects of a document: its root, or the items of its List.
///
/// # Errors
/// Fails if an alias, tag, merge key or duplicate key makes the kind of an object or the items of a List ambiguous.
pub fn objects(document: Document<'_>) -> Result<Vec<Object<'_>>> {
    let root = document.root();
    if root.kind() != NodeKind::Map {
        return Ok(Vec::new());
    }
    let mut merges = MergeSources::default();
    let object = Object::from_node(root, &mut merges)?;
    if !object.kind.ends_with("List") {
        return Ok(vec![object]);
    }
    let Some(items) = root.get("items")? else {
        if root.entries().any(|(key, _)| key.is_merge_key()) {
            StrictMap::from_node(root, "the List")?;
        }
        return Ok(vec![object]);
    };
    StrictMap::from_node(root, "the List")?;
    StrictMap::from_node(items, "`items`")?;
    let mut found = Vec::new();
    for item in items.items() {
        match item.kind() {
            NodeKind::Map => {
                let mut item = Object::from_node(item, &mut merges)?;
                item.inherit_from_list(&object);
                found.push(item);
            }
            NodeKind::Alias => drop(StrictMap::from_node(item, "an item of the List")?),
            _ => {}
        }
    }
    Ok(found)
}

/// The mappings that merge keys refer to, searched for `kind`. Each of them is searched once for the whole document.
#[derive(Default)]
struct MergeSources {
    /// The nodes that were searched and have no `kind`.
    searched: HashSet<u32>,
}

impl MergeSources {
    /// Returns the key of an object without `kind` that may set its kind nevertheless, if any: an alias, a tagged key,
    /// or a merge key that refers to a mapping with `kind`.
    fn find_hidden_kind<'a>(&mut self, object: Node<'a>) -> Option<Node<'a>> {
        object.entries().find_map(|(key, value)| {
            let is_hidden = may_be_kind(key) || key.is_merge_key() && self.has_kind(value);
            is_hidden.then_some(key)
        })
    }

    /// Returns whether the value of a merge key has a `kind`: a mapping, an alias of one, or a list of these.
    fn has_kind(&mut self, value: Node<'_>) -> bool {
        let mut pending = vec![value];
        while let Some(node) = pending.pop() {
            if !self.searched.insert(node.index()) {
                continue;
            }
            match node.kind() {
                NodeKind::Alias => match node.alias_target() {
                    Some(target) => pending.push(target),
                    // It is inside its own anchor, which may be an object.
                    None => return true,
                },
                NodeKind::Seq => pending.extend(node.items()),
                _ => {
                    for (key, value) in node.entries() {
                        if key.has_text("kind") || may_be_kind(key) {
                            return true;
                        }
                        pending.extend(Some(value).filter(|_| key.is_merge_key()));
                    }
                }
            }
        }
        false
    }
}

/// Returns whether a key other than a plain `kind` may mean `kind`.
fn may_be_kind(key: Node<'_>) -> bool {
    match key.kind() {
        NodeKind::Alias => key.alias_target().is_some_and(|target| target.has_text("kind")),
        _ => key.is_scalar() && key.tag().is_some_and(|tag| tag != "!!str"),
    }
}

/// Returns the value of a key on the path to the containers, or `None` if the key is missing or its value is null.
///
/// # Errors
/// Fails if an alias, merge key or duplicate key makes the value ambiguous.
pub fn get_on_path<'a>(node: Node<'a>, key: &str) -> Result<Option<Node<'a>>> {
    StrictMap::from_node(node, "a mapping on the way to the containers")?.get_non_null(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_key_may_set_the_kind() {
        for (item, is_refused) in [
            ("{<<: *job}", true),
            ("{<<: [*map, *job]}", true),
            ("{<<: {<<: *job}}", true),
            ("{*key : Job}", true),
            ("&x {<<: *x}", true),
            ("{<<: *map}", false),
            ("{a: *job}", false),
            ("{<<: *job, kind: Pod}", false),
        ] {
            let text = format!("kind: List\nx: [&job {{kind: Job}}, &map {{a: b}}, &key kind]\nitems: [{item}]\n");
            let mut arena = NodeArena::default();
            read(&text, &mut arena).unwrap();
            assert_eq!(objects(Document::new(&text, &arena)).is_err(), is_refused, "{item}");
        }
    }

    #[test]
    fn refuses_ambiguous_names() {
        for (object, found) in [
            ("{<<: *x, metadata: {generateName: a-}}", None),
            ("{<<: *x, metadata: {name: a}}", None),
            ("{metadata: {<<: *x, name: a}}", None),
            ("{metadata: {name: !!str a, generateName: *g}}", None),
            ("{metadata: {name: ~, generateName: a}}", None),
            ("{spec: {}}", None),
            ("{<<: *x}", Some("the object has a merge key")),
            (
                "{*g : {name: a}}",
                Some("the object has a key that is a collection or an alias, or has an anchor or a tag"),
            ),
            ("{metadata: *x}", Some("`metadata` is an alias")),
            ("{metadata: {<<: *x}}", Some("`metadata` has a merge key")),
            ("{metadata: {name: ~, <<: *x}}", Some("`metadata` has a merge key")),
            (
                "{metadata: {*g : a}}",
                Some("`metadata` has a key that is a collection or an alias, or has an anchor or a tag"),
            ),
            (
                "{metadata: {!!binary bmFtZQ== : a}}",
                Some("`metadata` has a key that is a collection or an alias, or has an anchor or a tag"),
            ),
            ("{metadata: {name: *g}}", Some("`metadata.name` is an alias")),
            ("{metadata: {generateName: *g}}", Some("`metadata.generateName` is an alias")),
            ("{metadata: {name: ~, generateName: *g}}", Some("`metadata.generateName` is an alias")),
            ("{metadata: {name: !!binary ZXRs}}", Some("`metadata.name` must not have a tag")),
            ("{metadata: {generateName: !t a}}", Some("`metadata.generateName` must not have a tag")),
            ("{metadata: {name: a, name: b}}", Some("duplicate key `name`")),
        ] {
            let text =
                format!("kind: List\nx: [&x {{a: b}}, &g name]\nitems: [{object}]\n").replace("[{", "[{kind: Job, ");
            let mut arena = NodeArena::default();
            read(&text, &mut arena).unwrap();
            let error = objects(Document::new(&text, &arena)).unwrap()[0].check_name().err();
            let message = error.as_ref().map(Error::message);
            assert_eq!(message.is_some(), found.is_some(), "{object}: {message:?}");
            assert!(message.unwrap_or_default().starts_with(found.unwrap_or_default()), "{object}: {message:?}");
        }
    }
}
