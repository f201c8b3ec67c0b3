//! Scans quoted scalars on one or more lines.

use std::ops::Range;

use serde::de::IgnoredAny;

use super::super::node_kind::{ESCAPED, MULTILINE};
use super::super::scalar::{SURROGATE_PAIR_BYTES, simple_escape, surrogate_pair};
use super::super::tree::NodeArena;
use super::bytes::skip_spaces;
use super::scanner::{ScanResult, Scanner, unsupported};

/// Checks the escapes of double-quoted scalars. Fails at the first escape that Kubernetes does not read.
pub(in super::super) fn check_escapes(text: &str, mut scalars: impl Iterator<Item = Range<usize>>) -> ScanResult {
    let mut arena = NodeArena::default();
    let scanner = Scanner::new(text, &mut arena);
    scalars.try_for_each(|scalar| {
        let mut at = scalar.start + 1;
        while let Some(offset) = memchr::memchr(b'\\', &text.as_bytes()[at..scalar.end]) {
            at = scanner.scan_escape(at + offset)?;
        }
        Ok(())
    })
}

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
                return unsupported(at, "unterminated quoted string");
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
                            return unsupported(
                                at,
                                "unterminated quoted string, or its next line is not indented enough",
                            );
                        }
                        Some(_) if column == 0 && self.is_document_marker(content) => {
                            return unsupported(at, "unterminated quoted string");
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
            Some(b'/') if self.is_json() => return Ok(at + 2),
            _ => return unsupported(at, "an unknown escape"),
        };
        let hex = self.text.get(at + 2..at + 2 + digits).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = hex
            .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        match code.and_then(char::from_u32) {
            Some(_) => Ok(at + 2 + digits),
            // Kubernetes reads a file that begins with `{` as JSON. Its YAML reader does not support surrogates.
            None if surrogate_pair(&self.text[at..]).is_some() && self.is_json() => Ok(at + SURROGATE_PAIR_BYTES),
            None => unsupported(at, "an escape that is not a Unicode character"),
        }
    }

    /// Returns whether the document is a JSON object, which Kubernetes reads with a JSON reader.
    #[cold]
    fn is_json(&self) -> bool {
        *self.is_json.get_or_init(|| {
            self.text.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(self.text).is_ok()
        })
    }
}
