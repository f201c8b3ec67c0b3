//! Decodes the content of scalars.

use std::borrow::Cow;
use std::ops::Range;

use super::super::node_kind::{ESCAPED, MULTILINE, NodeKind};

/// Receives the decoded content of a scalar piece by piece, with the position of each piece in the document.
pub(in super::super) trait DecodeSink {
    /// Receives content that is written literally at the byte offset `at`.
    fn push_literal(&mut self, at: usize, text: &str);
    /// Receives the decoded content of an escape or line breaks, which are written at `raw`.
    fn push_decoded(&mut self, raw: Range<usize>, text: &str);
}

impl DecodeSink for String {
    fn push_literal(&mut self, _at: usize, text: &str) {
        self.push_str(text);
    }
    fn push_decoded(&mut self, _raw: Range<usize>, text: &str) {
        self.push_str(text);
    }
}

/// A scalar as it is written in a document.
pub(in super::super) struct ScalarSource<'a> {
    /// The text of the whole document.
    pub document: &'a str,
    /// The byte range of the scalar, with quotes or block scalar header.
    pub span: Range<usize>,
    /// The style of the scalar.
    pub kind: NodeKind,
    /// The flags from `node_kind`, such as [`ESCAPED`].
    pub flags: u8,
    /// The column of a block scalar's content.
    pub column: usize,
}

impl<'a> ScalarSource<'a> {
    fn raw(&self) -> &'a str {
        &self.document[self.span.clone()]
    }
}

/// Returns the decoded content of a scalar.
#[inline]
pub(in super::super) fn decode(scalar: ScalarSource<'_>) -> Cow<'_, str> {
    let raw = scalar.raw();
    let flags = scalar.flags;
    match scalar.kind {
        NodeKind::Plain if flags & MULTILINE == 0 => Cow::Borrowed(raw),
        NodeKind::SingleQuoted | NodeKind::DoubleQuoted if flags & (MULTILINE | ESCAPED) == 0 => {
            Cow::Borrowed(&raw[1..raw.len() - 1])
        }
        NodeKind::Empty | NodeKind::Map | NodeKind::Seq | NodeKind::Alias => Cow::Borrowed(""),
        _ => {
            let mut text = String::with_capacity(raw.len());
            decode_into(&scalar, &mut text);
            Cow::Owned(text)
        }
    }
}

/// Decodes a scalar into `out`, from the first piece to the last.
pub(in super::super) fn decode_into(scalar: &ScalarSource<'_>, out: &mut impl DecodeSink) {
    let (raw, start) = (scalar.raw(), scalar.span.start);
    match scalar.kind {
        NodeKind::Plain => decode_flow(raw, start, None, out),
        NodeKind::SingleQuoted => decode_flow(&raw[1..raw.len() - 1], start + 1, Some(b'\''), out),
        NodeKind::DoubleQuoted => decode_flow(&raw[1..raw.len() - 1], start + 1, Some(b'\\'), out),
        NodeKind::Literal | NodeKind::Folded => decode_block(scalar, out),
        NodeKind::Empty | NodeKind::Map | NodeKind::Seq | NodeKind::Alias => {}
    }
}

/// Decodes a plain scalar, or a quoted scalar without its quotes. `offset` is its position in the document.
///
/// `escape` is the byte that begins an escape: `'`, which is doubled, or `\`. The scanner has already validated the
/// escapes. Line folding (YAML 1.2, section 6.5) converts a single line break to a space, and n line breaks to n - 1
/// line feeds. It drops the spaces and tabs next to them.
fn decode_flow(raw: &str, offset: usize, escape: Option<u8>, out: &mut impl DecodeSink) {
    let bytes = raw.as_bytes();
    let mut at = 0;
    loop {
        let next = memchr::memchr3(b'\n', b'\r', escape.unwrap_or(b'\n'), &bytes[at..]);
        let Some(stop) = next.map(|found| at + found) else {
            return out.push_literal(offset + at, &raw[at..]);
        };
        let run = &raw[at..stop];
        if escape == Some(bytes[stop]) {
            out.push_literal(offset + at, run);
            at = if bytes[stop] == b'\\' {
                decode_escape(raw, offset, stop, out)
            } else {
                out.push_decoded(offset + stop..offset + stop + 2, "'");
                stop + 2
            };
        } else {
            let content = run.trim_end_matches([' ', '\t']);
            let (breaks, end) = line_breaks(raw, stop);
            let decoded = if breaks == 1 { Cow::Borrowed(" ") } else { Cow::Owned("\n".repeat(breaks - 1)) };
            out.push_literal(offset + at, content);
            out.push_decoded(offset + at + content.len()..offset + end, &decoded);
            at = end;
        }
    }
}

/// Decodes the escape that begins at `start`, and returns the offset after it.
fn decode_escape(raw: &str, offset: usize, start: usize, out: &mut impl DecodeSink) -> usize {
    let escape = raw[start + 1..].chars().next().unwrap_or('\\');
    let digits = match escape {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        // An escaped line break joins two lines. Each empty line after it is a line feed.
        '\n' | '\r' => {
            let (breaks, end) = line_breaks(raw, start + 1);
            out.push_decoded(offset + start..offset + end, &"\n".repeat(breaks - 1));
            return end;
        }
        _ => 0,
    };
    let mut end = start + 1 + escape.len_utf8() + digits;
    let from_hex = || u32::from_str_radix(raw.get(start + 2..end)?, 16).ok().and_then(char::from_u32);
    let decoded = match digits {
        0 => simple_escape(escape).unwrap_or(escape),
        _ => match (from_hex(), surrogate_pair(&raw.as_bytes()[start..])) {
            (Some(decoded), _) => decoded,
            (None, Some(decoded)) => {
                end = start + SURROGATE_PAIR_BYTES;
                decoded
            }
            (None, None) => char::REPLACEMENT_CHARACTER,
        },
    };
    out.push_decoded(offset + start..offset + end, decoded.encode_utf8(&mut [0; 4]));
    end.min(raw.len())
}

/// The number of bytes of two `\u` escapes.
pub(in super::super) const SURROGATE_PAIR_BYTES: usize = 12;

/// Returns the character of a UTF-16 surrogate pair that `text` begins with, such as `\ud83d\ude00`. Only JSON has such
/// pairs.
pub(in super::super) fn surrogate_pair(text: &[u8]) -> Option<char> {
    let unit = |escape: &[u8]| {
        let hex = escape.strip_prefix(b"\\u").filter(|hex| hex.iter().all(u8::is_ascii_hexdigit))?;
        u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
    };
    let units = [unit(text.get(..6)?)?, unit(text.get(6..SURROGATE_PAIR_BYTES)?)?];
    let mut chars = char::decode_utf16(units);
    // Two units are one character only if they are a pair.
    let decoded = chars.next()?.ok()?;
    chars.next().is_none().then_some(decoded)
}

/// Counts consecutive line breaks (LF, CRLF or CR) from `at` on, and skips the spaces and tabs after each. Returns the
/// number of line breaks and the offset after them.
fn line_breaks(raw: &str, at: usize) -> (usize, usize) {
    let (mut rest, mut breaks) = (&raw[at..], 0);
    while let Some(after) = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix(['\n', '\r'])) {
        breaks += 1;
        rest = after.trim_start_matches([' ', '\t']);
    }
    (breaks, raw.len() - rest.len())
}

