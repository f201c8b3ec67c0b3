//! Block structure: one line at a time, the indentation decides which open collections end, then the line's
//! own tokens are taken. What is on a line of its own, what is a key, what continues a plain scalar.

use std::ops::Range;

use super::super::characters::check_characters;
use super::super::node_kind::{MULTILINE, NodeKind};
use super::super::tree::NodeArena;
use super::super::unsupported::Unsupported;
use super::bytes::{find_plain_stop, is_blank, line_end, skip_spaces};
use super::scanner::{Open, Scan, Scanner, Slot, unsupported};

/// Scans one document (which may begin with its `---` line) into a tape.
///
/// # Errors
///
/// Fails on whatever it does not understand, the characters that [`check_characters`] refuses among it.
pub fn scan(text: &str, arena: &mut NodeArena) -> Result<(), Unsupported> {
    arena.clear();
    check_characters(text).map_err(|refusal| Unsupported { offset: refusal.span.start, reason: refusal.reason })?;
    if u32::try_from(text.len()).is_err() {
        return Err(Unsupported { offset: 0, reason: "a document of 4 GiB or more" });
    }
    Scanner::new(text, arena).run()
}

/// The span and content column of the block scalar whose header is at `at`, under a parent's column
/// (-1: the document).
pub(in super::super) fn block_scalar_span(
    text: &str,
    at: usize,
    parent: i64,
) -> Result<(Range<usize>, u32), Unsupported> {
    if !matches!(text.as_bytes().get(at), Some(b'|' | b'>')) {
        return unsupported(at, "a block scalar without its header");
    }
    let mut arena = NodeArena::default();
    let mut scanner = Scanner::new(text, &mut arena);
    if let Ok(column) = u32::try_from(parent) {
        scanner.open.push(Open { node: 0, column, seq: false });
    }
    scanner.block_scalar(at)?;
    let node = &scanner.arena.nodes[0];
    Ok((node.start as usize..node.end as usize, node.column))
}

/// How a plain scalar ends on its first line.
enum PlainEnd {
    /// At a `:` that makes it a key.
    Key { end: usize, colon: usize },
    /// At the end of the line or at a comment.
    Line { end: usize, next: usize, comment: bool },
}

impl Scanner<'_> {
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
                Some(b'\t') => return unsupported(at, "a tab where indentation is expected"),
                Some(byte) => {
                    let column = at - line;
                    if column == 0 && matches!(byte, b'-' | b'.') && self.is_document_marker(at) {
                        if byte == b'-' {
                            return unsupported(at, "a second document");
                        }
                        return self.document_end(at);
                    }
                    line = self.content(at, column as u32)?;
                }
            }
        }
        self.finish()
    }

    /// After `...` nothing but blank lines and comments may stand.
    fn document_end(self, at: usize) -> Scan {
        let mut line = self.end_of_line(at + 3, "content on the line of `...`")?;
        while line < self.text.len() {
            let at = skip_spaces(self.text, line);
            match self.byte(at) {
                None => break,
                Some(b'\n' | b'\r' | b'#') => line = line_end(self.text, at) + 1,
                Some(_) => return unsupported(at, "content after the end of the document (`...`)"),
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
                    unsupported(at, "a sequence item where a key is expected")
                } else {
                    self.key(at)
                }
            }
            _ => unsupported(at, "indentation that fits no open mapping or sequence"),
        }
    }

    /// A further line of a multi-line plain scalar.
    fn continue_plain(&mut self, at: usize) -> Scan<usize> {
        let Some(plain) = self.plain else {
            return unsupported(at, "indentation deeper than its place allows");
        };
        let PlainEnd::Line { end, next, comment } = self.plain_end(at)? else {
            return unsupported(at, "a `key: value` where a scalar goes on");
        };
        let node = &mut self.arena.nodes[plain as usize];
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
            Some(b'\t') => unsupported(content, "a tab after `-`, which Kubernetes refuses"),
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
                        return unsupported(at, "an anchor or tag before `-`");
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
                            return unsupported(at, "an anchor or tag on a key");
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
                                return unsupported(at, "an anchor or tag on a key");
                            }
                            self.open(false, at, column)?;
                            self.push_key(NodeKind::Plain, at, end, 0)?;
                            self.value(colon)
                        }
                        PlainEnd::Line { end, next, comment } => Ok(self.push_plain(at, end, next, comment)),
                    };
                }
            }
        }
    }

    fn scalar(&mut self, at: usize, end: usize, flags: u8) -> Scan<usize> {
        let kind = if self.text[at] == b'"' { NodeKind::DoubleQuoted } else { NodeKind::SingleQuoted };
        let line = self.end_of_line(end, "text behind a quoted scalar")?;
        self.push(kind, at, end, 0, flags);
        self.slot = Slot::None;
        Ok(line)
    }

    #[inline(always)]
    fn push_plain(&mut self, start: usize, end: usize, next: usize, comment: bool) -> usize {
        let node = self.arena.nodes.len() as u32;
        self.push(NodeKind::Plain, start, end, 0, 0);
        self.slot = Slot::None;
        self.plain = (!comment).then_some(node);
        next
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
                unsupported(at, "a quoted scalar where a `key:` is expected")
            }
            b'&' | b'!' => unsupported(at, "an anchor or tag on a key"),
            b'*' => unsupported(at, "an alias as a key"),
            _ => match self.plain(at)? {
                PlainEnd::Key { end, colon } => {
                    self.push_key(NodeKind::Plain, at, end, 0)?;
                    self.value(colon)
                }
                PlainEnd::Line { .. } => unsupported(at, "text where a `key:` is expected"),
            },
        }
    }

    fn quoted_key(&mut self, at: usize, end: usize, flags: u8, colon: usize) -> Scan<usize> {
        if flags & MULTILINE != 0 {
            return unsupported(at, "a key over several lines");
        }
        let kind = if self.text[at] == b'"' { NodeKind::DoubleQuoted } else { NodeKind::SingleQuoted };
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
                        return unsupported(at, "`*` without a name");
                    }
                    if self.properties.is_some() {
                        return unsupported(at, "an anchor or tag on an alias");
                    }
                    let line = self.end_of_line(end, "text behind an alias")?;
                    self.check_alias(at, end)?;
                    self.push(NodeKind::Alias, at, end, 0, 0);
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
                b'-' if self.is_space_at(at + 1) => unsupported(at, "a sequence item on the line of its key"),
                _ => match self.plain(at)? {
                    PlainEnd::Key { colon, .. } => unsupported(colon, "a second `: ` on one line"),
                    PlainEnd::Line { end, next, comment } => Ok(self.push_plain(at, end, next, comment)),
                },
            };
        }
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
        unsupported(at, reason)
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
}
