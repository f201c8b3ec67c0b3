//! The scanner: one document's bytes to a tape of nodes with exact spans, at the speed of reading.
//!
//! It understands a large part of YAML and proves what it accepts: where it is not sure that go-yaml,
//! libyaml and YAML 1.2 readers see the same nodes, it steps back with a place and a reason, and the
//! fallback parser is asked. It never guesses and never repairs. docs/editing.md lists what it accepts.
//!
//! One line at a time: the indentation decides which open collections end, then the line's own tokens
//! are taken. A node that a line promised (`key:` or `-` with nothing behind) is a *slot* that a later
//! line fills. No recursion, no allocation per node.

mod flow;
mod scalar;

use std::collections::HashSet;
use std::ops::Range;

use self::flow::OpenFlow;
use super::admit::admit;
use super::kind::{Kind, MULTILINE, PROPERTIES};
use super::step_back::StepBack;
use super::tree::{Entry, Properties, Tape};

/// Nesting that other readers still take (granit-parser's limit).
const MAX_DEPTH: usize = 250;
/// The longest key that libyaml and go-yaml still find the `:` of.
const MAX_KEY: usize = 1000;

/// Scans one document (which may begin with its `---` line) into a tape.
///
/// # Errors
///
/// Fails on whatever it does not understand, the characters that [`admit`] refuses among it.
pub fn scan(text: &str, tape: &mut Tape) -> Result<(), StepBack> {
    tape.clear();
    admit(text).map_err(|refusal| StepBack { offset: refusal.span.start, reason: refusal.reason })?;
    if u32::try_from(text.len()).is_err() {
        return Err(StepBack { offset: 0, reason: "a document of 4 GiB or more" });
    }
    Scanner::new(text, tape).run()
}

/// The span and content column of the block scalar whose header is at `at`, under a parent's column
/// (-1: the document).
pub(super) fn block_scalar_span(text: &str, at: usize, parent: i64) -> Result<(Range<usize>, u32), StepBack> {
    if !matches!(text.as_bytes().get(at), Some(b'|' | b'>')) {
        return step_back(at, "a block scalar without its header");
    }
    let mut tape = Tape::default();
    let mut scanner = Scanner::new(text, &mut tape);
    if let Ok(column) = u32::try_from(parent) {
        scanner.open.push(Open { node: 0, column, seq: false });
    }
    scanner.block_scalar(at)?;
    let node = &scanner.tape.nodes[0];
    Ok((node.start as usize..node.end as usize, node.column))
}

/// What the next content line may fill.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    None,
    Root,
    Item,
    Value,
}

/// A block collection that is not yet closed.
#[derive(Clone, Copy)]
struct Open {
    node: u32,
    column: u32,
    seq: bool,
}

struct Scanner<'a> {
    text: &'a [u8],
    tape: &'a mut Tape,
    /// Open block collections, outermost first; columns never shrink inwards.
    open: Vec<Open>,
    slot: Slot,
    /// The plain scalar that a deeper next line would continue.
    plain: Option<u32>,
    /// Where the last leaf, or the `:` or `-` that promises one, ends.
    last_end: u32,
    /// Anchor and tag read for the node to come.
    properties: Option<Properties>,
    /// The names of the anchors so far.
    anchors: HashSet<&'a [u8]>,
    flow: Vec<OpenFlow>,
}

type Scan<T = ()> = Result<T, StepBack>;

