//! A scalar's text as a text of its own: where its bytes stand in the document, and how a splice of it is
//! written in the style that the scalar has.
//!
//! Nothing here proves that a splice was written right: `verify` reads the whole document again and compares
//! the text that the scalar then has.

use std::ops::Range;

use super::node_kind::NodeKind;
use super::scalar::{self, Pieces};
use super::tree::Node;

/// The decoded text of a quoted or block scalar, and the way back to the bytes that it was decoded from.
pub struct DecodedScalar<'a> {
    node: Node<'a>,
    text: String,
    pieces: Vec<Piece>,
}

/// A run of the text. Its length is what lies before the next piece.
struct Piece {
    /// Where it begins in the text.
    start: usize,
    /// The bytes of the document that it comes from.
    raw: Range<usize>,
    /// Whether these bytes stand for themselves.
    same: bool,
}

impl Pieces for DecodedScalar<'_> {
    fn same(&mut self, at: usize, text: &str) {
        if !text.is_empty() {
            self.pieces.push(Piece { start: self.text.len(), raw: at..at + text.len(), same: true });
            self.text.push_str(text);
        }
    }

    fn other(&mut self, raw: Range<usize>, text: &str) {
        self.pieces.push(Piece { start: self.text.len(), raw, same: false });
        self.text.push_str(text);
    }
}

impl<'a> DecodedScalar<'a> {
    /// Decodes a scalar.
    pub fn new(node: Node<'a>) -> Self {
        let mut inner = DecodedScalar { node, text: String::with_capacity(node.raw().len()), pieces: Vec::new() };
        scalar::decode_into(&node.written(), &mut inner);
        inner
    }

    /// The decoded text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The byte of the document that an offset of the text comes from.
    pub fn source_offset(&self, at: usize) -> usize {
        match self.pieces.partition_point(|piece| piece.start <= at).checked_sub(1) {
            Some(index) if at < self.text.len() => {
                let Piece { start, raw, same } = &self.pieces[index];
                if *same { raw.start + at - start } else { raw.start }
            }
            _ => self.end_before(at).unwrap_or(self.node.span().start),
        }
    }

    /// The bytes of the document that a range of the text comes from; of an escape, all.
    pub fn source_range(&self, range: Range<usize>) -> Range<usize> {
        let last = self.pieces.partition_point(|piece| piece.start < range.end).checked_sub(1);
        let end = match last.map(|index| &self.pieces[index]) {
            Some(Piece { start, raw, same: true }) => raw.start + range.end - start,
            Some(piece) => piece.raw.end,
            None => self.first(),
        };
        let start = self.source_offset(range.start);
        start..end.max(start)
    }

    /// What a splice of the text is in the document; none where the style can't hold it.
    pub(super) fn splice(&self, range: Range<usize>, text: &str) -> Option<(Range<usize>, String)> {
        match self.node.kind() {
            NodeKind::DoubleQuoted | NodeKind::SingleQuoted => self.flow_splice(range, text),
            NodeKind::Literal | NodeKind::Folded => self.block_splice(range, text),
            _ => None,
        }
    }

    /// Where in the document the byte before an offset ends; none inside of an escape.
    fn end_before(&self, at: usize) -> Option<usize> {
        let count = self.pieces.partition_point(|piece| piece.start < at);
        let Some(Piece { start, raw, same }) = count.checked_sub(1).map(|index| &self.pieces[index]) else {
            return Some(self.first());
        };
        let end = self.pieces.get(count).map_or(self.text.len(), |next| next.start);
        match same {
            true => Some(raw.start + at - start),
            false => (at == end).then_some(raw.end),
        }
    }

    /// Where in the document the byte at an offset begins; none inside of an escape.
    fn start_at(&self, at: usize) -> Option<usize> {
        if at == self.text.len() {
            return self.end_before(at);
        }
        let count = self.pieces.partition_point(|piece| piece.start <= at);
        let Piece { start, raw, same } = self.pieces.get(count.checked_sub(1)?)?;
        (*same || at == *start).then_some(raw.start + at - start)
    }

    /// The first byte of the document that belongs to the text: behind the quote, or the header's line.
    fn first(&self) -> usize {
        let start = self.node.span().start;
        match self.node.kind() {
            NodeKind::Literal | NodeKind::Folded => {
                start + self.node.raw().find('\n').map_or(self.node.raw().len(), |at| at + 1)
            }
            _ => start + 1,
        }
    }

    fn flow_splice(&self, range: Range<usize>, text: &str) -> Option<(Range<usize>, String)> {
        let raw = if range.is_empty() {
            let at = self.end_before(range.start)?;
            at..at
        } else {
            self.start_at(range.start)?..self.end_before(range.end)?
        };
        if self.node.kind() == NodeKind::SingleQuoted {
            // There are no escapes in single quotes, and a line break would be folded.
            return (!text.contains(char::is_control)).then(|| (raw, text.replace('\'', "''")));
        }
        let quoted = scalar::quote_double(text);
        let mut written = quoted[1..quoted.len() - 1].to_owned();
        // Blanks beside a folded line break would go with it; escaped, they stay.
        let (blanks, breaks) = ([' ', '\t'], ['\n', '\r']);
        let around = self.node.document().text;
        if written.ends_with(' ') && around[raw.end..].trim_start_matches(blanks).starts_with(breaks) {
            written.insert(written.len() - 1, '\\');
        }
        if around[..raw.start].trim_end_matches(blanks).ends_with(breaks)
            && (written.starts_with(' ') || written.is_empty() && around[raw.end..].starts_with(blanks))
        {
            written.insert(0, '\\');
        }
        Some((raw, written))
    }

