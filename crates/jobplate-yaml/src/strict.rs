//! Checks that a node may be edited: it must mean the same to every YAML reader, and no alias may share it.
//!
//! Only an [`Editable`] creates an [`Edit`], and only the checks in this file create an [`Editable`]. [`Editor`] checks
//! the ancestors of the edited nodes with [`refuse_shared`].
//!
//! [`Editor`]: super::Editor

use std::ops::{Deref, Range};
use std::sync::Arc;

use jobplate_diagnostic::{Error, Result};

use super::edit::{Change, Child, Edit, Value};
use super::key_index::{KeyIndex, duplicate_key};
use super::node_kind::NodeKind;
use super::tree::Node;
use super::unrendered::{template_expression_of_key, unrendered_template_error};

/// A mapping that is edited, or that contains an edited node.
///
/// The mapping is neither an alias nor the target of an alias. It has no merge keys, and all its keys are scalars
/// without properties.
#[derive(Clone, Copy, Debug)]
pub struct StrictMap<'a>(Node<'a>);

impl<'a> Node<'a> {
    /// Returns the value of a key, or `None` if the key is missing.
    ///
    /// # Errors
    ///
    /// Fails if the mapping has the key twice. The error points to the second occurrence.
    pub fn get(self, key: &str) -> Result<Option<Node<'a>>> {
        let mut found = None;
        for (name, value) in self.entries() {
            if name.has_text(key) {
                if found.is_some() {
                    return Err(duplicate_key(name));
                }
                found = Some(value);
            }
        }
        Ok(found)
    }

    /// Refuses duplicate keys in this node and its descendants.
    ///
    /// # Errors
    ///
    /// Fails if a mapping has a key twice. The error points to the second occurrence.
    pub fn refuse_duplicate_keys(self) -> Result<()> {
        let mut maps = self.descendants().filter(|node| node.kind() == NodeKind::Map);
        maps.try_for_each(|map| KeyIndex::new(map).refuse_duplicates())
    }
}

/// Refuses an alias and the target of an alias, because an edit of one would also change the other.
///
/// `label` is the node's name in errors.
///
/// # Errors
///
/// Fails if the node is an alias or the target of an alias.
pub(super) fn refuse_shared(node: Node<'_>, label: &str) -> Result<()> {
    if node.kind() == NodeKind::Alias {
        return Err(Error::refused(format!("{label} is an alias (`{}`)", node.raw()))
            .at(node.span())
            .hint("replace the alias with a copy of the value"));
    }
    match node.anchor() {
        Some(anchor) if node.is_alias_target() => Err(Error::refused(format!(
            "{label} has the anchor `&{anchor}`, which an alias uses: an edit would change both"
        ))
        .at(node.anchor_span().unwrap_or(node.span()))
        .hint("replace the alias with a copy of the value")),
        _ => Ok(()),
    }
}

impl<'a> StrictMap<'a> {
    /// Checks a mapping. `label` is its name in errors. Other nodes are checked like a mapping without keys.
    ///
    /// # Errors
    ///
    /// Fails if the node is an alias or the target of an alias, or if it has a merge key or a key that is not a scalar
    /// or has an anchor or tag.
    pub fn from_node(node: Node<'a>, label: &str) -> Result<Self> {
        refuse_shared(node, label)?;
        for (key, _) in node.entries() {
            if key.is_merge_key() {
                let why = "has a merge key (`<<`), whose precedence differs between YAML parsers";
                return Err(Error::refused(format!("{label} {why}"))
                    .at(key.span())
                    .hint("replace the merge key with the merged keys"));
            }
            if let Some(at) = template_expression_of_key(key) {
                return Err(unrendered_template_error(at));
            }
            if !key.is_scalar() || key.tag().is_some() || key.anchor().is_some() {
                return Err(Error::refused(format!(
                    "{label} has a key that is a collection or an alias, or has an anchor or a tag"
                ))
                .at(key.span())
                .hint("replace it with a plain key"));
            }
        }
        Ok(StrictMap(node))
    }

