//! Maps offsets of a scalar's decoded content to the document, and writes changes to the content in the scalar's own
//! style.
//!
//! This module does not verify changes: `verify` compares the content of the scalar in the edited document.

use std::ops::Range;

use super::edit::MAX_INDENTATION;
use super::node_kind::NodeKind;
use super::scalar::{self, DecodeSink};
use super::splice::NewText;
use super::tree::Node;

/// The decoded content of a quoted or block scalar, with the source bytes of each part.
pub struct DecodedScalar<'a> {
    node: Node<'a>,
    text: String,
    segments: Vec<Segment>,
    /// The document offset of the start of the content: after the opening quote or after the header line.
    content_start: usize,
}

/// A part of the content, from its start to the start of the next segment.
struct Segment {
    /// The offset of the segment's first byte in the content.
    start: usize,
    /// The source bytes in the document.
    raw: Range<usize>,
    /// Whether the source bytes are equal to the content.
    is_literal: bool,
}

impl DecodeSink for DecodedScalar<'_> {
    fn push_literal(&mut self, at: usize, text: &str) {
        if !text.is_empty() {
            self.segments.push(Segment { start: self.text.len(), raw: at..at + text.len(), is_literal: true });
            self.text.push_str(text);
        }
    }

    fn push_decoded(&mut self, raw: Range<usize>, text: &str) {
        self.segments.push(Segment { start: self.text.len(), raw, is_literal: false });
        self.text.push_str(text);
    }
}

impl<'a> DecodedScalar<'a> {
    /// Decodes a scalar.
    pub fn new(node: Node<'a>) -> Self {
        let raw = node.raw();
        let header = match node.kind() {
            NodeKind::Literal | NodeKind::Folded => raw.find('\n').map_or(raw.len(), |at| at + 1),
            _ => 1,
        };
        let content_start = node.span().start + header;
        let mut decoded =
            DecodedScalar { node, text: String::with_capacity(raw.len()), segments: Vec::new(), content_start };
        scalar::decode_into(&node.scalar_source(), &mut decoded);
        decoded
    }

    /// Returns the decoded content.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the document offset of the content byte at `at`.
    pub fn source_offset(&self, at: usize) -> usize {
        match self.segments.partition_point(|segment| segment.start <= at).checked_sub(1) {
            Some(index) if at < self.text.len() => {
                let Segment { start, raw, is_literal } = &self.segments[index];
                if *is_literal { raw.start + at - start } else { raw.start }
            }
            _ => self.end_before(at).unwrap_or(self.node.span().start),
        }
    }

    /// Returns the document range of a content range. It never splits an escape.
    pub fn source_range(&self, range: Range<usize>) -> Range<usize> {
        let last = self.segments.partition_point(|segment| segment.start < range.end).checked_sub(1);
        let end = match last.map(|index| &self.segments[index]) {
            Some(Segment { start, raw, is_literal: true }) => raw.start + range.end - start,
            Some(segment) => segment.raw.end,
            None => self.content_start,
        };
        let start = self.source_offset(range.start);
        start..end.max(start)
    }

    /// Converts a splice of the content to a splice of the document. Returns `None` if the scalar style cannot
    /// represent it.
    pub(super) fn splice(&self, range: Range<usize>, text: &str) -> Option<(Range<usize>, NewText)> {
        match self.node.kind() {
            NodeKind::DoubleQuoted | NodeKind::SingleQuoted => {
                let (range, written) = self.splice_quoted(range, text)?;
                let mut new_text = NewText::default();
                new_text.push_str(&written);
                Some((range, new_text))
            }
            NodeKind::Literal | NodeKind::Folded => self.splice_block(range, text),
            _ => None,
        }
    }

    /// Returns the document offset after the content byte before `at`, or `None` if `at` is inside an escape.
    fn end_before(&self, at: usize) -> Option<usize> {
        let count = self.segments.partition_point(|segment| segment.start < at);
        let Some(Segment { start, raw, is_literal }) = count.checked_sub(1).map(|index| &self.segments[index]) else {
            return Some(self.content_start);
        };
        let end = self.segments.get(count).map_or(self.text.len(), |next| next.start);
        match is_literal {
            true => Some(raw.start + at - start),
            false => (at == end).then_some(raw.end),
        }
    }

    /// Returns the document offset of the content byte at `at`, or `None` if `at` is inside an escape.
    fn start_at(&self, at: usize) -> Option<usize> {
        if at == self.text.len() {
            return self.end_before(at);
        }
        let count = self.segments.partition_point(|segment| segment.start <= at);
        let Segment { start, raw, is_literal } = self.segments.get(count.checked_sub(1)?)?;
        (*is_literal || at == *start).then_some(raw.start + at - start)
    }

