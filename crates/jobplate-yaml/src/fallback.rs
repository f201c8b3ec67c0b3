//! The fallback for documents that the scanner steps back from: granit-parser's events as the same tape.
//!
//! granit says what the nodes are; where dashes, colons and block scalar headers stand is found again in
//! the text. Every scalar is decoded from the span that was found and compared with granit's own reading,
//! so a wrong span is never used. `agree` asks a second witness, of libyaml's family, about an edit.

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StructureStyle};
use serde_yaml::Value as Witness;

use super::edit::{Change, Child, Edit, Value};
use super::node_kind::{ESCAPED, FLOW, MULTILINE, NodeKind, PROPERTIES};
use super::scan::{block_scalar_span, scan};
use super::tree::{Document, Entry, Node, NodeArena, Properties};
use super::unsupported::Unsupported;

/// Reads one document into a tape: with the scanner, or where it steps back, with granit-parser.
///
/// [`NodeArena::fallback`] tells which of them read it.
///
/// # Errors
///
/// Fails with the place where the scanner stepped back, if neither parser reads the text.
pub fn read(text: &str, arena: &mut NodeArena) -> Result<(), Unsupported> {
    let Err(unsupported) = scan(text, arena) else { return Ok(()) };
    parse_with_granit(text, arena).map_err(|_| unsupported)?;
    arena.fallback_reason = Some(unsupported);
    Ok(())
}

/// Reads one document with granit-parser into a tape.
///
/// # Errors
///
/// Fails where the text is not YAML, or not one document, or where the places of its nodes are not found again.
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
    let mut builder = Builder { text, arena, frames: Vec::new(), cursor: 0, last_end: 0 };
    let mut documents = 0;
    let mut pending: Option<(Event<'_>, Span)> = None;
    let mut parser = Parser::new_from_str_with_options(text, options);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| Unsupported {
            offset: error.marker().byte_offset().unwrap_or(0).min(text.len()),
            reason: "no valid YAML",
        })?;
        match &event {
            Event::DocumentStart(..) => {
                documents += 1;
                if documents > 1 {
                    return Err(Unsupported { offset: builder.cursor, reason: "a second document" });
                }
                builder.start(span)?;
                continue;
            }
            // Comes behind the node it is about; the node itself knows that it has an anchor.
            Event::Anchor(..) => continue,
            _ => {}
        }
        if let Some((event, span)) = pending.replace((event, span)) {
            builder.event(&event, span)?;
        }
    }
    if let Some((event, span)) = pending {
        builder.event(&event, span)?;
    }
    if builder.arena.is_empty() {
        builder.push(NodeKind::Empty, 0, 0, 0, 0);
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    BlockSeq,
    BlockMap,
    FlowSeq,
    FlowMap,
    /// `[key: value]`: a mapping without brackets.
    FlowPair,
}

struct Frame {
    node: u32,
    around: Around,
    children: usize,
}

struct Builder<'a, 't> {
    text: &'a str,
    arena: &'t mut NodeArena,
    frames: Vec<Frame>,
    /// Everything before it is accounted for.
    cursor: usize,
    last_end: usize,
}

type Built<T = ()> = Result<T, Unsupported>;