    /// Returns the checked node.
    pub fn node(self) -> Node<'a> {
        self.0
    }

    /// Returns the value of a key, or `None` if the key is missing.
    ///
    /// # Errors
    ///
    /// Fails if the mapping has the key twice. The error points to the second occurrence.
    pub fn get(self, key: &str) -> Result<Option<Node<'a>>> {
        self.0.get(key)
    }

    /// Returns the value of a key, or `None` if the key is missing or its value is null.
    ///
    /// # Errors
    ///
    /// Fails if the mapping has the key twice. The error points to the second occurrence.
    pub fn get_non_null(self, key: &str) -> Result<Option<Node<'a>>> {
        Ok(self.0.get(key)?.filter(|value| !value.is_null()))
    }

    /// Returns the keys and values, in order.
    pub fn entries(self) -> impl Iterator<Item = (Node<'a>, Node<'a>)> + use<'a> {
        self.0.entries()
    }

    /// Converts the mapping to an [`Editable`].
    pub fn into_editable(self) -> Editable<'a> {
        Editable(self.0)
    }
}

/// Finds the first node in the subtree of `root` that is an alias or has an anchor, tag or merge key.
///
/// Returns the node and a description of the construct, such as "an alias", or `None` if the subtree has no such node.
pub fn find_indirection<'a>(root: Node<'a>) -> Option<(Node<'a>, &'static str)> {
    let describe = |node: Node<'a>| match node {
        _ if node.anchor().is_some() => Some("an anchor"),
        _ if node.tag().is_some() => Some("a tag"),
        _ if node.kind() == NodeKind::Alias => Some("an alias"),
        _ if node.entries().any(|(key, _)| key.is_merge_key()) => Some("a merge key (`<<`)"),
        _ => None,
    };
    root.descendants().find_map(|node| Some((node, describe(node)?)))
}

/// A node that may be edited. Only its methods create an [`Edit`].
#[derive(Clone, Copy, Debug)]
pub struct Editable<'a>(Node<'a>);

impl<'a> Deref for Editable<'a> {
    type Target = Node<'a>;

    fn deref(&self) -> &Node<'a> {
        &self.0
    }
}

impl<'a> Editable<'a> {
    /// Checks a node before it is edited. `label` is its name in errors.
    ///
    /// # Errors
    ///
    /// Fails like [`StrictMap::from_node`], and if the node has an anchor, even if no alias uses it.
    pub fn from_node(node: Node<'a>, label: &str) -> Result<Self> {
        let strict = StrictMap::from_node(node, label)?;
        match (node.anchor(), node.anchor_span()) {
            (Some(anchor), Some(span)) => {
                Err(Error::refused(format!("{label} has the anchor `&{anchor}`: its aliases would change too"))
                    .at(span)
                    .hint("remove the anchor, and replace its aliases with copies of the value"))
            }
            _ => Ok(strict.into_editable()),
        }
    }

    /// Checks a node before it is replaced together with its descendants. `label` is its name in errors.
    ///
    /// # Errors
    ///
    /// Fails like [`Editable::from_node`], and if the node contains a duplicate key, an anchor or an alias.
    pub fn for_replacement(node: Node<'a>, label: &str) -> Result<Self> {
        let editable = Editable::from_node(node, label)?;
        node.refuse_duplicate_keys()?;
        match node.descendants().skip(1).find(|node| node.anchor().is_some() || node.kind() == NodeKind::Alias) {
            None => Ok(editable),
            Some(node) => Err(Error::refused(format!("{label} contains an anchor or alias"))
                .at(node.anchor_span().unwrap_or(node.span()))
                .hint("replace the anchors and aliases with copies of the values")),
        }
    }

    /// Replaces a scalar, a null or an empty collection. The scalar may be a key.
    pub fn replace(self, value: Value) -> Edit {
        self.edit(Change::Replace(value))
    }

    /// Removes and inserts children of a collection.
    ///
    /// Indices are 0-based and refer to the items or key-value pairs before the edit. In a mapping, an entry that is
    /// inserted at the index of a removed entry replaces the removed entry. Children that are inserted at the same index
    /// keep their order.
    pub fn change_children(self, mut remove: Vec<usize>, mut insert: Vec<(usize, Child)>) -> Edit {
        remove.sort_unstable();
        remove.dedup();
        insert.sort_by_key(|(index, _)| *index);
        self.edit(Change::Children { remove, insert })
    }

