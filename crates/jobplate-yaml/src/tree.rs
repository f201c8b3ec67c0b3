//! A document as a flat list of nodes with byte spans (the tape), and handles to walk it.
//!
//! The tape is in document order: a collection's node comes before its children, and `next` jumps over
//! the whole subtree. It holds positions only; every text is read from the document itself. It knows
//! neither how the positions were found (`scan`, `fallback`) nor what the nodes mean.

use std::borrow::Cow;
use std::ops::Range;

use super::node_kind::{ESCAPED, FLOW, MULTILINE, NodeKind, PROPERTIES};
use super::scalar::{self, ScalarKind, Written};
use super::unsupported::Unsupported;

/// One node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// First byte: quote, bracket, block scalar header, first key or first dash. Properties stand before.
    pub start: u32,
    /// Past the last byte of content. A block scalar ends before the line break of its last content
    /// line (with `+`, of its last blank line); a block collection where its last leaf ends.
    pub end: u32,
    /// Index of the node after this subtree.
    pub next: u32,
    /// Block collection: the column of its keys or dashes. Block scalar: of its content.
    pub column: u32,
    pub kind: NodeKind,
    pub flags: u8,
}

/// The anchor and tag of one node.
#[derive(Clone, Debug)]
pub(super) struct Properties {
    pub node: u32,
    /// Without the `&`.
    pub anchor: Option<Range<u32>>,
    /// With its `!`.
    pub tag: Option<Range<u32>>,
}

/// The nodes of one document. Reuse it: scanning into it clears it and keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct NodeArena {
    pub(super) nodes: Vec<Entry>,
    pub(super) properties: Vec<Properties>,
    /// Where the scanner stepped back, if the fallback parser read the document.
    pub(super) fallback_reason: Option<Unsupported>,
}

impl NodeArena {
    /// Where and why the scanner stepped back, if the fallback parser read the document.
    pub fn fallback_reason(&self) -> Option<Unsupported> {
        self.fallback_reason
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing was scanned into it.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.properties.clear();
        self.fallback_reason = None;
    }
}

/// A text and its tape.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// The text that was scanned, from the first byte of the document.
    pub text: &'a str,
    /// The tape made from it.
    pub arena: &'a NodeArena,
}

impl<'a> Document<'a> {
    /// Puts a text and the tape made from it together.
    pub fn new(text: &'a str, arena: &'a NodeArena) -> Self {
        Document { text, arena }
    }

    /// The outermost node. The tape must not be empty: scanning always leaves at least one node.
    pub fn root(self) -> Node<'a> {
        Node { document: self, index: 0 }
    }

    /// The last node that begins before an offset: nodes stand in the order of their first bytes.
    pub(super) fn last_before(self, offset: usize) -> Option<Node<'a>> {
        let count = self.arena.nodes.partition_point(|node| (node.start as usize) < offset);
        Some(self.node(count.checked_sub(1)? as u32))
    }

    /// The node with a tape index, which must be one of this document's.
    pub fn node(self, index: u32) -> Node<'a> {
        Node { document: self, index }
    }
}

/// A node of a document.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    document: Document<'a>,
    index: u32,
}

