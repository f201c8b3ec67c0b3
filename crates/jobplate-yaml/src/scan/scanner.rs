//! The scanner's state, and the code that block and flow collections share: adding nodes, node properties, line ends.

use std::cell::OnceCell;
use std::collections::HashSet;

use super::super::node_kind::{NodeKind, PROPERTIES};
use super::super::tree::{NodeArena, NodeData, Properties, to_column};
use super::super::unsupported::Unsupported;
use super::bytes::{is_space_or_tab, line_end};

/// The maximum nesting depth, which is the same as in granit-parser.
pub(super) const MAX_DEPTH: usize = 250;
/// The maximum length of a key in bytes. libyaml and go-yaml do not recognize the `:` after a longer key.
pub(super) const MAX_KEY_BYTES: usize = 1000;

/// A flow collection whose closing bracket has not been scanned yet.
#[derive(Clone, Copy)]
pub(super) struct OpenFlow {
    pub(super) node: u32,
    pub(super) expect: Expect,
}

/// The token that is expected next in a flow collection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    Item,
    Key,
    Value,
    SeqComma,
    MapComma,
}

/// The position after a key or dash whose node may be on the next content line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    None,
    Root,
    Item,
    Value,
}

/// A block collection that a later line may continue.
#[derive(Clone, Copy)]
pub(super) struct OpenBlock {
    pub(super) node: u32,
    pub(super) column: u32,
    pub(super) is_seq: bool,
}

/// The state of the scan of one document.
pub(super) struct Scanner<'a> {
    pub(super) text: &'a [u8],
    pub(super) arena: &'a mut NodeArena,
    /// The open block collections, outermost first. Their columns never decrease.
    pub(super) open: Vec<OpenBlock>,
    pub(super) slot: Slot,
    /// The index of the plain scalar that a deeper next line continues.
    pub(super) plain: Option<u32>,
    /// The end of the last scalar or alias, or of a later `:` or `-`.
    pub(super) last_end: u32,
    /// The anchor and tag of the next node.
    pub(super) properties: Option<Properties>,
    /// The names of all anchors so far.
    pub(super) anchors: HashSet<&'a [u8]>,
    pub(super) flow: Vec<OpenFlow>,
    /// Whether the document is a JSON object. Only some escapes need it.
    pub(super) is_json: OnceCell<bool>,
}

/// The result of scanning a part of a document.
pub(super) type ScanResult<T = ()> = Result<T, Unsupported>;

/// Returns the error for an unsupported byte.
pub(super) fn unsupported<T>(offset: usize, reason: &'static str) -> ScanResult<T> {
    Err(Unsupported { offset, reason })
}