/// Returns the decoded character of a single-character escape, or `None` if go-yaml does not support it, such as `\/`.
pub(in super::super) fn simple_escape(escape: char) -> Option<char> {
    Some(match escape {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        ' ' => ' ',
        '"' => '"',
        '\'' => '\'',
        '\\' => '\\',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        _ => return None,
    })
}

/// The block chomping indicator (YAML 1.2, section 8.1.1.2), which selects the final line breaks that are content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Chomping {
    /// `-`: no line breaks.
    Strip,
    /// No indicator: the first line break.
    Clip,
    /// `+`: all line breaks.
    Keep,
}

/// Returns the chomping of a block scalar from its source text.
pub(in super::super) fn chomping(raw: &str) -> Chomping {
    let header = &raw.as_bytes()[1..raw.len().min(3)];
    for &byte in header {
        match byte {
            b'-' => return Chomping::Strip,
            b'+' => return Chomping::Keep,
            b'1'..=b'9' => {}
            _ => break,
        }
    }
    Chomping::Clip
}

/// Decodes a literal or folded block scalar.
fn decode_block(scalar: &ScalarSource<'_>, out: &mut impl DecodeSink) {
    let (text, raw, span) = (scalar.document, scalar.raw(), scalar.span.clone());
    let (folded, chomping, indent) = (scalar.kind == NodeKind::Folded, chomping(raw), scalar.column);
    let Some(header) = raw.find('\n') else { return };
    // The line breaks since the last line with content. Their decoded form depends on the next line.
    let mut breaks: Vec<Range<usize>> = Vec::new();
    let (mut has_content, mut after_indented) = (false, false);
    let mut at = span.start + header + 1;
    while at <= span.end {
        let end = memchr::memchr(b'\n', &text.as_bytes()[at..span.end]).map_or(span.end, |found| at + found);
        let line = text[at..end].strip_suffix('\r').unwrap_or(&text[at..end]);
        let line_end = at + line.len();
        if line.len() > indent || line.bytes().any(|byte| byte != b' ') {
            let content = &line[indent..];
            let indented = content.starts_with([' ', '\t']);
            let folds = folded && has_content && !after_indented && !indented;
            match breaks.as_slice() {
                // The space replaces the line break and the indentation of the next line.
                [only] if folds => out.push_decoded(only.start..at + indent, " "),
                [first, rest @ ..] if folds => {
                    out.push_decoded(first.start..rest[0].end, "\n");
                    rest[1..].iter().for_each(|line_break| out.push_decoded(line_break.clone(), "\n"));
                }
                unfolded => unfolded.iter().for_each(|line_break| out.push_decoded(line_break.clone(), "\n")),
            }
            breaks.clear();
            out.push_literal(at + indent, content);
            (has_content, after_indented) = (true, indented);
        }
        // The span ends before the last line break. The line break may be content, so it is read from the document.
        let rest = &text[line_end..];
        let length = if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with(['\n', '\r'])) };
        if length > 0 {
            breaks.push(line_end..line_end + length);
        }
        at = end + 1;
    }
    let count = match chomping {
        Chomping::Strip => 0,
        Chomping::Clip => usize::from(has_content),
        Chomping::Keep => breaks.len(),
    };
    breaks.into_iter().take(count).for_each(|line_break| out.push_decoded(line_break, "\n"));
}
