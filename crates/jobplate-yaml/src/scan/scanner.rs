//! The scanner's state, and the steps that block and flow collections share: nodes, properties, ends of lines.

use std::collections::HashSet;

use super::super::node_kind::{NodeKind, PROPERTIES};
use super::super::tree::{Entry, NodeArena, Properties};
use super::super::unsupported::Unsupported;
use super::bytes::{is_blank, line_end};

/// Nesting that other readers still take (granit-parser's limit).
pub(super) const MAX_DEPTH: usize = 250;
/// The longest key that libyaml and go-yaml still find the `:` of.
pub(super) const MAX_KEY: usize = 1000;

/// A flow collection that is not yet closed.
#[derive(Clone, Copy)]
pub(super) struct OpenFlow {
    pub(super) node: u32,
    pub(super) expect: Expect,
}

/// What must come next in a flow collection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    Item,
    Key,
    Value,
    SeqComma,
    MapComma,
}

/// What the next content line may fill.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    None,
    Root,
    Item,
    Value,
}

/// A block collection that is not yet closed.
#[derive(Clone, Copy)]
pub(super) struct Open {
    pub(super) node: u32,
    pub(super) column: u32,
    pub(super) seq: bool,
}

/// One document under way.
pub(super) struct Scanner<'a> {
    pub(super) text: &'a [u8],
    pub(super) arena: &'a mut NodeArena,
    /// Open block collections, outermost first; columns never shrink inwards.
    pub(super) open: Vec<Open>,
    pub(super) slot: Slot,
    /// The plain scalar that a deeper next line would continue.
    pub(super) plain: Option<u32>,
    /// Where the last leaf, or the `:` or `-` that promises one, ends.
    pub(super) last_end: u32,
    /// Anchor and tag read for the node to come.
    pub(super) properties: Option<Properties>,
    /// The names of the anchors so far.
    pub(super) anchors: HashSet<&'a [u8]>,
    pub(super) flow: Vec<OpenFlow>,
}

/// What a step of scanning gives.
pub(super) type Scan<T = ()> = Result<T, Unsupported>;

/// Steps back from a byte.
pub(super) fn unsupported<T>(offset: usize, reason: &'static str) -> Scan<T> {
    Err(Unsupported { offset, reason })
}

impl<'a> Scanner<'a> {
    /// At the start of a text.
    pub(super) fn new(text: &'a str, arena: &'a mut NodeArena) -> Self {
        Scanner {
            text: text.as_bytes(),
            arena,
            open: Vec::with_capacity(32),
            slot: Slot::Root,
            plain: None,
            last_end: 0,
            properties: None,
            anchors: HashSet::new(),
            flow: Vec::new(),
        }
    }

    /// The byte at an offset.
    #[inline(always)]
    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    /// A blank, a line break or the end: what must follow `-`, `:` and `---`.
    #[inline(always)]
    pub(super) fn is_space_at(&self, at: usize) -> bool {
        match self.byte(at) {
            None => true,
            Some(byte) => matches!(byte, b' ' | b'\n' | b'\t' | b'\r'),
        }
    }

    /// Whether `---` or `...` stands at an offset.
    pub(super) fn is_document_marker(&self, at: usize) -> bool {
        let rest = &self.text[at..];
        (rest.starts_with(b"---") || rest.starts_with(b"...")) && self.is_space_at(at + 3)
    }

    /// Ends a block collection.
    #[inline(always)]
    pub(super) fn close(&mut self, open: Open) {
        let next = self.arena.nodes.len() as u32;
        let node = &mut self.arena.nodes[open.node as usize];
        node.next = next;
        node.end = self.last_end;
    }

    /// Puts a node into the slot; a leaf is complete with that.
    #[inline(always)]
    pub(super) fn push(&mut self, kind: NodeKind, start: usize, end: usize, column: u32, flags: u8) {
        let node = self.arena.nodes.len() as u32;
        self.arena.nodes.push(Entry { start: start as u32, end: end as u32, next: node + 1, column, kind, flags });
        self.last_end = end as u32;
        if self.properties.is_some() {
            self.attach_properties(node);
        }
    }

    #[cold]
    fn attach_properties(&mut self, node: u32) {
        if let Some(properties) = self.properties.take() {
            self.arena.nodes[node as usize].flags |= PROPERTIES;
            self.arena.properties.push(Properties { node, ..properties });
        }
    }