impl<'a> Node<'a> {
    #[inline]
    pub(super) fn entry(self) -> &'a Entry {
        &self.document.arena.nodes[self.index as usize]
    }

    /// Its place in the tape: a name for this node as long as the document is not edited.
    pub fn index(self) -> u32 {
        self.index
    }

    /// The index behind its subtree.
    pub(super) fn end_index(self) -> u32 {
        self.entry().next
    }

    /// The document it belongs to.
    pub fn document(self) -> Document<'a> {
        self.document
    }

    /// What it is.
    pub fn kind(self) -> NodeKind {
        self.entry().kind
    }

    /// Its bytes: quotes and block scalar header included, anchor and tag not.
    pub fn span(self) -> Range<usize> {
        self.entry().start as usize..self.entry().end as usize
    }

    /// The text of its span.
    pub fn raw(self) -> &'a str {
        &self.document.text[self.span()]
    }

    /// A `{}` or `[]` collection.
    pub fn is_flow(self) -> bool {
        self.entry().flags & FLOW != 0
    }

    /// How a scalar is written.
    pub(super) fn written(self) -> Written<'a> {
        let &Entry { start, end, column, kind, flags, .. } = self.entry();
        let span = start as usize..end as usize;
        Written { document: self.document.text, span, kind, flags, column: column as usize }
    }

    /// The column of a block collection's keys or dashes, of a block scalar's content.
    pub(super) fn column(self) -> usize {
        self.entry().column as usize
    }

    /// Whether it is a scalar or empty: it has a text and no children.
    pub fn is_scalar(self) -> bool {
        !matches!(self.kind(), NodeKind::Map | NodeKind::Seq | NodeKind::Alias)
    }

    /// The decoded text of a scalar; empty for [`NodeKind::Empty`], none for collections and aliases.
    pub fn text(self) -> Option<Cow<'a, str>> {
        self.is_scalar().then(|| scalar::decode(self.written()))
    }

    /// Whether it is a scalar with this decoded text.
    #[inline]
    pub fn has_text(self, text: &str) -> bool {
        let entry = self.entry();
        match entry.kind {
            NodeKind::Plain if entry.flags & MULTILINE == 0 => self.raw() == text,
            NodeKind::SingleQuoted | NodeKind::DoubleQuoted if entry.flags & (MULTILINE | ESCAPED) == 0 => {
                let raw = self.raw();
                &raw[1..raw.len() - 1] == text
            }
            _ => self.text().is_some_and(|own| own == text),
        }
    }

    /// Keys and values of a map, in order; nothing for other nodes.
    pub fn entries(self) -> impl Iterator<Item = (Node<'a>, Node<'a>)> + use<'a> {
        let mut children = self.children_of(NodeKind::Map);
        std::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }

    /// Items of a sequence, in order; nothing for other nodes.
    pub fn items(self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        self.children_of(NodeKind::Seq)
    }

    fn children_of(self, kind: NodeKind) -> Children<'a> {
        let end = if self.kind() == kind { self.entry().next } else { self.index + 1 };
        Children { document: self.document, index: self.index + 1, end }
    }

    /// The child (key, value or item) whose subtree holds another node; `from` may be a child before it.
    pub(super) fn child_towards(self, node: Node<'_>, from: Option<u32>) -> Option<Node<'a>> {
        let first = self.index + 1;
        let index = from.filter(|&from| from > first && from <= node.index).unwrap_or(first);
        let mut children = Children { document: self.document, index, end: self.entry().next };
        children.find(|child| child.index <= node.index && node.index < child.entry().next)
    }

    /// The nodes from this one down to another in its subtree, without that one.
    pub fn path_to(self, node: Node<'a>) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let mut at = Some(self).filter(|start| start.index < node.index);
        std::iter::from_fn(move || {
            let here = at?;
            at = here.child_towards(node, None).filter(|child| child.index < node.index);
            Some(here)
        })
    }

    /// All nodes of its subtree, itself first, in document order.
    pub fn descendants(self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        (self.index..self.entry().next).map(move |index| self.document.node(index))
    }

    /// The first value under a key, whether or not the key stands twice.
    pub fn get_first(self, key: &str) -> Option<Node<'a>> {
        self.entries().find(|(name, _)| name.has_text(key)).map(|(_, value)| value)
    }

    /// Whether two nodes, each of a document of its own, are the same in every node below, anchors and tags
    /// included; how they are laid out does not count.
    pub fn equals(self, other: Node<'_>) -> bool {
        // Of one size each: neither ends before the other.
        self.descendants().zip(other.descendants()).all(|(one, other)| one.equals_alone(other))
    }

    /// Whether kind, decoded text, anchor, tag and the number of nodes below are the same.
    pub(super) fn equals_alone(self, other: Node<'_>) -> bool {
        let sizes = (self.end_index() - self.index) == (other.end_index() - other.index);
        let same = match (self.kind(), other.kind()) {
            (NodeKind::Map, NodeKind::Map) | (NodeKind::Seq, NodeKind::Seq) => true,
            (NodeKind::Alias, NodeKind::Alias) => self.raw() == other.raw(),
            (a, b) if self.is_scalar() && other.is_scalar() => {
                let plain = |kind| matches!(kind, NodeKind::Plain | NodeKind::Empty);
                plain(a) == plain(b) && self.text() == other.text()
            }
            _ => false,
        };
        sizes && same && self.has_same_properties(other)
    }

    /// Whether anchor and tag are the same.
    pub(super) fn has_same_properties(self, other: Node<'_>) -> bool {
        self.anchor() == other.anchor() && self.tag() == other.tag()
    }

    /// Whether it is a merge key (`<<`).
    pub fn is_merge_key(self) -> bool {
        self.kind() == NodeKind::Plain && self.has_text("<<")
    }

    /// Whether another node is this one, or below it.
    pub fn contains(self, other: Node<'_>) -> bool {
        (self.index..self.end_index()).contains(&other.index)
    }

    /// Whether it is an alias of an anchor.
    pub(super) fn is_alias_of(self, anchor: &str) -> bool {
        self.kind() == NodeKind::Alias && &self.raw()[1..] == anchor
    }

    fn properties(self) -> Option<&'a Properties> {
        if self.entry().flags & PROPERTIES == 0 {
            return None;
        }
        let list = &self.document.arena.properties;
        list.binary_search_by_key(&self.index, |properties| properties.node).ok().map(|at| &list[at])
    }

    /// Its anchor, without the `&`.
    pub fn anchor(self) -> Option<&'a str> {
        let range = self.properties()?.anchor.clone()?;
        Some(&self.document.text[range.start as usize..range.end as usize])
    }

    /// The bytes of its anchor, with the `&`.
    pub(super) fn anchor_span(self) -> Option<Range<usize>> {
        let range = self.properties()?.anchor.clone()?;
        Some(range.start as usize - 1..range.end as usize)
    }

    /// Its tag, as it is written.
    pub fn tag(self) -> Option<&'a str> {
        let range = self.properties()?.tag.clone()?;
        Some(&self.document.text[range.start as usize..range.end as usize])
    }

    /// What Kubernetes' YAML reader takes a scalar for. Collections and aliases count as strings.
    pub fn scalar_kind(self) -> ScalarKind {
        match (self.kind(), self.tag()) {
            (NodeKind::Empty, None) => ScalarKind::Null,
            (NodeKind::Plain, None) => scalar::resolve(&scalar::decode(self.written())),
            _ => ScalarKind::String,
        }
    }

    /// Null: empty, `~`, `null`.
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
        self.index = node.entry().next;
        Some(node)
    }
}