impl Builder<'_, '_> {
    fn fail<T>(&self) -> Built<T> {
        Err(Unsupported { offset: self.cursor, reason: "YAML that is read, but whose places are not found again" })
    }

    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.cursor).copied().unwrap_or(0)
    }

    /// Past the `---` and directives that granit read before the document.
    fn start(&mut self, span: Span) -> Built {
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

    /// Takes an indicator if it is next.
    fn take(&mut self, indicator: u8) -> bool {
        self.skip_trivia();
        let found = self.byte() == indicator;
        if found {
            self.cursor += 1;
            self.last_end = self.cursor;
        }
        found
    }

    fn column_of(&self, at: usize) -> u32 {
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        self.text[start..at].trim_start_matches('\u{feff}').len() as u32
    }

    /// What stands between the last node and the next one, by the collection around them.
    fn before_node(&mut self) -> Built {
        let Some(frame) = self.frames.last() else { return Ok(()) };
        let (node, around, position) = (frame.node as usize, frame.around, frame.children);
        match around {
            Around::BlockSeq => {
                if !self.take(b'-') {
                    return self.fail();
                }
                if position == 0 {
                    let dash = self.cursor - 1;
                    self.arena.nodes[node].start = dash as u32;
                    self.arena.nodes[node].column = self.column_of(dash);
                }
            }
            Around::BlockMap | Around::FlowMap | Around::FlowPair => {
                if position % 2 == 1 {
                    self.take(b':');
                } else {
                    if around != Around::BlockMap && position > 0 && !self.take(b',') {
                        return self.fail();
                    }
                    self.skip_trivia();
                    let start = self.cursor;
                    if self.byte() == b'?' && self.text[start + 1..].starts_with([' ', '\n', '\t', '\r']) {
                        self.take(b'?');
                    }
                    if position == 0 && around == Around::BlockMap {
                        self.arena.nodes[node].start = start as u32;
                        self.arena.nodes[node].column = self.column_of(start);
                    }
                }
            }
            Around::FlowSeq => {
                if position > 0 && !self.take(b',') {
                    return self.fail();
                }
            }
        }
        Ok(())
    }

    /// Anchor and tag, as many as granit says that the node has.
    fn properties(&mut self, anchor: bool, tag: bool) -> Built {
        if !anchor && !tag {
            return Ok(());
        }
        let mut properties = Properties { node: self.arena.nodes.len() as u32, anchor: None, tag: None };
        for _ in 0..usize::from(anchor) + usize::from(tag) {
            self.skip_trivia();
            let start = self.cursor;
            let rest = &self.text[start..];
            let length = rest.find([' ', '\t', '\n', '\r', ',', '[', ']', '{', '}']).unwrap_or(rest.len());
            match self.byte() {
                b'&' if anchor && properties.anchor.is_none() => {
                    properties.anchor = Some(start as u32 + 1..(start + length) as u32)
                }
                b'!' if tag && properties.tag.is_none() && !rest.starts_with("!<") => {
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

    fn push(&mut self, kind: NodeKind, start: usize, end: usize, column: u32, mut flags: u8) {
        let node = self.arena.nodes.len() as u32;
        if self.arena.properties.last().is_some_and(|properties| properties.node == node) {
            flags |= PROPERTIES;
        }
        self.arena.nodes.push(Entry { start: start as u32, end: end as u32, next: node + 1, column, kind, flags });
        if let Some(frame) = self.frames.last_mut() {
            frame.children += 1;
        }
    }

    fn event(&mut self, event: &Event<'_>, span: Span) -> Built {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                self.before_node()?;
                self.properties(*anchor != 0, tag.is_some())?;
                self.scalar(value, *style, span)
            }
            Event::Alias(_) => {
                self.before_node()?;
                let Some(range) = span.byte_range().filter(|range| range.start >= self.cursor) else {
                    return self.fail();
                };
                self.push(NodeKind::Alias, range.start, range.end, 0, 0);
                self.cursor = range.end;
                self.last_end = range.end;
                Ok(())
            }
            Event::SequenceStart(style, anchor, tag) | Event::MappingStart(style, anchor, tag) => {
                let map = matches!(event, Event::MappingStart(..));
                self.before_node()?;
                self.properties(*anchor != 0, tag.is_some())?;
                self.skip_trivia();
                let start = self.cursor;
                let around = match (map, style) {
                    (false, StructureStyle::Block) => Around::BlockSeq,
                    (true, StructureStyle::Block) => Around::BlockMap,
                    (false, StructureStyle::Flow) => Around::FlowSeq,
                    (true, StructureStyle::Flow) if self.byte() != b'{' => Around::FlowPair,
                    (true, StructureStyle::Flow) => Around::FlowMap,
                };
                let flags = if *style == StructureStyle::Flow { FLOW } else { 0 };
                let bracket = match around {
                    Around::FlowSeq => self.take(b'['),
                    Around::FlowMap => self.take(b'{'),
                    _ => true,
                };
                if !bracket {
                    return self.fail();
                }
                let node = self.arena.nodes.len() as u32;
                self.push(if map { NodeKind::Map } else { NodeKind::Seq }, start, start, self.column_of(start), flags);
                self.frames.push(Frame { node, around, children: 0 });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Built {
        let Some(frame) = self.frames.pop() else { return self.fail() };
        if let Around::FlowSeq | Around::FlowMap = frame.around {
            self.take(b',');
            if !self.take(if frame.around == Around::FlowSeq { b']' } else { b'}' }) {
                return self.fail();
            }
        }
        let next = self.arena.nodes.len() as u32;
        let node = &mut self.arena.nodes[frame.node as usize];
        node.next = next;
        node.end = self.last_end as u32;
        Ok(())
    }

    fn scalar(&mut self, value: &str, style: ScalarStyle, span: Span) -> Built {
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
                let parent =
                    self.frames.last().map_or(-1, |frame| i64::from(self.arena.nodes[frame.node as usize].column));
                let (range, column) = block_scalar_span(self.text, self.cursor, parent)?;
                (if style == ScalarStyle::Literal { NodeKind::Literal } else { NodeKind::Folded }, range, column)
            }
        };
        let raw = &self.text[range.clone()];
        if range.start != self.cursor || raw.is_empty() {
            return self.fail();
        }
        let mut flags = 0;
        if !matches!(kind, NodeKind::Literal | NodeKind::Folded) {
            flags |= if raw.contains('\n') { MULTILINE } else { 0 };
            let escaped = kind == NodeKind::DoubleQuoted && raw.contains('\\')
                || kind == NodeKind::SingleQuoted && raw[1..raw.len() - 1].contains('\'');
            flags |= if escaped { ESCAPED } else { 0 };
        }
        self.cursor = range.end;
        self.last_end = range.end;
        self.push(kind, range.start, range.end, column, flags);
        let document = Document::new(self.text, self.arena);
        let read = document.node(self.arena.nodes.len() as u32 - 1).text();
        if read.as_deref() == Some(value) { Ok(()) } else { self.fail() }
    }
}

/// Whether yaml_serde, too, reads `after` as `before` with the edits made.
pub(super) fn agree(before: Document<'_>, edits: &[Edit], after: &str) -> bool {
    let read = |text: &str| serde_yaml::from_str::<Witness>(text.trim_start_matches('\u{feff}')).ok();
    match (read(before.text), read(after)) {
        (Some(old), Some(new)) => reads_alike(&old, before.root()) && edited(old, before.root(), edits) == Some(new),
        _ => false,
    }
}

/// Whether the witness sees the nodes and texts of the tape. Numbers and booleans have no text to compare,
/// and what an alias stands for is compared where it is written.
fn reads_alike(value: &Witness, node: Node<'_>) -> bool {
    let is_plain = matches!(node.kind(), NodeKind::Plain | NodeKind::Empty);
    match value {
        _ if node.kind() == NodeKind::Alias => true,
        Witness::Tagged(tagged) => reads_alike(&tagged.value, node),
        Witness::Sequence(items) => {
            let mut own = node.items();
            node.kind() == NodeKind::Seq
                && items.iter().all(|item| own.next().is_some_and(|own| reads_alike(item, own)))
                && own.next().is_none()
        }
        Witness::Mapping(entries) => {
            let mut own = node.entries();
            let alike = |(key, value): (&Witness, &Witness)| {
                own.next()
                    .is_some_and(|(own_key, own_value)| reads_alike(key, own_key) && reads_alike(value, own_value))
            };
            node.kind() == NodeKind::Map && entries.iter().all(alike) && node.entries().count() == entries.len()
        }
        Witness::String(text) => node.is_scalar() && node.has_text(text),
        Witness::Null | Witness::Bool(_) | Witness::Number(_) => is_plain,
    }
}

/// The witness's value of a node with the edits in its subtree made.
fn edited(value: Witness, node: Node<'_>, edits: &[Edit]) -> Option<Witness> {
    let inside = |edit: &&Edit| (node.index()..node.entry().next).contains(&edit.node);
    let Some(edit) = edits.iter().find(inside) else { return Some(value) };
    let (remove, insert): (&[usize], &[(usize, Child)]) = match &edit.change {
        Change::Replace(new) if edit.node == node.index() => return Some(witness(new)),
        Change::Text { text, .. } if edit.node == node.index() => return Some(Witness::from(&**text)),
        Change::Children { remove, insert } if edit.node == node.index() => (remove, insert),
        _ => (&[], &[]),
    };
    let arrivals = |position: usize| insert.iter().filter(move |(at, _)| *at == position).map(|(_, child)| child);
    match value {
        Witness::Sequence(items) => {
            let mut out = Vec::new();
            let count = items.len();
            for (position, (item, node)) in items.into_iter().zip(node.items()).enumerate() {
                out.extend(arrivals(position).cloned().filter_map(Child::into_item).map(|value| witness(&value)));
                if !remove.contains(&position) {
                    out.push(edited(item, node, edits)?);
                }
            }
            out.extend(arrivals(count).cloned().filter_map(Child::into_item).map(|value| witness(&value)));
            Some(Witness::Sequence(out))
        }
        Witness::Mapping(entries) => {
            let mut out = serde_yaml::Mapping::new();
            let count = entries.len();
            let add = |position: usize, out: &mut serde_yaml::Mapping| {
                for (key, value) in arrivals(position).cloned().filter_map(Child::into_entry) {
                    out.insert(Witness::from(key), witness(&value));
                }
            };
            for (position, ((key, item), (_, node))) in entries.into_iter().zip(node.entries()).enumerate() {
                add(position, &mut out);
                if !remove.contains(&position) {
                    out.insert(key, edited(item, node, edits)?);
                }
            }
            add(count, &mut out);
            Some(Witness::Mapping(out))
        }
        _ => None,
    }
}

fn witness(value: &Value) -> Witness {
    match value {
        Value::Name(text) | Value::String(text) => Witness::from(&**text),
        Value::Bool(value) => Witness::from(*value),
        Value::Null => Witness::Null,
        Value::Map(entries) => {
            Witness::Mapping(entries.iter().map(|(key, value)| (Witness::from(&**key), witness(value))).collect())
        }
        Value::Seq(items) => Witness::Sequence(items.iter().map(witness).collect()),
    }
}
