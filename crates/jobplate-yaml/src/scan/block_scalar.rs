//! Scans literal and folded block scalars.

use std::ops::Range;

use super::super::node_kind::NodeKind;
use super::super::tree::{NodeArena, to_column};
use super::super::unsupported::Unsupported;
use super::bytes::{line_end, skip_spaces};
use super::scanner::{OpenBlock, ScanResult, Scanner, Slot, unsupported};

/// Scans the block scalar whose header is at `at`. Returns its span and the column of its content.
///
/// `parent` is the column of the enclosing collection, or -1 for the root node.
pub(in super::super) fn block_scalar_span(
    text: &str,
    at: usize,
    parent: i64,
) -> Result<(Range<usize>, u16), Unsupported> {
    if !matches!(text.as_bytes().get(at), Some(b'|' | b'>')) {
        return unsupported(at, "a block scalar without its header");
    }
    let mut arena = NodeArena::default();
    let mut scanner = Scanner::new(text, &mut arena);
    if let Ok(column) = u32::try_from(parent) {
        scanner.open.push(OpenBlock { node: 0, column, is_seq: false });
    }
    scanner.scan_block_scalar(at)?;
    let node = &scanner.arena.nodes[0];
    Ok((node.start as usize..node.end as usize, node.column))
}

/// The header of a block scalar.
struct Header {
    /// The offset after the indicators.
    end: usize,
    /// The column of the content, if there is an indentation indicator.
    column: Option<usize>,
    /// Whether the chomping indicator is `+`.
    keeps_line_breaks: bool,
}

/// The lines of a block scalar after its header.
struct Body {
    /// The end of the last line that belongs to the scalar, without its line break.
    end: usize,
    /// The column of the content.
    column: usize,
    /// The start of the next line.
    next_line: usize,
}

impl Scanner<'_> {
    /// Scans a block scalar from its header, and returns the start of the next line.
    pub(super) fn scan_block_scalar(&mut self, at: usize) -> ScanResult<usize> {
        let kind = if self.text[at] == b'|' { NodeKind::Literal } else { NodeKind::Folded };
        let parent = self.parent_column();
        let header = self.scan_block_scalar_header(at, parent);
        let first_line = self.scan_line_end(header.end, "text after the `|` or `>` of a block scalar")?;
        let body = self.scan_block_scalar_body(&header, first_line, parent)?;
        self.push(kind, at, body.end, to_column(body.column, at)?, 0);
        self.slot = Slot::None;
        Ok(body.next_line)
    }

    /// Scans the indicators of a block scalar.
    fn scan_block_scalar_header(&self, at: usize, parent: i64) -> Header {
        let (mut indicator, mut chomping) = (None, None);
        let mut end = at + 1;
        loop {
            match self.byte(end) {
                Some(byte @ (b'+' | b'-')) if chomping.is_none() => chomping = Some(byte),
                Some(byte @ b'1'..=b'9') if indicator.is_none() => indicator = Some(i64::from(byte - b'0')),
                _ => break,
            }
            end += 1;
        }
        let column = indicator.map(|spaces| usize::try_from(parent.max(0) + spaces).unwrap_or(1));
        Header { end, column, keeps_line_breaks: chomping == Some(b'+') }
    }

    /// Scans the lines of a block scalar from the line after its header.
    fn scan_block_scalar_body(&self, header: &Header, first_line: usize, parent: i64) -> ScanResult<Body> {
        let text = self.text;
        let mut line = first_line;
        // Without content lines, the scalar ends with its header.
        let (mut end, mut end_with_blanks) = (header.end, header.end);
        // 0 until the first content line determines it.
        let mut column = header.column.unwrap_or(0);
        let mut widest_blank = 0;
        while line < text.len() {
            let content = skip_spaces(text, line);
            let spaces = content - line;
            let line_feed = line_end(text, content);
            let content_end =
                if line_feed > content && text[line_feed - 1] == b'\r' { line_feed - 1 } else { line_feed };
            if content_end == content && (spaces <= column || column == 0) {
                widest_blank = widest_blank.max(spaces);
                end_with_blanks = content_end;
                if line_feed == text.len() && spaces > 0 && (header.keeps_line_breaks || column == 0) {
                    return unsupported(line, "a block scalar that ends in blanks without a line break");
                }
            } else {
                if column == 0 {
                    match self.detect_content_column(line, content, widest_blank, parent)? {
                        Some(detected) => column = detected,
                        None => break,
                    }
                }
                if spaces < column {
                    if text[content] == b'\t' {
                        return unsupported(content, "a tab where the indentation of a block scalar is expected");
                    }
                    break;
                }
                end = content_end;
                end_with_blanks = end;
            }
            line = line_feed + 1;
        }
        if header.keeps_line_breaks {
            end = end_with_blanks;
        }
        if column == 0 {
            // Without content lines, the widest blank line determines the column.
            column = widest_blank.max(1);
        }
        Ok(Body { end, column, next_line: line.min(text.len()) })
    }

    /// Returns the column of the first content line, or `None` if the line is not part of the scalar.
    fn detect_content_column(
        &self,
        line_start: usize,
        content_start: usize,
        widest_blank: usize,
        parent: i64,
    ) -> ScanResult<Option<usize>> {
        let column = content_start - line_start;
        if i64::try_from(column).is_ok_and(|column| column <= parent)
            || column == 0 && self.is_document_marker(content_start)
        {
            return Ok(None);
        }
        if self.text[content_start] == b'\t' {
            return unsupported(content_start, "a tab where the indentation of a block scalar is expected");
        }
        if widest_blank > column {
            return unsupported(line_start, "a block scalar that begins with a blank line wider than its text");
        }
        if column == 0 {
            return unsupported(line_start, "a block scalar without indentation");
        }
        Ok(Some(column))
    }
}