    /// Fills the slot with null.
    pub(super) fn push_empty(&mut self) {
        let at = self.last_end as usize;
        self.push(NodeKind::Empty, at, at, 0, 0);
        self.slot = Slot::None;
    }

    /// Opens a block collection at `start` in the slot.
    #[inline(always)]
    pub(super) fn open(&mut self, seq: bool, start: usize, column: u32) -> Scan {
        if self.open.len() >= MAX_DEPTH {
            return unsupported(start, "nesting deeper than 250 levels");
        }
        let node = self.arena.nodes.len() as u32;
        let kind = if seq { NodeKind::Seq } else { NodeKind::Map };
        self.push(kind, start, start, column, 0);
        self.open.push(Open { node, column, seq });
        self.slot = Slot::None;
        Ok(())
    }

    /// From the end of a node to the start of the next line: blanks and a comment, nothing else.
    #[inline(always)]
    pub(super) fn end_of_line(&self, at: usize, otherwise: &'static str) -> Scan<usize> {
        match self.byte(at) {
            None => Ok(at),
            Some(b'\n') => Ok(at + 1),
            Some(b' ' | b'\t' | b'\r') => {
                let mut end = at;
                while self.byte(end).is_some_and(is_blank) {
                    end += 1;
                }
                match self.byte(end) {
                    None => Ok(end),
                    Some(b'\n') => Ok(end + 1),
                    Some(b'\r') => Ok(end + 2),
                    Some(b'#') => Ok((line_end(self.text, end) + 1).min(self.text.len())),
                    Some(_) => unsupported(end, otherwise),
                }
            }
            Some(_) => unsupported(at, otherwise),
        }
    }

    /// Puts a key into the mapping that is open.
    #[inline(always)]
    pub(super) fn push_key(&mut self, kind: NodeKind, start: usize, end: usize, flags: u8) -> Scan {
        if end - start > MAX_KEY {
            return unsupported(start, "a key longer than 1000 bytes");
        }
        self.push(kind, start, end, 0, flags);
        Ok(())
    }

    /// An alias stands for an anchor before it; without one no reader takes the document.
    pub(super) fn check_alias(&self, at: usize, end: usize) -> Scan {
        if self.anchors.contains(&self.text[at + 1..end]) {
            Ok(())
        } else {
            unsupported(at, "an alias without its anchor")
        }
    }

    /// The column that lines of a scalar or flow collection must exceed.
    pub(super) fn parent_column(&self) -> i64 {
        self.open.last().map_or(-1, |top| i64::from(top.column))
    }

    /// Steps back over the blanks (and a CR) before `end`.
    #[inline(always)]
    pub(super) fn trim_end(&self, start: usize, mut end: usize) -> usize {
        while end > start && matches!(self.text[end - 1], b' ' | b'\t' | b'\r') {
            end -= 1;
        }
        end
    }

    /// The end of an anchor's, alias's or tag's name.
    pub(super) fn name_end(&self, mut at: usize) -> usize {
        while self.byte(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            at += 1;
        }
        at
    }

    /// An anchor or a tag; gives its end. Only forms that all readers take alike.
    #[cold]
    pub(super) fn property(&mut self, at: usize) -> Scan<usize> {
        let properties = self.properties.get_or_insert(Properties { node: 0, anchor: None, tag: None });
        let anchor = self.text[at] == b'&';
        if (anchor && properties.anchor.is_some()) || (!anchor && properties.tag.is_some()) {
            return unsupported(at, "two anchors or two tags on one node");
        }
        let mut end = at + 1;
        if !anchor && self.byte(end) == Some(b'!') {
            end += 1;
        }
        let name = end;
        end = self.name_end(end);
        if end == name || !self.is_space_at(end) {
            return unsupported(at, if anchor { "an unusual anchor" } else { "an unusual tag" });
        }
        if let Some(properties) = &mut self.properties {
            if anchor {
                properties.anchor = Some(at as u32 + 1..end as u32);
                self.anchors.insert(&self.text[at + 1..end]);
            } else {
                properties.tag = Some(at as u32..end as u32);
            }
        }
        Ok(end)
    }
}