impl<'a> Scanner<'a> {
    /// Creates a scanner at the start of a document.
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
            is_json: OnceCell::new(),
        }
    }

    /// Returns the byte at an offset, or `None` at the end.
    #[inline(always)]
    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    /// Returns whether whitespace or the end of the text is at `at`. One of the two must follow the indicators `-`, `:`
    /// and `---`.
    #[inline(always)]
    pub(super) fn is_space_at(&self, at: usize) -> bool {
        match self.byte(at) {
            None => true,
            Some(byte) => matches!(byte, b' ' | b'\n' | b'\t' | b'\r'),
        }
    }

    /// Returns whether the marker `---` or `...` is at an offset.
    pub(super) fn is_document_marker(&self, at: usize) -> bool {
        let rest = &self.text[at..];
        (rest.starts_with(b"---") || rest.starts_with(b"...")) && self.is_space_at(at + 3)
    }

    /// Sets the end of a block collection.
    #[inline(always)]
    pub(super) fn close(&mut self, open: OpenBlock) {
        let next = self.arena.nodes.len() as u32;
        let node = &mut self.arena.nodes[open.node as usize];
        node.next = next;
        node.end = self.last_end;
    }

    /// Adds a node with the pending anchor and tag. [`Scanner::close`] later sets the end of a block collection.
    #[inline(always)]
    pub(super) fn push(&mut self, kind: NodeKind, start: usize, end: usize, column: u16, flags: u8) {
        let node = self.arena.nodes.len() as u32;
        self.arena.nodes.push(NodeData { start: start as u32, end: end as u32, next: node + 1, column, kind, flags });
        self.last_end = end as u32;
        if self.properties.is_some() {
            self.attach_properties(node);
        }
    }

    /// Attaches the pending anchor and tag to a node.
    #[cold]
    fn attach_properties(&mut self, node: u32) {
        if let Some(properties) = self.properties.take() {
            self.arena.nodes[node as usize].flags |= PROPERTIES;
            self.arena.properties.push(Properties { node, ..properties });
        }
    }

    /// Fills the slot with an empty node.
    pub(super) fn push_empty(&mut self) {
        let at = self.last_end as usize;
        self.push(NodeKind::Empty, at, at, 0, 0);
        self.slot = Slot::None;
    }

    /// Fills the slot with a block collection that begins at `start`.
    #[inline(always)]
    pub(super) fn open_block(&mut self, is_seq: bool, start: usize, column: u32) -> ScanResult {
        if self.open.len() >= MAX_DEPTH {
            return unsupported(start, "nesting deeper than 250 levels");
        }
        let node = self.arena.nodes.len() as u32;
        let kind = if is_seq { NodeKind::Seq } else { NodeKind::Map };
        self.push(kind, start, start, to_column(column as usize, start)?, 0);
        self.open.push(OpenBlock { node, column, is_seq });
        self.slot = Slot::None;
        Ok(())
    }

    /// Returns the start of the next line if only whitespace and a comment are left on this line.
    ///
    /// Otherwise fails with the reason `otherwise`.
    #[inline(always)]
    pub(super) fn scan_line_end(&self, at: usize, otherwise: &'static str) -> ScanResult<usize> {
        match self.byte(at) {
            None => Ok(at),
            Some(b'\n') => Ok(at + 1),
            Some(b' ' | b'\t' | b'\r') => {
                let mut end = at;
                while self.byte(end).is_some_and(is_space_or_tab) {
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

    /// Adds a key to the open mapping.
    #[inline(always)]
    pub(super) fn push_key(&mut self, kind: NodeKind, start: usize, end: usize, flags: u8) -> ScanResult {
        if end - start > MAX_KEY_BYTES {
            return unsupported(start, "a key longer than 1000 bytes");
        }
        if kind == NodeKind::Plain && matches!(&self.text[start..end], b"~" | b"null" | b"Null" | b"NULL") {
            return unsupported(start, "a null key");
        }
        self.push(kind, start, end, 0, flags);
        Ok(())
    }

    /// Checks that the anchor of an alias precedes it, as YAML requires.
    pub(super) fn check_alias(&self, at: usize, end: usize) -> ScanResult {
        if self.anchors.contains(&self.text[at + 1..end]) {
            Ok(())
        } else {
            unsupported(at, "an alias without its anchor")
        }
    }

    /// Returns the column that the continuation lines of a scalar or flow collection must exceed.
    pub(super) fn parent_column(&self) -> i64 {
        self.open.last().map_or(-1, |top| i64::from(top.column))
    }

    /// Moves `end` before any trailing spaces, tabs and CRs. Returns at least `start`.
    #[inline(always)]
    pub(super) fn trim_end(&self, start: usize, mut end: usize) -> usize {
        while end > start && matches!(self.text[end - 1], b' ' | b'\t' | b'\r') {
            end -= 1;
        }
        end
    }

    /// Returns the end of the name of an anchor, alias or tag.
    pub(super) fn find_name_end(&self, mut at: usize) -> usize {
        while self.byte(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            at += 1;
        }
        at
    }

    /// Scans an anchor or a tag in a form that all readers support, and returns its end.
    #[cold]
    pub(super) fn scan_property(&mut self, at: usize) -> ScanResult<usize> {
        let properties = self.properties.get_or_insert(Properties { node: 0, anchor: None, tag: None });
        let is_anchor = self.text[at] == b'&';
        if (is_anchor && properties.anchor.is_some()) || (!is_anchor && properties.tag.is_some()) {
            return unsupported(at, "two anchors or two tags on one node");
        }
        let mut end = at + 1;
        if !is_anchor && self.byte(end) == Some(b'!') {
            end += 1;
        }
        let name = end;
        end = self.find_name_end(end);
        if end == name || !self.is_space_at(end) {
            return unsupported(at, if is_anchor { "an unusual anchor" } else { "an unusual tag" });
        }
        if let Some(properties) = &mut self.properties {
            if is_anchor {
                properties.anchor = Some(at as u32 + 1..end as u32);
                self.anchors.insert(&self.text[at + 1..end]);
            } else {
                properties.tag = Some(at as u32..end as u32);
            }
        }
        Ok(end)
    }
}
