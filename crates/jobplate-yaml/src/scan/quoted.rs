//! Scans quoted scalars on one or more lines.

use super::super::node_kind::{ESCAPED, MULTILINE};
use super::super::scalar::simple_escape;
use super::bytes::skip_spaces;
use super::scanner::{ScanResult, Scanner, unsupported};

impl Scanner<'_> {
    /// Scans a quoted scalar from its opening quote, and returns its end and flags.
    ///
    /// Its continuation lines must be indented deeper than the column `parent`.
    pub(super) fn scan_quoted(&self, at: usize, parent: i64) -> ScanResult<(usize, u8)> {
        let text = self.text;
        let is_double = text[at] == b'"';
        let mut flags = 0;
        let mut from = at + 1;
        loop {
            let rest = &text[from..];
            let found =
                if is_double { memchr::memchr3(b'"', b'\\', b'\n', rest) } else { memchr::memchr2(b'\'', b'\n', rest) };
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
                    from = self.scan_escape(stop)?;
                }
            }
        }
    }

    /// Scans an escape of a double-quoted scalar from its backslash, and returns its end.
    fn scan_escape(&self, at: usize) -> ScanResult<usize> {
        let digits = match self.byte(at + 1) {
            Some(b'x') => 2,
            Some(b'u') => 4,
            Some(b'U') => 8,
            // The caller must see the line feed to check the indentation of the next line, so the escape ends before
            // it.
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
}
