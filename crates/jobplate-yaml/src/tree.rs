//! The nodes of a document in a flat arena, and handles to traverse them.
//!
//! The arena is in document order: a collection comes before its children, and `next` skips its subtree. The arena
//! contains only byte positions, and the text itself remains in the document. This module depends neither on the parser
//! that found the positions (`scan` or `fallback`) nor on the meaning of the nodes.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::OnceLock;

use super::node_kind::{ESCAPED, FLOW, MULTILINE, NodeKind, PROPERTIES};
use super::scalar::{self, ScalarKind, ScalarSource};
use super::unsupported::Unsupported;

/// Returns a column as a node stores it.
///
/// # Errors
///
/// Fails at `offset` if the column is too large. A document may have millions of nodes, so a node stores few bytes.
pub(super) fn to_column(column: usize, offset: usize) -> Result<u16, Unsupported> {
    u16::try_from(column).map_err(|_| Unsupported { offset, reason: "indentation by more than 65535 columns" })
}

/// The positions and flags of one node.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeData {
    /// The offset of the first byte: a quote, a bracket, the indicator of a block scalar, the first key or the first
    /// dash. Anchor and tag precede it.
    pub start: u32,
    /// The offset after the last byte of content. A block scalar ends before the line break of its last content line
    /// (with `+`, of its last blank line). A block collection ends with its last leaf.
    pub end: u32,
    /// The index of the node after this subtree.
    pub next: u32,
    /// The column of a block collection's keys or dashes, or of a block scalar's content.
    pub column: u16,
    pub kind: NodeKind,
    pub flags: u8,
}

/// The node properties (YAML 1.2, section 6.9) of one node.
#[derive(Clone, Debug)]
pub(super) struct Properties {
    pub node: u32,
    /// The span of the anchor's name, without the `&`.
    pub anchor: Option<Range<u32>>,
    /// The span of the tag, with its `!`.
    pub tag: Option<Range<u32>>,
}

/// The aliases of one document.
#[derive(Clone, Debug, Default)]
pub(super) struct Aliases {
    /// The aliases with their targets, both as arena indices, in ascending order of alias.
    pub targets: Vec<(u32, u32)>,
    /// The names of all aliases.
    pub names: HashSet<Box<str>>,
    /// The first alias inside its own target.
    pub cyclic: Option<u32>,
    /// The limit that the expanded document exceeds, and what the limit counts.
    pub exceeded: Option<(u64, &'static str)>,
}

/// The nodes of one document. An arena can be reused: a parser clears it first but keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct NodeArena {
    pub(super) nodes: Vec<NodeData>,
    pub(super) properties: Vec<Properties>,
    /// The scanner's reason for rejecting the document, if the fallback parser read it.
    pub(super) fallback_reason: Option<Unsupported>,
    /// The aliases of the document, which [`Document::aliases`] resolves.
    pub(super) aliases: OnceLock<Aliases>,
}

impl NodeArena {
    /// Returns the scanner's reason for rejecting the document, or `None` if the fallback parser was not used.
    pub fn fallback_reason(&self) -> Option<Unsupported> {
        self.fallback_reason
    }

    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns whether the arena has no nodes, because no document was parsed.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.properties.clear();
        self.fallback_reason = None;
        self.aliases = OnceLock::new();
    }
}

/// The text of a document with its nodes.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// The parsed text, from the first byte of the document.
    pub text: &'a str,
    /// The nodes of the text.
    pub arena: &'a NodeArena,
}

impl<'a> Document<'a> {
    /// Combines the source text with the nodes that a parser found in it.
    pub fn new(text: &'a str, arena: &'a NodeArena) -> Self {
        Document { text, arena }
    }

    /// Returns the root node. The arena must not be empty: a successful parse adds at least one node.
    pub fn root(self) -> Node<'a> {
        Node { document: self, index: 0 }
    }

    /// Returns the last node that begins before `offset`, or `None` if no node does. Nodes are sorted by their first
    /// bytes.
    pub(super) fn last_node_before(self, offset: usize) -> Option<Node<'a>> {
        let count = self.arena.nodes.partition_point(|node| (node.start as usize) < offset);
        Some(self.node(count.checked_sub(1)? as u32))
    }

    /// Returns the node with the greatest index that begins at `offset` or before it, or `None` if no node does.
    pub fn node_at(self, offset: usize) -> Option<Node<'a>> {
        self.last_node_before(offset + 1)
    }

    /// Returns the node with this arena index.
    pub fn node(self, index: u32) -> Node<'a> {
        Node { document: self, index }
    }
}

