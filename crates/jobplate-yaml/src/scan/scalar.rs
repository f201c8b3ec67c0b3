//! Scalars that may span lines: quoted ones and block scalars.

use super::super::node_kind::{ESCAPED, MULTILINE, NodeKind};
use super::super::scalar::simple_escape;
use super::bytes::{line_end, skip_spaces};
use super::scanner::{Scan, Scanner, Slot, unsupported};

impl Scanner<'_> {
    /// A quoted scalar; gives its end and flags. Further lines must be deeper than `parent`.
    pub(super) fn quoted(&self, at: usize, parent: i64) -> Scan<(usize, u8)> {
        let text = self.text;
        let double = text[at] == b'"';
        let mut flags = 0;
        let mut from = at + 1;
        loop {
            let rest = &text[from..];
            let found =
                if double { memchr::memchr3(b'"', b'\\', b'\n', rest) } else { memchr::memchr2(b'\'', b'\n', rest) };
            let Some(offset) = found else {
                return unsupported(at, "a quote that is never closed");
            };
            let stop = from + offset;
            match text[stop] {
                b'\n' => {
                    flags |= MULTILINE;
                    let content = skip_spaces(text, stop + 1);
                    let column = (content - stop - 1) as i64;
                    match self.byte(content) {
                        Some(b'\n' | b'\r') => {}
                        Some(b'\t') => return unsupported(content, "a tab at the start of a line of a quoted scalar"),
                        Some(_) if column <= parent => {
                            return unsupported(at, "a quote that is not closed on a line of its own indentation");
                        }
                        Some(_) if column == 0 && self.is_document_marker(content) => {
                            return unsupported(at, "a quote that is never closed");
                        }
                        _ => {}
                    }
                    from = stop + 1;
                }
                b'"' => return Ok((stop + 1, flags)),
                b'\'' if self.byte(stop + 1) == Some(b'\'') => {
                    flags |= ESCAPED;
                    from = stop + 2;
                }
                b'\'' => return Ok((stop + 1, flags)),
                _ => {
                    flags |= ESCAPED;
                    from = self.escape(stop)?;
                }
            }
        }
    }

    /// An escape in a double-quoted scalar, from its backslash; gives its end.
    fn escape(&self, at: usize) -> Scan<usize> {
        let digits = match self.byte(at + 1) {
            Some(b'x') => 2,
            Some(b'u') => 4,
            Some(b'U') => 8,
            // The line break itself is looked at by the caller: it begins a new line.
            Some(b'\n') => return Ok(at + 1),
            Some(b'\r') => return Ok(at + 2),
            Some(byte) if simple_escape(char::from(byte)).is_some() => return Ok(at + 2),
            _ => return unsupported(at, "an escape that Kubernetes does not know"),
        };
        let hex = self.text.get(at + 2..at + 2 + digits).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = hex
            .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        match code.and_then(char::from_u32) {
            Some(_) => Ok(at + 2 + digits),
            None => unsupported(at, "an escape that is no Unicode character"),
        }
    }

    /// A literal or folded block scalar, header included; gives the next line's start.
    pub(super) fn block_scalar(&mut self, at: usize) -> Scan<usize> {
        let text = self.text;
        let parent = self.parent_column();
        let kind = if text[at] == b'|' { NodeKind::Literal } else { NodeKind::Folded };
        let (mut explicit, mut keep, mut chomped) = (None, false, false);
        let mut header = at + 1;
        loop {
            match self.byte(header) {
                Some(byte @ (b'+' | b'-')) if !chomped => {
                    chomped = true;
                    keep = byte == b'+';
                }
                Some(byte @ b'1'..=b'9') if explicit.is_none() => explicit = Some(i64::from(byte - b'0')),
                _ => break,
            }
            header += 1;
        }
        let mut line = self.end_of_line(header, "text behind a block scalar's `|` or `>`")?;
        // The end of the header: with no content line, the scalar ends there.
        let mut end = header;
        let mut indent = match explicit {
            Some(step) => usize::try_from(parent.max(0) + step).unwrap_or(1),
            None => 0,
        };
        let mut widest_blank = 0;
        let mut blank_end = end;
        while line < text.len() {
            let content = skip_spaces(text, line);
            let column = content - line;
            let stop = line_end(text, content);
            let line_content_end = if stop > content && text[stop - 1] == b'\r' { stop - 1 } else { stop };
            let blank = line_content_end == content && (column <= indent || indent == 0);
            if blank {
                widest_blank = widest_blank.max(column);
                blank_end = line_content_end;
                if stop == text.len() && column > 0 && (keep || indent == 0) {
                    return unsupported(line, "a block scalar that ends in blanks without a line break");
                }
            } else {
                if indent == 0 {
                    if i64::try_from(column).is_ok_and(|column| column <= parent)
                        || column == 0 && self.is_document_marker(content)
                    {
                        break;
                    }
                    if text[content] == b'\t' {
                        return unsupported(content, "a tab where the indentation of a block scalar is expected");
                    }
                    if widest_blank > column {
                        return unsupported(line, "a block scalar that begins with a blank line wider than its text");
                    }
                    if column == 0 {
                        return unsupported(line, "a block scalar without indentation");
                    }
                    indent = column;
                }
                if column < indent {
                    if text[content] == b'\t' {
                        return unsupported(content, "a tab where the indentation of a block scalar is expected");
                    }
                    break;
                }
                end = line_content_end;
                blank_end = end;
            }
            line = stop + 1;
        }
        if keep {
            end = blank_end;
        }
        if indent == 0 {
            // No content line: every blank line, however wide, is blank.
            indent = widest_blank.max(1);
        }
        // A less indented line directly behind may only be a comment, or leave the scalar's parent.
        let line = line.min(text.len());
        self.push(kind, at, end, indent as u32, 0);
        self.slot = Slot::None;
        Ok(line)
    }
}