    /// Converts a splice of a quoted scalar's content to a splice of the document.
    fn splice_quoted(&self, range: Range<usize>, text: &str) -> Option<(Range<usize>, String)> {
        let raw = if range.is_empty() {
            let at = self.end_before(range.start)?;
            at..at
        } else {
            self.start_at(range.start)?..self.end_before(range.end)?
        };
        if self.node.kind() == NodeKind::SingleQuoted {
            // Single quotes have no escapes for control characters, and a line break would be folded, so neither can be
            // written.
            return (!text.contains(char::is_control)).then(|| (raw, text.replace('\'', "''")));
        }
        let quoted = scalar::quote_double(text);
        let mut written = quoted[1..quoted.len() - 1].to_owned();
        // Line folding drops unescaped spaces and tabs next to a line break.
        let (spaces, breaks) = ([' ', '\t'], ['\n', '\r']);
        let document = self.node.document().text;
        if written.ends_with(' ') && document[raw.end..].trim_start_matches(spaces).starts_with(breaks) {
            written.insert(written.len() - 1, '\\');
        }
        if document[..raw.start].trim_end_matches(spaces).ends_with(breaks)
            && (written.starts_with(' ') || written.is_empty() && document[raw.end..].starts_with(spaces))
        {
            written.insert(0, '\\');
        }
        Some((raw, written))
    }

    /// Converts a splice of a block scalar's content to a splice of the document.
    ///
    /// Each line of the content is one indented line of the document, so a splice that adds or removes a line also adds
    /// or removes its indentation.
    fn splice_block(&self, Range { start, end }: Range<usize>, text: &str) -> Option<(Range<usize>, NewText)> {
        let column = self.node.column();
        if column > MAX_INDENTATION {
            return None;
        }
        let header = &self.node.document().text[..self.content_start];
        let newline = if header.ends_with("\r\n") { "\r\n" } else { "\n" };
        let begins_line = |at: usize| at == 0 || self.text.as_bytes()[at - 1] == b'\n';
        let ends_line = if text.is_empty() { begins_line(start) } else { text.ends_with('\n') };
        if end == self.text.len() && ends_line != begins_line(end) {
            // The chomping indicator determines whether the content ends with a line break, so a splice cannot change
            // that.
            return None;
        }
        let from = match (begins_line(start), start == end) {
            (true, _) | (_, true) => self.end_before(start)?,
            _ => self.start_at(start)?,
        };
        let mut written = NewText::default();
        // Whether the current line still needs its indentation.
        let mut needs_indentation = begins_line(start);
        for (position, line) in text.split('\n').enumerate() {
            if position > 0 {
                written.push_str(newline);
                needs_indentation = true;
            }
            if !line.is_empty() {
                if std::mem::take(&mut needs_indentation) {
                    written.push_spaces(column);
                }
                written.push_str(line);
            }
        }
        let to = match (begins_line(end), needs_indentation) {
            (true, true) => self.end_before(end)?,
            (true, false) => self.start_at(end)?,
            (false, _) if start == end => from,
            (false, _) => self.end_before(end)?,
        };
        if !begins_line(end) && needs_indentation && !self.text[end..].is_empty() && !self.text[end..].starts_with('\n')
        {
            written.push_spaces(column);
        }
        Some((from..to, written))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Document, NodeArena, scan};

    /// Replaces `from` with `to` in the content of the first key's value. Returns the new document, or `None` if the
    /// scalar style cannot represent it.
    fn replace_in_content(document: &str, from: &str, to: &str) -> Option<String> {
        let mut arena = NodeArena::default();
        scan(document, &mut arena).unwrap();
        let (_, value) = Document::new(document, &arena).root().entries().next().unwrap();
        let decoded = DecodedScalar::new(value);
        let expected = decoded.text().replacen(from, to, 1);
        let at = decoded.text().find(from).unwrap();
        let (range, text) = decoded.splice(at..at + from.len(), to)?;
        let mut after = document.to_owned();
        after.replace_range(range, text.as_str());
        let mut arena = NodeArena::default();
        scan(&after, &mut arena).unwrap();
        let (_, value) = Document::new(&after, &arena).root().entries().next().unwrap();
        assert_eq!(value.text().unwrap(), expected, "{after}");
        Some(after)
    }

    #[test]
    fn writes_a_splice_in_the_style_of_the_scalar() {
        for (document, from, to, after) in [
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
            (r#"{"a": "\ud83d\ude00c\/"}"#, "c", "x", r#"{"a": "\ud83d\ude00x\/"}"#),
            (r#"{"a": "\ud83d\ude00\/c"}"#, "/", "", r#"{"a": "\ud83d\ude00c"}"#),
            ("{\"a\": \"b\\nc\"}", "c", "\tx\n", "{\"a\": \"b\\n\\tx\\n\"}"),
        ] {
            assert_eq!(replace_in_content(document, from, to).as_deref(), Some(after), "{document:?}");
        }
        assert_eq!(replace_in_content("a: 'b'\n", "b", "b\nc"), None);
    }

    #[test]
    fn maps_offsets_of_the_content_to_the_document() {
        let document = "a: |\n  b\n  c\nd: e\n";
        let mut arena = NodeArena::default();
        scan(document, &mut arena).unwrap();
        let (_, value) = Document::new(document, &arena).root().entries().next().unwrap();
        let decoded = DecodedScalar::new(value);
        let char_at = |offset| &document[decoded.source_offset(offset)..][..1];
        assert_eq!([char_at(0), char_at(1), char_at(2), char_at(3), char_at(4)], ["b", "\n", "c", "\n", "d"]);
    }
}