/// A handle to a node of a document.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    document: Document<'a>,
    index: u32,
}

impl<'a> Node<'a> {
    #[inline]
    pub(super) fn data(self) -> &'a NodeData {
        &self.document.arena.nodes[self.index as usize]
    }

    /// Returns the node's index in the arena. The index identifies the node as long as the document is not edited.
    pub fn index(self) -> u32 {
        self.index
    }

    /// Returns the index after the node's subtree.
    pub fn subtree_end(self) -> u32 {
        self.data().next
    }

    /// Returns the document that the node belongs to.
    pub fn document(self) -> Document<'a> {
        self.document
    }

    /// Returns the kind of the node.
    pub fn kind(self) -> NodeKind {
        self.data().kind
    }

    /// Returns the byte range of the node, with quotes or block scalar header, but without anchor and tag.
    pub fn span(self) -> Range<usize> {
        self.data().start as usize..self.data().end as usize
    }

    /// Returns the text of the node's span.
    pub fn raw(self) -> &'a str {
        &self.document.text[self.span()]
    }

    /// Returns whether the node is a flow collection (`{}`, `[]`).
    pub fn is_flow(self) -> bool {
        self.data().flags & FLOW != 0
    }

    /// Returns the scalar as it is written in the document.
    pub(super) fn scalar_source(self) -> ScalarSource<'a> {
        let &NodeData { start, end, column, kind, flags, .. } = self.data();
        let span = start as usize..end as usize;
        ScalarSource { document: self.document.text, span, kind, flags, column: column as usize }
    }

    /// Returns the column of a block collection's keys or dashes, or of a block scalar's content.
    pub(super) fn column(self) -> usize {
        self.data().column as usize
    }

    /// Returns whether the node is a scalar or empty.
    pub fn is_scalar(self) -> bool {
        !matches!(self.kind(), NodeKind::Map | NodeKind::Seq | NodeKind::Alias)
    }

    /// Returns the decoded content of a scalar: `""` for [`NodeKind::Empty`], `None` for collections and aliases.
    pub fn text(self) -> Option<Cow<'a, str>> {
        self.is_scalar().then(|| scalar::decode(self.scalar_source()))
    }

    /// Returns whether the node is a scalar with this decoded content.
    #[inline]
    pub fn has_text(self, text: &str) -> bool {
        let entry = self.data();
        match entry.kind {
            NodeKind::Plain if entry.flags & MULTILINE == 0 => self.raw() == text,
            NodeKind::SingleQuoted | NodeKind::DoubleQuoted if entry.flags & (MULTILINE | ESCAPED) == 0 => {
                let raw = self.raw();
                &raw[1..raw.len() - 1] == text
            }
            _ => self.text().is_some_and(|content| content == text),
        }
    }

    /// Returns the keys and values of a mapping, in order. Other nodes have no entries.
    pub fn entries(self) -> impl Iterator<Item = (Node<'a>, Node<'a>)> + use<'a> {
        let mut children = self.children_of(NodeKind::Map);
        std::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }

    /// Returns the items of a sequence, in order. Other nodes have no items.
    pub fn items(self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        self.children_of(NodeKind::Seq)
    }

    fn children_of(self, kind: NodeKind) -> Children<'a> {
        let end = if self.kind() == kind { self.data().next } else { self.index + 1 };
        Children { document: self.document, index: self.index + 1, end }
    }

    /// Returns the child (key, value or item) whose subtree contains `node`, or `None` if no child contains it.
    ///
    /// `from` is the index of the child at which the search starts. The default is the first child.
    pub(super) fn child_containing(self, node: Node<'_>, from: Option<u32>) -> Option<Node<'a>> {
        let first = self.index + 1;
        let index = from.filter(|&from| from > first && from <= node.index).unwrap_or(first);
        let mut children = Children { document: self.document, index, end: self.data().next };
        children.find(|child| child.index <= node.index && node.index < child.data().next)
    }

    /// Returns the nodes on the path from this node to its descendant `node`, including this node but not `node`.
    pub fn path_to(self, node: Node<'a>) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let mut next = Some(self).filter(|start| start.index < node.index);
        std::iter::from_fn(move || {
            let current = next?;
            next = current.child_containing(node, None).filter(|child| child.index < node.index);
            Some(current)
        })
    }

    /// Returns all nodes of the subtree in document order, beginning with this node.
    pub fn descendants(self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        (self.index..self.data().next).map(move |index| self.document.node(index))
    }

    /// Returns the first value of a key, or `None` if the key is missing. Does not detect duplicate keys.
    pub fn get_first(self, key: &str) -> Option<Node<'a>> {
        self.entries().find(|(name, _)| name.has_text(key)).map(|(_, value)| value)
    }

    /// Returns whether two subtrees are equal node by node, including anchors and tags. They may belong to different
    /// documents. Layout and scalar style are ignored, except that a plain scalar never equals a scalar of another
    /// style.
    pub fn equals(self, other: Node<'_>) -> bool {
        // `equals_shallow` compares the sizes of the subtrees, so `zip` does not skip any node.
        self.descendants().zip(other.descendants()).all(|(own, other)| own.equals_shallow(other))
    }

    /// Returns whether two nodes have the same kind, decoded content, anchor, tag and number of descendants.
    pub(super) fn equals_shallow(self, other: Node<'_>) -> bool {
        let same_size = (self.subtree_end() - self.index) == (other.subtree_end() - other.index);
        let same_content = match (self.kind(), other.kind()) {
            (NodeKind::Map, NodeKind::Map) | (NodeKind::Seq, NodeKind::Seq) => true,
            (NodeKind::Alias, NodeKind::Alias) => self.raw() == other.raw(),
            (a, b) if self.is_scalar() && other.is_scalar() => {
                let is_plain = |kind| matches!(kind, NodeKind::Plain | NodeKind::Empty);
                is_plain(a) == is_plain(b) && self.text() == other.text()
            }
            _ => false,
        };
        same_size && same_content && self.has_same_properties(other)
    }

    /// Returns whether two nodes have the same anchor and tag.
    pub(super) fn has_same_properties(self, other: Node<'_>) -> bool {
        self.anchor() == other.anchor() && self.tag() == other.tag()
    }

    /// Returns whether the node is a merge key (`<<`).
    pub fn is_merge_key(self) -> bool {
        self.kind() == NodeKind::Plain && self.has_text("<<")
    }

    /// Returns whether `other` is this node or one of its descendants.
    pub fn contains(self, other: Node<'_>) -> bool {
        (self.index..self.subtree_end()).contains(&other.index)
    }

    fn properties(self) -> Option<&'a Properties> {
        if self.data().flags & PROPERTIES == 0 {
            return None;
        }
        let list = &self.document.arena.properties;
        list.binary_search_by_key(&self.index, |properties| properties.node).ok().map(|position| &list[position])
    }

    /// Returns the name of the node's anchor without the `&`, or `None` if it has no anchor.
    pub fn anchor(self) -> Option<&'a str> {
        let range = self.properties()?.anchor.clone()?;
        Some(&self.document.text[range.start as usize..range.end as usize])
    }

    /// Returns the byte range of the node's anchor with the `&`, or `None` if it has no anchor.
    pub(super) fn anchor_span(self) -> Option<Range<usize>> {
        let range = self.properties()?.anchor.clone()?;
        Some(range.start as usize - 1..range.end as usize)
    }

    /// Returns the node's tag as it is written, or `None` if it has no tag.
    pub fn tag(self) -> Option<&'a str> {
        let range = self.properties()?.tag.clone()?;
        Some(&self.document.text[range.start as usize..range.end as usize])
    }

    /// Returns the type that Kubernetes' YAML reader gives to a scalar. Collections, aliases and tagged scalars count
    /// as strings.
    pub fn scalar_kind(self) -> ScalarKind {
        match (self.kind(), self.tag()) {
            (NodeKind::Empty, None) => ScalarKind::Null,
            (NodeKind::Plain, None) => scalar::resolve(&scalar::decode(self.scalar_source())),
            _ => ScalarKind::String,
        }
    }

    /// Returns whether the node is null: empty, `~` or `null`.
    pub fn is_null(self) -> bool {
        self.scalar_kind() == ScalarKind::Null
    }
}

struct Children<'a> {
    document: Document<'a>,
    index: u32,
    end: u32,
}

impl<'a> Iterator for Children<'a> {
    type Item = Node<'a>;

    #[inline]
    fn next(&mut self) -> Option<Node<'a>> {
        if self.index >= self.end {
            return None;
        }
        let node = self.document.node(self.index);
        self.index = node.data().next;
        Some(node)
    }
}