    /// Inserts children at the end of a collection.
    pub fn append(self, children: impl IntoIterator<Item = Child>) -> Edit {
        let end = self.0.entries().count() + self.0.items().count();
        self.change_children(Vec::new(), children.into_iter().map(|child| (end, child)).collect())
    }

    /// Changes the content of a quoted or block scalar and keeps its style.
    ///
    /// `splices` are ranges of the decoded content with their replacements, in ascending order. `text` is the decoded
    /// content after the change.
    pub fn change_text(self, splices: Arc<[(Range<usize>, Arc<str>)]>, text: Arc<str>) -> Edit {
        self.edit(Change::Text { splices, text })
    }

    fn edit(self, change: Change) -> Edit {
        Edit { node: self.0.index(), change }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fallback::read;
    use super::super::tree::{Document, NodeArena};
    use super::*;

    /// Applies `check` to the value of the first key. Returns the span and the start of the message of its error, if it
    /// fails.
    fn check(text: &str, check: impl Fn(Node<'_>) -> Result<()>) -> Option<(Range<usize>, String)> {
        let mut arena = NodeArena::default();
        read(text, &mut arena).unwrap();
        let (_, value) = Document::new(text, &arena).root().entries().next().unwrap();
        let error = check(value).err()?;
        Some((error.span().unwrap(), error.message().split(':').next().unwrap_or_default().to_owned()))
    }

    #[test]
    fn every_check_refuses_shared_nodes_merge_keys_and_keys_with_properties() {
        for (text, span, message) in [
            ("a: &x {}\nb: *x\n", 3..5, "it has the anchor `&x`, which an alias uses"),
            ("a: {<<: b}\n", 4..6, "it has a merge key (`<<`), whose precedence differs between YAML parsers"),
            (
                "a:\n  ? !t b\n  : c\n",
                10..11,
                "it has a key that is a collection or an alias, or has an anchor or a tag",
            ),
        ] {
            let refused = Some((span, message.to_owned()));
            assert_eq!(check(text, |node| StrictMap::from_node(node, "it").map(drop)), refused, "{text}");
            assert_eq!(check(text, |node| Editable::from_node(node, "it").map(drop)), refused, "{text}");
            assert_eq!(check(text, |node| Editable::for_replacement(node, "it").map(drop)), refused, "{text}");
        }
    }

    #[test]
    fn changed_children_are_sorted_by_index() {
        let text = "- a\n- b\n- c\n";
        let mut arena = NodeArena::default();
        read(text, &mut arena).unwrap();
        let change = |remove: &[usize], insert: &[(usize, &str)]| {
            let insert = insert.iter().map(|(index, name)| (*index, Child::Item(Value::name(name)))).collect();
            let node = Document::new(text, &arena).root();
            Editable::from_node(node, "it").unwrap().change_children(remove.to_vec(), insert)
        };
        let sorted = change(&[0, 2], &[(0, "z"), (1, "x"), (1, "y")]);
        assert_eq!(change(&[2, 0, 2], &[(1, "x"), (0, "z"), (1, "y")]), sorted);
    }

    #[test]
    fn an_unused_anchor_is_refused_only_on_the_edited_node() {
        let text = "a: &x {}\n";
        assert_eq!(check(text, |node| StrictMap::from_node(node, "it").map(drop)), None);
        assert_eq!(
            check(text, |node| Editable::from_node(node, "it").map(drop)),
            Some((3..5, "it has the anchor `&x`".to_owned()))
        );
    }

    #[test]
    fn a_replaced_node_contains_no_anchors_aliases_or_duplicate_keys() {
        for (text, span, message) in [
            ("a: {b: &x c}\n", 7..9, "it contains an anchor or alias"),
            ("a: {b: {c: d, c: e}}\n", 14..15, "duplicate key `c` in a mapping"),
        ] {
            assert_eq!(check(text, |node| Editable::from_node(node, "it").map(drop)), None, "{text}");
            let refused = Some((span, message.to_owned()));
            assert_eq!(check(text, |node| Editable::for_replacement(node, "it").map(drop)), refused, "{text}");
        }
    }
}
