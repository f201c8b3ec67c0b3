//! Builds nodes from granit-parser's events.
//!
//! granit-parser's events describe the nodes, but their spans leave out dashes, colons and block scalar headers. The
//! builder finds these in the text. It decodes every scalar from the span that it found and compares the result with
//! granit-parser's value, so a wrong span is never used.

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StructureStyle};

use super::super::node_kind::{ESCAPED, FLOW, MULTILINE, NodeKind, PROPERTIES};
use super::super::scan::{LEADING_COLON, MULTILINE_KEY, QUESTION_MARK, block_scalar_span};
use super::super::tree::{Document, NodeArena, NodeData, Properties, to_column};
use super::super::unsupported::Unsupported;

/// The maximum number of nodes of a document that granit-parser parses. It needs many times the memory of the scanner.
const MAX_NODES: usize = 1_000_000;

/// The reason for rejecting a document with more nodes.
pub(super) const TOO_MANY_NODES: &str = "too many nodes: more than 1000000 for the fallback parser";

/// Parses one document with granit-parser.
///
/// # Errors
///
/// Fails if the text is not valid YAML, contains more than one document or too many nodes, or is 4 GiB or larger, or if
/// a node is not found in the text.
pub fn parse_with_granit(text: &str, arena: &mut NodeArena) -> Result<(), Unsupported> {
    arena.clear();
    if u32::try_from(text.len()).is_err() {
        return Err(Unsupported { offset: 0, reason: "a document of 4 GiB or more" });
    }
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.emit_anchor_events = true;
    options.emit_unresolved_aliases = false;
    options.block_scalar_eof_without_line_feed = true;
    let mut builder =
        Builder { text, arena, open: Vec::new(), cursor: 0, last_end: 0, column_at: (0, 0), flow_depth: 0 };
    let mut documents = 0;
    let mut pending: Option<(Event<'_>, Span)> = None;
    let mut parser = Parser::new_from_str_with_options(text, options);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| Unsupported {
            offset: error.marker().byte_offset().unwrap_or(0).min(text.len()),
            reason: "invalid YAML",
        })?;
        match &event {
            Event::DocumentStart(..) => {
                documents += 1;
                if documents > 1 {
                    return Err(Unsupported { offset: builder.cursor, reason: "a second document" });
                }
                builder.skip_document_start(span)?;
                continue;
            }
            // The node's own event also reports the anchor, so this event is skipped.
            Event::Anchor(..) => continue,
            _ => {}
        }
        if let Some((event, span)) = pending.replace((event, span)) {
            builder.handle_event(&event, span)?;
        }
        if builder.arena.len() > MAX_NODES {
            return Err(Unsupported { offset: builder.cursor, reason: TOO_MANY_NODES });
        }
    }
    if let Some((event, span)) = pending {
        builder.handle_event(&event, span)?;
    }
    if builder.arena.is_empty() {
        builder.push(NodeKind::Empty, 0, 0, 0, 0);
    }
    Ok(())
}

/// Refuses a plain scalar inside brackets that YAML 1.2 readers accept, but neither go-yaml nor PyYAML: they take each
/// `?` in it, and a `:` at its start, for an indicator. `at` is the offset of the scalar.
fn check_flow_plain(raw: &str, at: usize) -> BuildResult {
    if let Some(question_mark) = raw.find('?') {
        return Err(Unsupported { offset: at + question_mark, reason: QUESTION_MARK });
    }
    if raw.starts_with(':') {
        return Err(Unsupported { offset: at, reason: LEADING_COLON });
    }
    Ok(())
}

/// The kind of an open collection, which determines the indicators between its children.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CollectionKind {
    BlockSeq,
    BlockMap,
    FlowSeq,
    FlowMap,
    /// The mapping without brackets in `[key: value]`.
    FlowPair,
}

/// A collection whose end event has not been handled yet.
struct OpenCollection {
    node: u32,
    kind: CollectionKind,
    /// The number of children so far. In a mapping, keys and values count separately.
    children: usize,
    /// The start of the last key, or `None` if a `?` precedes it.
    implicit_key: Option<usize>,
}