fn step_back<T>(offset: usize, reason: &'static str) -> Scan<T> {
    Err(StepBack { offset, reason })
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The high bit of the lowest byte equal to `byte` (and perhaps of bytes above it).
#[inline(always)]
fn equal_bytes(word: u64, byte: u8) -> u64 {
    let difference = word ^ (ONES * byte as u64);
    difference.wrapping_sub(ONES) & !difference & HIGHS
}

#[inline(always)]
fn word_at(text: &[u8], at: usize) -> Option<u64> {
    let bytes = text.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// The first byte from `at` on that is not a space.
#[inline(always)]
fn skip_spaces(text: &[u8], mut at: usize) -> usize {
    while let Some(word) = word_at(text, at) {
        let other = word ^ (ONES * b' ' as u64);
        if other != 0 {
            return at + (other.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while text.get(at) == Some(&b' ') {
        at += 1;
    }
    at
}

/// The first `:`, `#` or line feed from `at` on, or the end.
#[inline(always)]
fn find_plain_stop(text: &[u8], mut at: usize) -> usize {
    while let Some(word) = word_at(text, at) {
        let found = equal_bytes(word, b':') | equal_bytes(word, b'#') | equal_bytes(word, b'\n');
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while at < text.len() && !matches!(text[at], b':' | b'#' | b'\n') {
        at += 1;
    }
    at
}

/// The line feed that ends the line of `at`, or the end.
fn line_end(text: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |offset| at + offset)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// How a plain scalar ends on its first line.
enum PlainEnd {
    /// At a `:` that makes it a key.
    Key { end: usize, colon: usize },
    /// At the end of the line or at a comment.
    Line { end: usize, next: usize, comment: bool },
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str, tape: &'a mut Tape) -> Self {
        Scanner {
            text: text.as_bytes(),
            tape,
            open: Vec::with_capacity(32),
            slot: Slot::Root,
            plain: None,
            last_end: 0,
            properties: None,
            anchors: HashSet::new(),
            flow: Vec::new(),
        }
    }

    #[inline(always)]
    fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    /// A blank, a line break or the end: what must follow `-`, `:` and `---`.
    #[inline(always)]
    fn is_space_at(&self, at: usize) -> bool {
        match self.byte(at) {
            None => true,
            Some(byte) => matches!(byte, b' ' | b'\n' | b'\t' | b'\r'),
        }
    }

    fn run(mut self) -> Scan {
        let start = if self.text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut line = start;
        if self.text[start..].starts_with(b"---") && self.is_space_at(start + 3) {
            line = self.end_of_line(start + 3, "content on the line of `---`")?;
        }
        while line < self.text.len() {
            let at = skip_spaces(self.text, line);
            match self.byte(at) {
                None => break,
                Some(b'\n') => line = at + 1,
                Some(b'\r') => line = at + 2,
                Some(b'#') => {
                    self.plain = None;
                    line = line_end(self.text, at) + 1;
                }
                Some(b'\t') => return step_back(at, "a tab where indentation is expected"),
                Some(byte) => {
                    let column = at - line;
                    if column == 0 && matches!(byte, b'-' | b'.') && self.is_document_marker(at) {
                        if byte == b'-' {
                            return step_back(at, "a second document");
                        }
                        return self.document_end(at);
                    }
                    line = self.content(at, column as u32)?;
                }
            }
        }
        self.finish()
    }

    fn is_document_marker(&self, at: usize) -> bool {
        let rest = &self.text[at..];
        (rest.starts_with(b"---") || rest.starts_with(b"...")) && self.is_space_at(at + 3)
    }

    /// After `...` nothing but blank lines and comments may stand.
    fn document_end(self, at: usize) -> Scan {
        let mut line = self.end_of_line(at + 3, "content on the line of `...`")?;
        while line < self.text.len() {
            let at = skip_spaces(self.text, line);
            match self.byte(at) {
                None => break,
                Some(b'\n' | b'\r' | b'#') => line = line_end(self.text, at) + 1,
                Some(_) => return step_back(at, "content after the end of the document (`...`)"),
            }
        }
        self.finish()
    }

    fn finish(mut self) -> Scan {
        if self.slot != Slot::None {
            self.push_empty();
        }
        while let Some(open) = self.open.pop() {
            self.close(open);
        }
        Ok(())
    }

    #[inline(always)]
    fn close(&mut self, open: Open) {
        let next = self.tape.nodes.len() as u32;
        let node = &mut self.tape.nodes[open.node as usize];
        node.next = next;
        node.end = self.last_end;
    }

    /// Puts a node into the slot; a leaf is complete with that.
    #[inline(always)]
    fn push(&mut self, kind: Kind, start: usize, end: usize, column: u32, flags: u8) {
        let node = self.tape.nodes.len() as u32;
        self.tape.nodes.push(Entry { start: start as u32, end: end as u32, next: node + 1, column, kind, flags });
        self.last_end = end as u32;
        if self.properties.is_some() {
            self.attach_properties(node);
        }
    }

    #[cold]
    fn attach_properties(&mut self, node: u32) {
        if let Some(properties) = self.properties.take() {
            self.tape.nodes[node as usize].flags |= PROPERTIES;
            self.tape.properties.push(Properties { node, ..properties });
        }
    }

    fn push_empty(&mut self) {
        let at = self.last_end as usize;
        self.push(Kind::Empty, at, at, 0, 0);
        self.slot = Slot::None;
    }

    /// Opens a block collection at `start` in the slot.
    #[inline(always)]
    fn open(&mut self, seq: bool, start: usize, column: u32) -> Scan {
        if self.open.len() >= MAX_DEPTH {
            return step_back(start, "nesting deeper than 250 levels");
        }
        let node = self.tape.nodes.len() as u32;
        let kind = if seq { Kind::Seq } else { Kind::Map };
        self.push(kind, start, start, column, 0);
        self.open.push(Open { node, column, seq });
        self.slot = Slot::None;
        Ok(())
    }

    /// From the end of a node to the start of the next line: blanks and a comment, nothing else.
    #[inline(always)]
    fn end_of_line(&self, at: usize, otherwise: &'static str) -> Scan<usize> {
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
                    Some(_) => step_back(end, otherwise),
                }
            }
            Some(_) => step_back(at, otherwise),
        }
    }

    /// Takes the content of one line, and what belongs to it of later ones; gives the next line's start.
    #[inline(always)]
    fn content(&mut self, at: usize, column: u32) -> Scan<usize> {
        let dash = self.text[at] == b'-' && self.is_space_at(at + 1);
        if self.slot != Slot::None {
            let top = self.open.last().copied();
            let fills = match (self.slot, top) {
                (Slot::Value, Some(top)) => column > top.column || (column == top.column && dash),
                (_, Some(top)) => column > top.column,
                (_, None) => true,
            };
            if fills {
                return self.node(at, column);
            }
            self.push_empty();
        }
        // A deeper line continues a plain scalar, or is an error.
        match self.open.last() {
            Some(top) if column <= top.column => {}
            _ => return self.continue_plain(at),
        }
        self.plain = None;
        while let Some(&top) = self.open.last() {
            if top.column > column || (top.column == column && top.seq && !dash) {
                self.open.pop();
                self.close(top);
            } else {
                break;
            }
        }
        match self.open.last() {
            Some(top) if top.column == column => {
                if top.seq {
                    self.after_dash(at, column)
                } else if dash {
                    step_back(at, "a sequence item where a key is expected")
                } else {
                    self.key(at)
                }
            }
            _ => step_back(at, "indentation that fits no open mapping or sequence"),
        }
    }

    /// A further line of a multi-line plain scalar.
    fn continue_plain(&mut self, at: usize) -> Scan<usize> {
        let Some(plain) = self.plain else {
            return step_back(at, "indentation deeper than its place allows");
        };
        let PlainEnd::Line { end, next, comment } = self.plain_end(at)? else {
            return step_back(at, "a `key: value` where a scalar goes on");
        };
        let node = &mut self.tape.nodes[plain as usize];
        node.end = end as u32;
        node.flags |= MULTILINE;
        self.last_end = end as u32;
        if comment {
            self.plain = None;
        }
        Ok(next)
    }

    /// A dash at the column of the innermost sequence, or the first of a new one.
    #[inline(always)]
    fn after_dash(&mut self, at: usize, column: u32) -> Scan<usize> {
        let content = skip_spaces(self.text, at + 1);
        self.last_end = at as u32 + 1;
        self.slot = Slot::Item;
        match self.byte(content) {
            Some(b'\n' | b'\r' | b'#') | None => self.end_of_line(at + 1, ""),
            Some(b'\t') => step_back(content, "a tab after `-`, which Kubernetes refuses"),
            Some(_) => self.node(content, column + (content - at) as u32),
        }
    }

    /// A node in the slot, on a line where block collections may begin.
    fn node(&mut self, mut at: usize, mut column: u32) -> Scan<usize> {
        let mut properties_here = false;
        loop {
            match self.text[at] {
                b'-' if self.is_space_at(at + 1) => {
                    if properties_here {
                        return step_back(at, "an anchor or tag before `-`");
                    }
                    self.open(true, at, column)?;
                    let content = skip_spaces(self.text, at + 1);
                    if !matches!(self.byte(content), None | Some(b'\n' | b'\r' | b'#' | b'\t')) {
                        // `- - a`: the next item begins on the same line.
                        self.last_end = at as u32 + 1;
                        self.slot = Slot::Item;
                        column += (content - at) as u32;
                        at = content;
                        continue;
                    }
                    return self.after_dash(at, column);
                }
                b'&' | b'!' => {
                    let after = self.property(at)?;
                    properties_here = true;
                    let next = skip_spaces(self.text, after);
                    if matches!(self.byte(next), None | Some(b'\n' | b'\r' | b'#')) {
                        self.last_end = after as u32;
                        return self.end_of_line(after, "");
                    }
                    column += (next - at) as u32;
                    at = next;
                }
                b'"' | b'\'' => {
                    let (end, flags) = self.quoted(at, self.parent_column())?;
                    let after = skip_spaces(self.text, end);
                    if self.byte(after) == Some(b':') && self.is_space_at(after + 1) {
                        if properties_here {
                            return step_back(at, "an anchor or tag on a key");
                        }
                        self.open(false, at, column)?;
                        return self.quoted_key(at, end, flags, after);
                    }
                    return self.scalar(at, end, flags);
                }
                b'[' | b'{' | b'|' | b'>' | b'*' => return self.inline(at),
                _ => {
                    return match self.plain(at)? {
                        PlainEnd::Key { end, colon } => {
                            if properties_here {
                                return step_back(at, "an anchor or tag on a key");
                            }
                            self.open(false, at, column)?;
                            self.push_key(Kind::Plain, at, end, 0)?;
                            self.value(colon)
                        }
                        PlainEnd::Line { end, next, comment } => Ok(self.push_plain(at, end, next, comment)),
                    };
                }
            }
        }
    }

    fn scalar(&mut self, at: usize, end: usize, flags: u8) -> Scan<usize> {
        let kind = if self.text[at] == b'"' { Kind::Double } else { Kind::Single };
        let line = self.end_of_line(end, "text behind a quoted scalar")?;
        self.push(kind, at, end, 0, flags);
        self.slot = Slot::None;
        Ok(line)
    }

    #[inline(always)]
    fn push_plain(&mut self, start: usize, end: usize, next: usize, comment: bool) -> usize {
        let node = self.tape.nodes.len() as u32;
        self.push(Kind::Plain, start, end, 0, 0);
        self.slot = Slot::None;
        self.plain = (!comment).then_some(node);
        next
    }

    #[inline(always)]
    fn push_key(&mut self, kind: Kind, start: usize, end: usize, flags: u8) -> Scan {
        if end - start > MAX_KEY {
            return step_back(start, "a key longer than 1000 bytes");
        }
        self.push(kind, start, end, 0, flags);
        Ok(())
    }

    /// A key at the column of the innermost mapping.
    #[inline(always)]
    fn key(&mut self, at: usize) -> Scan<usize> {
        match self.text[at] {
            b'"' | b'\'' => {
                let (end, flags) = self.quoted(at, self.parent_column())?;
                let after = skip_spaces(self.text, end);
                if self.byte(after) == Some(b':') && self.is_space_at(after + 1) {
                    return self.quoted_key(at, end, flags, after);
                }
                step_back(at, "a quoted scalar where a `key:` is expected")
            }
            b'&' | b'!' => step_back(at, "an anchor or tag on a key"),
            b'*' => step_back(at, "an alias as a key"),
            _ => match self.plain(at)? {
                PlainEnd::Key { end, colon } => {
                    self.push_key(Kind::Plain, at, end, 0)?;
                    self.value(colon)
                }
                PlainEnd::Line { .. } => step_back(at, "text where a `key:` is expected"),
            },
        }
    }

    fn quoted_key(&mut self, at: usize, end: usize, flags: u8, colon: usize) -> Scan<usize> {
        if flags & MULTILINE != 0 {
            return step_back(at, "a key over several lines");
        }
        let kind = if self.text[at] == b'"' { Kind::Double } else { Kind::Single };
        self.push_key(kind, at, end, flags)?;
        self.value(colon)
    }

    /// What follows the `:` of a key in a block mapping.
    #[inline(always)]
    fn value(&mut self, colon: usize) -> Scan<usize> {
        let at = skip_spaces(self.text, colon + 1);
        self.last_end = colon as u32 + 1;
        self.slot = Slot::Value;
        match self.byte(at) {
            None => Ok(at),
            Some(b'\n') => Ok(at + 1),
            Some(b'\r' | b'\t' | b'#') => self.end_of_line(colon + 1, "a tab after `:`"),
            Some(_) => self.inline(at),
        }
    }

    /// A node on the line of its key: no block collection can begin here.
    #[inline(always)]
    fn inline(&mut self, mut at: usize) -> Scan<usize> {
        loop {
            return match self.text[at] {
                b'"' | b'\'' => {
                    let (end, flags) = self.quoted(at, self.parent_column())?;
                    self.scalar(at, end, flags)
                }
                b'[' | b'{' => {
                    let end = self.flow_collection(at)?;
                    self.end_of_line(end, "text behind a flow collection")
                }
                b'|' | b'>' => self.block_scalar(at),
                b'*' => {
                    let end = self.name_end(at + 1);
                    if end == at + 1 {
                        return step_back(at, "`*` without a name");
                    }
                    if self.properties.is_some() {
                        return step_back(at, "an anchor or tag on an alias");
                    }
                    let line = self.end_of_line(end, "text behind an alias")?;
                    self.check_alias(at, end)?;
                    self.push(Kind::Alias, at, end, 0, 0);
                    self.slot = Slot::None;
                    Ok(line)
                }
                b'&' | b'!' => {
                    let after = self.property(at)?;
                    let next = skip_spaces(self.text, after);
                    if matches!(self.byte(next), None | Some(b'\n' | b'\r' | b'#')) {
                        self.last_end = after as u32;
                        return self.end_of_line(after, "");
                    }
                    at = next;
                    continue;
                }
                b'-' if self.is_space_at(at + 1) => step_back(at, "a sequence item on the line of its key"),
                _ => match self.plain(at)? {
                    PlainEnd::Key { colon, .. } => step_back(colon, "a second `: ` on one line"),
                    PlainEnd::Line { end, next, comment } => Ok(self.push_plain(at, end, next, comment)),
                },
            };
        }
    }

    /// An alias stands for an anchor before it; without one no reader takes the document.
    fn check_alias(&self, at: usize, end: usize) -> Scan {
        if self.anchors.contains(&self.text[at + 1..end]) {
            Ok(())
        } else {
            step_back(at, "an alias without its anchor")
        }
    }

    /// The column that lines of a scalar or flow collection must exceed.
    fn parent_column(&self) -> i64 {
        self.open.last().map_or(-1, |top| i64::from(top.column))
    }

    /// A plain scalar from its first character, which is checked.
    #[inline(always)]
    fn plain(&mut self, at: usize) -> Scan<PlainEnd> {
        let reason = match self.text[at] {
            b'-' if !self.is_space_at(at + 1) => return self.plain_end(at),
            b'?' | b':' if !self.is_space_at(at + 1) => return self.plain_end(at),
            b'-' => "a sequence item where none can be",
            b'?' => "an explicit key (`? `)",
            b':' => "a `:` without a key",
            b'{' if self.byte(at + 1) == Some(b'{') => "a template expression (`{{`)",
            b',' | b'[' | b']' | b'{' | b'}' => "a bracket or comma where text is expected",
            b'&' | b'*' | b'!' | b'|' | b'>' | b'#' | b'"' | b'\'' => "an indicator where text is expected",
            b'%' | b'@' | b'`' => "a character that no plain scalar can begin with",
            b'\t' => "a tab where text is expected",
            _ => return self.plain_end(at),
        };
        step_back(at, reason)
    }

    /// Where the plain text that begins at `at` ends on its line.
    #[inline(always)]
    fn plain_end(&self, at: usize) -> Scan<PlainEnd> {
        let text = self.text;
        let mut stop = at;
        loop {
            stop = find_plain_stop(text, stop);
            match self.byte(stop) {
                Some(b':') => {
                    if self.is_space_at(stop + 1) {
                        return Ok(PlainEnd::Key { end: self.trim_end(at, stop), colon: stop });
                    }
                    stop += 1;
                }
                Some(b'#') => {
                    if stop > at && is_blank(text[stop - 1]) {
                        let next = (line_end(text, stop) + 1).min(text.len());
                        return Ok(PlainEnd::Line { end: self.trim_end(at, stop), next, comment: true });
                    }
                    stop += 1;
                }
                _ => {
                    let next = (stop + 1).min(text.len());
                    return Ok(PlainEnd::Line { end: self.trim_end(at, stop), next, comment: false });
                }
            }
        }
    }

    /// Steps back over the blanks (and a CR) before `end`.
    #[inline(always)]
    fn trim_end(&self, start: usize, mut end: usize) -> usize {
        while end > start && matches!(self.text[end - 1], b' ' | b'\t' | b'\r') {
            end -= 1;
        }
        end
    }

    /// The end of an anchor's, alias's or tag's name.
    fn name_end(&self, mut at: usize) -> usize {
        while self.byte(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            at += 1;
        }
        at
    }

    /// An anchor or a tag; gives its end. Only forms that all readers take alike.
    #[cold]
    fn property(&mut self, at: usize) -> Scan<usize> {
        let properties = self.properties.get_or_insert(Properties { node: 0, anchor: None, tag: None });
        let anchor = self.text[at] == b'&';
        if (anchor && properties.anchor.is_some()) || (!anchor && properties.tag.is_some()) {
            return step_back(at, "two anchors or two tags on one node");
        }
        let mut end = at + 1;
        if !anchor && self.byte(end) == Some(b'!') {
            end += 1;
        }
        let name = end;
        end = self.name_end(end);
        if end == name || !self.is_space_at(end) {
            return step_back(at, if anchor { "an unusual anchor" } else { "an unusual tag" });
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