    /// Lines of the text are indented lines of the document: what begins or ends a line of one does so in
    /// the other, and takes the indentation with it.
    fn block_splice(&self, Range { start, end }: Range<usize>, text: &str) -> Option<(Range<usize>, String)> {
        let indentation = " ".repeat(self.node.column());
        let header = &self.node.document().text[..self.first()];
        let newline = if header.ends_with("\r\n") { "\r\n" } else { "\n" };
        let begins_line = |at: usize| at == 0 || self.text.as_bytes()[at - 1] == b'\n';
        let ends_line = if text.is_empty() { begins_line(start) } else { text.ends_with('\n') };
        if end == self.text.len() && ends_line != begins_line(end) {
            // The header says whether the text ends with a line break.
            return None;
        }
        let from = match (begins_line(start), start == end) {
            (true, _) | (_, true) => self.end_before(start)?,
            _ => self.start_at(start)?,
        };
        let mut written = String::new();
        // Whether a line has begun whose indentation is not yet written.
        let mut opened = begins_line(start);
        for (position, line) in text.split('\n').enumerate() {
            if position > 0 {
                written.push_str(newline);
                opened = true;
            }
            if !line.is_empty() {
                if std::mem::take(&mut opened) {
                    written.push_str(&indentation);
                }
                written.push_str(line);
            }
        }
        let to = match (begins_line(end), opened) {
            (true, true) => self.end_before(end)?,
            (true, false) => self.start_at(end)?,
            (false, _) if start == end => from,
            (false, _) => self.end_before(end)?,
        };
        if !begins_line(end) && opened && !self.text[end..].is_empty() && !self.text[end..].starts_with('\n') {
            written.push_str(&indentation);
        }
        Some((from..to, written))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Document, NodeArena, scan};

    /// Makes a splice of the text of the value of the first key, and gives the document.
    fn spliced(document: &str, what: &str, by: &str) -> Option<String> {
        let mut arena = NodeArena::default();
        scan(document, &mut arena).unwrap();
        let (_, value) = Document::new(document, &arena).root().entries().next().unwrap();
        let inner = DecodedScalar::new(value);
        let expected = inner.text().replacen(what, by, 1);
        let at = inner.text().find(what).unwrap();
        let (range, text) = inner.splice(at..at + what.len(), by)?;
        let mut after = document.to_owned();
        after.replace_range(range, &text);
        let mut arena = NodeArena::default();
        scan(&after, &mut arena).unwrap();
        let (_, value) = Document::new(&after, &arena).root().entries().next().unwrap();
        assert_eq!(value.text().unwrap(), expected, "{after}");
        Some(after)
    }

    #[test]
    fn a_splice_is_written_in_the_style_of_the_scalar() {
        for (document, what, by, after) in [
            ("a: |\n  b\n  c\nd: e\n", "c", "x\ny", "a: |\n  b\n  x\n  y\nd: e\n"),
            ("a: |\n  b\n  c\nd: e\n", "b\n", "", "a: |\n  c\nd: e\n"),
            ("a: |\n  b\n  c\nd: e\n", "b\n", "x\n\n y\n", "a: |\n  x\n\n   y\n  c\nd: e\n"),
            ("a: |\n  b\n  c\nd: e\n", "\nc\n", "\n", "a: |\n  b\nd: e\n"),
            ("a: |\n  b\n\n  c\n", "\n\nc", "c", "a: |\n  bc\n"),
            ("a: |\r\n  b\r\n  c\r\n", "b", "x\ny", "a: |\r\n  x\r\n  y\r\n  c\r\n"),
            ("a: |-\n    b\n    c", "c", "c\nx", "a: |-\n    b\n    c\n    x"),
            ("a: >\n  {\n    b\n  }\n", "b\n", "b\n  x\n", "a: >\n  {\n    b\n    x\n  }\n"),
            ("a: >\n  b\n  c\n", "c", "xy", "a: >\n  b\n  xy\n"),
            ("a: \"b\\n c\\n\"\n", " c", "x\n\"", "a: \"b\\nx\\n\\\"\\n\"\n"),
            ("a: \"\\u0062c\"\n", "b", "x", "a: \"xc\"\n"),
            ("a: \"b\\n\\\n  \\  c\"\n", "b\n", "b\n  x\n", "a: \"b\\n  x\\n\\\n  \\  c\"\n"),
            ("a: \"b\n  c\"\n", "c", " c", "a: \"b\n  \\ c\"\n"),
            ("a: \"b\\n\\\n  \\  c\\n  d\"\n", "  c\n", "", "a: \"b\\n\\\n  \\  d\"\n"),
            ("a: '{\"b\": ''c''}'\n", "'c'", "'x'", "a: '{\"b\": ''x''}'\n"),
            ("{\"a\": \"b\\nc\"}", "c", "\tx\n", "{\"a\": \"b\\n\\tx\\n\"}"),
        ] {
            assert_eq!(spliced(document, what, by).as_deref(), Some(after), "{document:?}");
        }
        assert_eq!(spliced("a: 'b'\n", "b", "b\nc"), None);
    }

    #[test]
    fn an_offset_is_found_outside() {
        let document = "a: |\n  b\n  c\nd: e\n";
        let mut arena = NodeArena::default();
        scan(document, &mut arena).unwrap();
        let (_, value) = Document::new(document, &arena).root().entries().next().unwrap();
        let inner = DecodedScalar::new(value);
        let at = |offset| &document[inner.source_offset(offset)..][..1];
        assert_eq!([at(0), at(1), at(2), at(3), at(4)], ["b", "\n", "c", "\n", "d"]);
    }
}