/// Adds the nodes of a stream of events to an arena.
struct Builder<'a, 't> {
    text: &'a str,
    arena: &'t mut NodeArena,
    open: Vec<OpenCollection>,
    /// The offset up to which the text is consumed.
    cursor: usize,
    /// The end of the last scalar, alias, node property or indicator.
    last_end: usize,
    /// The last offset whose column was requested, and the start of its line.
    column_at: (usize, usize),
    /// The number of open flow collections.
    flow_depth: usize,
}

/// The result of adding a part of a document.
type BuildResult<T = ()> = Result<T, Unsupported>;

impl Builder<'_, '_> {
    /// Returns the error for a node that is not found in the text.
    fn fail<T>(&self) -> BuildResult<T> {
        Err(Unsupported { offset: self.cursor, reason: "YAML whose source positions cannot be found" })
    }

    /// Returns the byte at the cursor, or 0 at the end of the text.
    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.cursor).copied().unwrap_or(0)
    }

    /// Moves the cursor past a byte order mark, the directives and the `---` before the document.
    fn skip_document_start(&mut self, span: Span) -> BuildResult {
        if self.text.starts_with('\u{feff}') {
            self.cursor = 3;
        }
        if let Some(range) = span.byte_range()
            && self.text.get(range.clone()).is_some_and(|marker| marker.starts_with("---"))
        {
            self.cursor = range.start + 3;
        }
        self.last_end = self.cursor;
        Ok(())
    }

    /// Moves the cursor past whitespace and comments.
    fn skip_trivia(&mut self) {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.cursor) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.cursor += 1,
                b'#' if self.cursor == 0 || bytes[self.cursor - 1].is_ascii_whitespace() => {
                    self.cursor =
                        memchr::memchr(b'\n', &bytes[self.cursor..]).map_or(bytes.len(), |at| self.cursor + at);
                }
                _ => break,
            }
        }
    }

    /// Consumes `indicator` if it is the next token. Returns whether it was consumed.
    fn consume(&mut self, indicator: u8) -> bool {
        self.skip_trivia();
        let is_next = self.byte() == indicator;
        if is_next {
            self.cursor += 1;
            self.last_end = self.cursor;
        }
        is_next
    }

    /// Returns the column of a byte offset, not counting a byte order mark.
    ///
    /// The offsets of successive calls usually increase, so only the text since the last call is searched for a line
    /// break.
    fn column_of(&mut self, at: usize) -> BuildResult<u16> {
        let (last, line) = self.column_at;
        let (from, line) = if last <= at { (last, line) } else { (0, 0) };
        let start = memchr::memrchr(b'\n', &self.text.as_bytes()[from..at]).map_or(line, |newline| from + newline + 1);
        self.column_at = (at, start);
        to_column(self.text[start..at].trim_start_matches('\u{feff}').len(), at)
    }

    /// Consumes the indicators that the innermost open collection requires before its next child.
    fn consume_separator(&mut self) -> BuildResult {
        let Some(parent) = self.open.last() else { return Ok(()) };
        let (node, kind, position) = (parent.node as usize, parent.kind, parent.children);
        match kind {
            CollectionKind::BlockSeq => {
                if !self.consume(b'-') {
                    return self.fail();
                }
                if position == 0 {
                    let dash = self.cursor - 1;
                    let column = self.column_of(dash)?;
                    self.arena.nodes[node].start = dash as u32;
                    self.arena.nodes[node].column = column;
                }
            }
            CollectionKind::BlockMap | CollectionKind::FlowMap | CollectionKind::FlowPair => {
                if position % 2 == 1 {
                    self.consume_colon(parent.implicit_key.filter(|_| kind != CollectionKind::BlockMap))?;
                } else {
                    if kind != CollectionKind::BlockMap && position > 0 && !self.consume(b',') {
                        return self.fail();
                    }
                    self.skip_trivia();
                    let start = self.cursor;
                    let is_explicit =
                        self.byte() == b'?' && self.text[start + 1..].starts_with([' ', '\n', '\t', '\r']);
                    if is_explicit {
                        self.consume(b'?');
                    }
                    if let Some(parent) = self.open.last_mut() {
                        parent.implicit_key = (!is_explicit).then_some(start);
                    }
                    if position == 0 && kind == CollectionKind::BlockMap {
                        let column = self.column_of(start)?;
                        self.arena.nodes[node].start = start as u32;
                        self.arena.nodes[node].column = column;
                    }
                }
            }
            CollectionKind::FlowSeq => {
                if position > 0 && !self.consume(b',') {
                    return self.fail();
                }
            }
        }
        Ok(())
    }

    /// Consumes the `:` before a value. Fails if the key begins on another line, at `key`: YAML 1.2 allows that inside
    /// brackets, but neither go-yaml nor PyYAML reads it.
    fn consume_colon(&mut self, key: Option<usize>) -> BuildResult {
        let colon = self.consume(b':').then(|| self.cursor - 1);
        match (key, colon) {
            (Some(start), Some(end)) if self.text[start..end].contains('\n') => {
                Err(Unsupported { offset: start, reason: MULTILINE_KEY })
            }
            _ => Ok(()),
        }
    }

    /// Consumes the anchor and tag of the next node, in either order.
    fn consume_properties(&mut self, has_anchor: bool, has_tag: bool) -> BuildResult {
        if !has_anchor && !has_tag {
            return Ok(());
        }
        let mut properties = Properties { node: self.arena.nodes.len() as u32, anchor: None, tag: None };
        for _ in 0..usize::from(has_anchor) + usize::from(has_tag) {
            self.skip_trivia();
            let start = self.cursor;
            let rest = &self.text[start..];
            let length = rest.find([' ', '\t', '\n', '\r', ',', '[', ']', '{', '}']).unwrap_or(rest.len());
            match self.byte() {
                b'&' if has_anchor && properties.anchor.is_none() => {
                    properties.anchor = Some(start as u32 + 1..(start + length) as u32)
                }
                b'!' if has_tag && properties.tag.is_none() && !rest.starts_with("!<") => {
                    properties.tag = Some(start as u32..(start + length) as u32);
                }
                _ => return self.fail(),
            }
            self.cursor += length;
            self.last_end = self.cursor;
        }
        self.arena.properties.push(properties);
        Ok(())
    }

    /// Adds a node to the arena and counts it as a child of the innermost open collection.
    fn push(&mut self, kind: NodeKind, start: usize, end: usize, column: u16, mut flags: u8) {
        let node = self.arena.nodes.len() as u32;
        if self.arena.properties.last().is_some_and(|properties| properties.node == node) {
            flags |= PROPERTIES;
        }
        self.arena.nodes.push(NodeData { start: start as u32, end: end as u32, next: node + 1, column, kind, flags });
        if let Some(parent) = self.open.last_mut() {
            parent.children += 1;
        }
    }

    /// Adds the node of an event, or closes a collection.
    fn handle_event(&mut self, event: &Event<'_>, span: Span) -> BuildResult {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                self.consume_separator()?;
                self.consume_properties(*anchor != 0, tag.is_some())?;
                self.add_scalar(value, *style, span)
            }
            Event::Alias(_) => {
                self.consume_separator()?;
                let Some(range) = span.byte_range().filter(|range| range.start >= self.cursor) else {
                    return self.fail();
                };
                self.push(NodeKind::Alias, range.start, range.end, 0, 0);
                self.cursor = range.end;
                self.last_end = range.end;
                Ok(())
            }
            Event::SequenceStart(style, anchor, tag) | Event::MappingStart(style, anchor, tag) => {
                let is_map = matches!(event, Event::MappingStart(..));
                self.consume_separator()?;
                self.consume_properties(*anchor != 0, tag.is_some())?;
                self.skip_trivia();
                let start = self.cursor;
                let kind = match (is_map, style) {
                    (false, StructureStyle::Block) => CollectionKind::BlockSeq,
                    (true, StructureStyle::Block) => CollectionKind::BlockMap,
                    (false, StructureStyle::Flow) => CollectionKind::FlowSeq,
                    (true, StructureStyle::Flow) if self.byte() != b'{' => CollectionKind::FlowPair,
                    (true, StructureStyle::Flow) => CollectionKind::FlowMap,
                };
                let flags = if *style == StructureStyle::Flow { FLOW } else { 0 };
                let has_bracket = match kind {
                    CollectionKind::FlowSeq => self.consume(b'['),
                    CollectionKind::FlowMap => self.consume(b'{'),
                    _ => true,
                };
                if !has_bracket {
                    return self.fail();
                }
                let node = self.arena.nodes.len() as u32;
                let column = if flags == FLOW { 0 } else { self.column_of(start)? };
                self.push(if is_map { NodeKind::Map } else { NodeKind::Seq }, start, start, column, flags);
                self.open.push(OpenCollection { node, kind, children: 0, implicit_key: None });
                self.flow_depth += usize::from(flags == FLOW);
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close_collection(),
            _ => Ok(()),
        }
    }

    /// Closes the innermost open collection.
    fn close_collection(&mut self) -> BuildResult {
        let Some(closed) = self.open.pop() else { return self.fail() };
        if let CollectionKind::FlowSeq | CollectionKind::FlowMap = closed.kind {
            self.consume(b',');
            if !self.consume(if closed.kind == CollectionKind::FlowSeq { b']' } else { b'}' }) {
                return self.fail();
            }
        }
        let next = self.arena.nodes.len() as u32;
        let node = &mut self.arena.nodes[closed.node as usize];
        self.flow_depth -= usize::from(node.flags & FLOW != 0);
        node.next = next;
        node.end = self.last_end as u32;
        Ok(())
    }

    /// Adds a scalar. Fails if its decoded content differs from granit-parser's `value`.
    fn add_scalar(&mut self, value: &str, style: ScalarStyle, span: Span) -> BuildResult {
        let Some(range) = span.byte_range() else { return self.fail() };
        if style == ScalarStyle::Plain
            && (range.is_empty() || value.is_empty() || &self.text[range.clone()] == "~" && range.start < self.cursor)
        {
            let at = self.last_end;
            self.push(NodeKind::Empty, at, at, 0, 0);
            return Ok(());
        }
        self.skip_trivia();
        let (kind, range, column) = match style {
            ScalarStyle::Plain => (NodeKind::Plain, range, 0),
            ScalarStyle::SingleQuoted => (NodeKind::SingleQuoted, range, 0),
            ScalarStyle::DoubleQuoted => (NodeKind::DoubleQuoted, range, 0),
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let parent = self.open.last().map_or(-1, |open| i64::from(self.arena.nodes[open.node as usize].column));
                let (range, column) = block_scalar_span(self.text, self.cursor, parent)?;
                (if style == ScalarStyle::Literal { NodeKind::Literal } else { NodeKind::Folded }, range, column)
            }
        };
        let raw = &self.text[range.clone()];
        if range.start != self.cursor || raw.is_empty() {
            return self.fail();
        }
        if kind == NodeKind::Plain && self.flow_depth > 0 {
            check_flow_plain(raw, range.start)?;
        }
        let mut flags = 0;
        if !matches!(kind, NodeKind::Literal | NodeKind::Folded) {
            flags |= if raw.contains('\n') { MULTILINE } else { 0 };
            let is_escaped = kind == NodeKind::DoubleQuoted && raw.contains('\\')
                || kind == NodeKind::SingleQuoted && raw[1..raw.len() - 1].contains('\'');
            flags |= if is_escaped { ESCAPED } else { 0 };
        }
        self.cursor = range.end;
        self.last_end = range.end;
        self.push(kind, range.start, range.end, column, flags);
        let document = Document::new(self.text, self.arena);
        let decoded = document.node(self.arena.nodes.len() as u32 - 1).text();
        if decoded.as_deref() == Some(value) { Ok(()) } else { self.fail() }
    }
}
