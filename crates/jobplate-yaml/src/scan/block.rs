//! Scans block collections and their content line by line.
//!
//! The indentation of a line determines which open collections end before it. Then the line's own tokens are scanned.

use super::super::characters::check_characters;
use super::super::node_kind::{MULTILINE, NodeKind};
use super::super::tree::NodeArena;
use super::super::unsupported::Unsupported;
use super::bytes::{line_end, skip_spaces};
use super::flow::MULTILINE_KEY;
use super::plain::PlainEnd;
use super::scanner::{ScanResult, Scanner, Slot, unsupported};

/// Scans one document, which may begin with its `---` line.
///
/// # Errors
///
/// Fails if the document contains a construct that the scanner does not support, or a character that
/// [`check_characters`] refuses.
pub fn scan(text: &str, arena: &mut NodeArena) -> Result<(), Unsupported> {
    arena.clear();
    check_characters(text)
        .map_err(|forbidden| Unsupported { offset: forbidden.span.start, reason: forbidden.reason })?;
    if u32::try_from(text.len()).is_err() {
        return Err(Unsupported { offset: 0, reason: "a document of 4 GiB or more" });
    }
    Scanner::new(text, arena).scan_document()
}

impl Scanner<'_> {
    /// Scans the whole document.
    fn scan_document(mut self) -> ScanResult {
        let start = if self.text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut line = start;
        if self.text[start..].starts_with(b"---") && self.is_space_at(start + 3) {
            line = self.scan_line_end(start + 3, "content on the line of `---`")?;
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
                        return self.scan_after_document_end(at);
                    }
                    line = self.scan_line(at, column as u32)?;
                }
            }
        }
        self.finish()
    }

    /// Checks that only empty lines and comments follow the document end marker `...`.
    fn scan_after_document_end(self, at: usize) -> ScanResult {
        let mut line = self.scan_line_end(at + 3, "content on the line of `...`")?;
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

    /// Fills the last slot and closes all collections.
    fn finish(mut self) -> ScanResult {
        if self.slot != Slot::None {
            self.push_empty();
        }
        while let Some(open) = self.open.pop() {
            self.close(open);
        }
        Ok(())
    }

    /// Scans the content of one line, and the continuation lines of a scalar or flow collection that begins on it.
    /// Returns the start of the next line.
    #[inline(always)]
    fn scan_line(&mut self, at: usize, column: u32) -> ScanResult<usize> {
        let is_dash = self.text[at] == b'-' && self.is_space_at(at + 1);
        if self.slot != Slot::None {
            let top = self.open.last().copied();
            let fills_slot = match (self.slot, top) {
                (Slot::Value, Some(top)) => column > top.column || (column == top.column && is_dash),
                (_, Some(top)) => column > top.column,
                (_, None) => true,
            };
            if fills_slot {
                return self.scan_block_node(at, column);
            }
            self.push_empty();
        }
        // A line that is deeper than the innermost collection must continue a plain scalar.
        match self.open.last() {
            Some(top) if column <= top.column => {}
            _ => return self.continue_plain(at),
        }
        self.plain = None;
        while let Some(&top) = self.open.last() {
            if top.column > column || (top.column == column && top.is_seq && !is_dash) {
                self.open.pop();
                self.close(top);
            } else {
                break;
            }
        }
        match self.open.last() {
            Some(top) if top.column == column => {
                if top.is_seq {
                    self.scan_sequence_entry(at, column)
                } else if is_dash {
                    unsupported(at, "a sequence item where a key is expected")
                } else {
                    self.scan_mapping_entry(at)
                }
            }
            _ => unsupported(at, "indentation that matches no open mapping or sequence"),
        }
    }

    /// Scans a sequence entry from its dash, and returns the start of the next line.
    #[inline(always)]
    fn scan_sequence_entry(&mut self, at: usize, column: u32) -> ScanResult<usize> {
        let content = skip_spaces(self.text, at + 1);
        self.last_end = at as u32 + 1;
        self.slot = Slot::Item;
        match self.byte(content) {
            Some(b'\n' | b'\r' | b'#') | None => self.scan_line_end(at + 1, ""),
            Some(b'\t') => unsupported(content, "a tab after `-`, which Kubernetes rejects"),
            Some(_) => self.scan_block_node(content, column + (content - at) as u32),
        }
    }

    /// Scans the node that fills the slot, at a position where a block collection can begin. Returns the start of the
    /// next line.
    fn scan_block_node(&mut self, mut at: usize, mut column: u32) -> ScanResult<usize> {
        let mut has_properties = false;
        loop {
            match self.text[at] {
                b'-' if self.is_space_at(at + 1) => {
                    if has_properties {
                        return unsupported(at, "an anchor or tag before `-`");
                    }
                    self.open_block(true, at, column)?;
                    let content = skip_spaces(self.text, at + 1);
                    if !matches!(self.byte(content), None | Some(b'\n' | b'\r' | b'#' | b'\t')) {
                        // In `- - a`, the first entry of the inner sequence is on the line of the outer dash.
                        self.last_end = at as u32 + 1;
                        self.slot = Slot::Item;
                        column += (content - at) as u32;
                        at = content;
                        continue;
                    }
                    return self.scan_sequence_entry(at, column);
                }
                b'&' | b'!' => {
                    let after = self.scan_property(at)?;
                    has_properties = true;
                    let next = skip_spaces(self.text, after);
                    if matches!(self.byte(next), None | Some(b'\n' | b'\r' | b'#')) {
                        self.last_end = after as u32;
                        return self.scan_line_end(after, "");
                    }
                    column += (next - at) as u32;
                    at = next;
                }
                b'"' | b'\'' => {
                    let (end, flags) = self.scan_quoted(at, self.parent_column())?;
                    let after = skip_spaces(self.text, end);
                    if self.byte(after) == Some(b':') && self.is_space_at(after + 1) {
                        if has_properties {
                            return unsupported(at, "an anchor or tag on a key");
                        }
                        self.open_block(false, at, column)?;
                        return self.scan_quoted_key(at, end, flags, after);
                    }
                    return self.push_quoted(at, end, flags);
                }
                b'[' | b'{' | b'|' | b'>' | b'*' => return self.scan_inline_node(at),
                _ => {
                    return match self.scan_plain(at)? {
                        PlainEnd::Key { end, colon } => {
                            if has_properties {
                                return unsupported(at, "an anchor or tag on a key");
                            }
                            self.open_block(false, at, column)?;
                            self.push_key(NodeKind::Plain, at, end, 0)?;
                            self.scan_value(colon)
                        }
                        PlainEnd::Line { end, next, has_comment } => Ok(self.push_plain(at, end, next, has_comment)),
                    };
                }
            }
        }
    }

    /// Adds a quoted scalar, and returns the start of the next line.
    fn push_quoted(&mut self, at: usize, end: usize, flags: u8) -> ScanResult<usize> {
        let kind = if self.text[at] == b'"' { NodeKind::DoubleQuoted } else { NodeKind::SingleQuoted };
        let line = self.scan_line_end(end, "text after a quoted string")?;
        self.push(kind, at, end, 0, flags);
        self.slot = Slot::None;
        Ok(line)
    }

    /// Scans a key of the innermost mapping and its value, and returns the start of the next line.
    #[inline(always)]
    fn scan_mapping_entry(&mut self, at: usize) -> ScanResult<usize> {
        match self.text[at] {
            b'"' | b'\'' => {
                let (end, flags) = self.scan_quoted(at, self.parent_column())?;
                let after = skip_spaces(self.text, end);
                if self.byte(after) == Some(b':') && self.is_space_at(after + 1) {
                    return self.scan_quoted_key(at, end, flags, after);
                }
                unsupported(at, "a quoted scalar where a `key:` is expected")
            }
            b'&' | b'!' => unsupported(at, "an anchor or tag on a key"),
            b'*' => unsupported(at, "an alias as a key"),
            _ => match self.scan_plain(at)? {
                PlainEnd::Key { end, colon } => {
                    self.push_key(NodeKind::Plain, at, end, 0)?;
                    self.scan_value(colon)
                }
                PlainEnd::Line { .. } => unsupported(at, "text where a `key:` is expected"),
            },
        }
    }

    /// Adds a quoted key, scans its value, and returns the start of the next line.
    fn scan_quoted_key(&mut self, at: usize, end: usize, flags: u8, colon: usize) -> ScanResult<usize> {
        if flags & MULTILINE != 0 {
            return unsupported(at, MULTILINE_KEY);
        }
        let kind = if self.text[at] == b'"' { NodeKind::DoubleQuoted } else { NodeKind::SingleQuoted };
        self.push_key(kind, at, end, flags)?;
        self.scan_value(colon)
    }

    /// Scans the value of a key of a block mapping from its `:`, and returns the start of the next line.
    #[inline(always)]
    fn scan_value(&mut self, colon: usize) -> ScanResult<usize> {
        let at = skip_spaces(self.text, colon + 1);
        self.last_end = colon as u32 + 1;
        self.slot = Slot::Value;
        match self.byte(at) {
            None => Ok(at),
            Some(b'\n') => Ok(at + 1),
            Some(b'\r' | b'\t' | b'#') => self.scan_line_end(colon + 1, "a tab after `:`"),
            Some(_) => self.scan_inline_node(at),
        }
    }

    /// Scans the node that fills the slot, at a position where no block collection can begin, such as on the line of
    /// its key. Returns the start of the next line.
    #[inline(always)]
    fn scan_inline_node(&mut self, mut at: usize) -> ScanResult<usize> {
        loop {
            return match self.text[at] {
                b'"' | b'\'' => {
                    let (end, flags) = self.scan_quoted(at, self.parent_column())?;
                    self.push_quoted(at, end, flags)
                }
                b'[' | b'{' => {
                    let end = self.scan_flow_collection(at)?;
                    self.scan_line_end(end, "text after the closing `}` or `]`")
                }
                b'|' | b'>' => self.scan_block_scalar(at),
                b'*' => {
                    let end = self.find_name_end(at + 1);
                    if end == at + 1 {
                        return unsupported(at, "`*` without a name");
                    }
                    if self.properties.is_some() {
                        return unsupported(at, "an anchor or tag on an alias");
                    }
                    let line = self.scan_line_end(end, "text after an alias")?;
                    self.check_alias(at, end)?;
                    self.push(NodeKind::Alias, at, end, 0, 0);
                    self.slot = Slot::None;
                    Ok(line)
                }
                b'&' | b'!' => {
                    let after = self.scan_property(at)?;
                    let next = skip_spaces(self.text, after);
                    if matches!(self.byte(next), None | Some(b'\n' | b'\r' | b'#')) {
                        self.last_end = after as u32;
                        return self.scan_line_end(after, "");
                    }
                    at = next;
                    continue;
                }
                b'-' if self.is_space_at(at + 1) => unsupported(at, "a sequence item on the line of its key"),
                _ => match self.scan_plain(at)? {
                    PlainEnd::Key { colon, .. } => unsupported(colon, "a second `: ` on one line"),
                    PlainEnd::Line { end, next, has_comment } => Ok(self.push_plain(at, end, next, has_comment)),
                },
            };
        }
    }
}
