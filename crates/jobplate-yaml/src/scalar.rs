//! Scalars: their decoded text, what Kubernetes' YAML reader takes them for, and how we write ours.
//!
//! Kubernetes reads YAML with sigs.k8s.io/yaml, that is go-yaml 2: YAML 1.1 words, octal and binary
//! numbers. Only the kind is decided here; a number is never converted, so none can change.

use std::borrow::Cow;
use std::ops::Range;

use super::node_kind::{ESCAPED, MULTILINE, NodeKind};

/// What go-yaml 2 takes a plain scalar for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarKind {
    /// Empty, `~`, `null`
    Null,
    /// `true`, `yes`, `on`, `y` and their opposites
    Bool,
    /// An integer or a finite float
    Number,
    /// `.inf`, `.nan`: no JSON value
    NonFinite,
    /// Anything else
    String,
}

/// Takes the text of a scalar as it is decoded, piece by piece, with the bytes of the document it comes from.
pub(super) trait Pieces {
    /// Bytes from an offset on that stand for themselves.
    fn same(&mut self, at: usize, text: &str);
    /// Bytes that stand for another text: an escape, a line break, a fold.
    fn other(&mut self, raw: Range<usize>, text: &str);
}

impl Pieces for String {
    fn same(&mut self, _at: usize, text: &str) {
        self.push_str(text);
    }
    fn other(&mut self, _raw: Range<usize>, text: &str) {
        self.push_str(text);
    }
}

/// A scalar as it is written in a document.
pub(super) struct Written<'a> {
    /// The text of the whole document.
    pub document: &'a str,
    /// The scalar's bytes: quotes and block scalar header included.
    pub span: Range<usize>,
    pub kind: NodeKind,
    pub flags: u8,
    /// The column of a block scalar's content.
    pub column: usize,
}

impl<'a> Written<'a> {
    fn raw(&self) -> &'a str {
        &self.document[self.span.clone()]
    }
}

/// The decoded text of a scalar.
#[inline]
pub(super) fn decode(scalar: Written<'_>) -> Cow<'_, str> {
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

/// Decodes a scalar, in the order of its text.
pub(super) fn decode_into(scalar: &Written<'_>, out: &mut impl Pieces) {
    let (raw, start) = (scalar.raw(), scalar.span.start);
    match scalar.kind {
        NodeKind::Plain => decode_flow(raw, start, None, out),
        NodeKind::SingleQuoted => decode_flow(&raw[1..raw.len() - 1], start + 1, Some(b'\''), out),
        NodeKind::DoubleQuoted => decode_flow(&raw[1..raw.len() - 1], start + 1, Some(b'\\'), out),
        NodeKind::Literal | NodeKind::Folded => decode_block(scalar, out),
        NodeKind::Empty | NodeKind::Map | NodeKind::Seq | NodeKind::Alias => {}
    }
}

/// Decodes a plain scalar, or the inside of a quoted one, which stands at `offset` in the document. `mark`
/// is the byte that escapes: `'` doubles itself, and what follows a `\\` the scanner has found to be valid.
///
/// Folding: one line break is a space, each further one a line feed; blanks around breaks are no content.
fn decode_flow(raw: &str, offset: usize, mark: Option<u8>, out: &mut impl Pieces) {
    let bytes = raw.as_bytes();
    let mut at = 0;
    loop {
        let next = memchr::memchr3(b'\n', b'\r', mark.unwrap_or(b'\n'), &bytes[at..]);
        let Some(here) = next.map(|found| at + found) else {
            return out.same(offset + at, &raw[at..]);
        };
        let run = &raw[at..here];
        if mark == Some(bytes[here]) {
            out.same(offset + at, run);
            at = if bytes[here] == b'\\' {
                decode_escape(raw, offset, here, out)
            } else {
                out.other(offset + here..offset + here + 2, "'");
                here + 2
            };
        } else {
            let content = run.trim_end_matches([' ', '\t']);
            let (breaks, end) = line_breaks(raw, here);
            let fold = if breaks == 1 { Cow::Borrowed(" ") } else { Cow::Owned("\n".repeat(breaks - 1)) };
            out.same(offset + at, content);
            out.other(offset + at + content.len()..offset + end, &fold);
            at = end;
        }
    }
}

/// Decodes the escape that begins at `here`, and gives where it ends.
fn decode_escape(raw: &str, offset: usize, here: usize, out: &mut impl Pieces) -> usize {
    let escape = raw[here + 1..].chars().next().unwrap_or('\\');
    let digits = match escape {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        // An escaped line break joins the lines; blank lines after it still count.
        '\n' | '\r' => {
            let (breaks, end) = line_breaks(raw, here + 1);
            out.other(offset + here..offset + end, &"\n".repeat(breaks - 1));
            return end;
        }
        _ => 0,
    };
    let end = here + 1 + escape.len_utf8() + digits;
    let coded = || u32::from_str_radix(raw.get(here + 2..end)?, 16).ok().and_then(char::from_u32);
    let decoded = match digits {
        0 => simple_escape(escape).unwrap_or(escape),
        _ => coded().unwrap_or(char::REPLACEMENT_CHARACTER),
    };
    out.other(offset + here..offset + end, decoded.encode_utf8(&mut [0; 4]));
    end.min(raw.len())
}

/// The number of line breaks (LF, CRLF or CR) from `at` on, and the offset behind them and the blanks between
/// and after them.
fn line_breaks(raw: &str, at: usize) -> (usize, usize) {
    let (mut rest, mut breaks) = (&raw[at..], 0);
    while let Some(behind) = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix(['\n', '\r'])) {
        breaks += 1;
        rest = behind.trim_start_matches([' ', '\t']);
    }
    (breaks, raw.len() - rest.len())
}

/// The character of a one-letter escape that go-yaml knows; `\/` is not among them.
pub(super) fn simple_escape(escape: char) -> Option<char> {
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

/// What happens to the line breaks at the end of a block scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chomping {
    Strip,
    Clip,
    Keep,
}

/// The chomping of a block scalar, from its header.
pub(super) fn chomping(raw: &str) -> Chomping {
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
fn decode_block(scalar: &Written<'_>, out: &mut impl Pieces) {
    let (text, raw, span) = (scalar.document, scalar.raw(), scalar.span.clone());
    let (folded, chomping, indent) = (scalar.kind == NodeKind::Folded, chomping(raw), scalar.column);
    let Some(header) = raw.find('\n') else { return };
    // Breaks since the last line with content: what they stand for is decided by what follows.
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
                // The indentation, too: a fold stands in the middle of a line.
                [only] if folds => out.other(only.start..at + indent, " "),
                [first, rest @ ..] if folds => {
                    out.other(first.start..rest[0].end, "\n");
                    rest[1..].iter().for_each(|line_break| out.other(line_break.clone(), "\n"));
                }
                all => all.iter().for_each(|line_break| out.other(line_break.clone(), "\n")),
            }
            breaks.clear();
            out.same(at + indent, content);
            (has_content, after_indented) = (true, indented);
        }
        // The span stops before the last line break, which counts where it is there.
        let rest = &text[line_end..];
        let length = if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with(['\n', '\r'])) };
        if length > 0 {
            breaks.push(line_end..line_end + length);
        }
        at = end + 1;
    }
    let kept = match chomping {
        Chomping::Strip => 0,
        Chomping::Clip => usize::from(has_content),
        // With no content at all, the blank lines are all there is.
        Chomping::Keep => breaks.len(),
    };
    breaks.into_iter().take(kept).for_each(|line_break| out.other(line_break, "\n"));
}

/// What go-yaml 2 resolves an untagged plain scalar to.
pub(super) fn resolve(text: &str) -> ScalarKind {
    let Some(&first) = text.as_bytes().first() else { return ScalarKind::Null };
    match first {
        b'~' | b'n' | b'N' | b'y' | b'Y' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' => resolve_word(text),
        b'.' => match text {
            ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" => ScalarKind::NonFinite,
            // Go takes underscores between digits here.
            _ => number_if(underscores_between_digits(text) && go_float(&text.replace('_', ""))),
        },
        b'+' | b'-' | b'0'..=b'9' => match text {
            "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" => ScalarKind::NonFinite,
            _ => number_if(is_number(&text.replace('_', ""))),
        },
        _ => ScalarKind::String,
    }
}

fn number_if(number: bool) -> ScalarKind {
    if number { ScalarKind::Number } else { ScalarKind::String }
}

fn resolve_word(text: &str) -> ScalarKind {
    match text {
        "~" | "null" | "Null" | "NULL" => ScalarKind::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" | "n" | "N" | "no" | "No"
        | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => ScalarKind::Bool,
        _ => ScalarKind::String,
    }
}

/// Go's `ParseInt(s, 0, 64)`, `ParseUint`, or go-yaml's float pattern; the underscores are gone already.
fn is_number(plain: &str) -> bool {
    let (negative, digits) = match plain.as_bytes().first() {
        Some(b'-') => (true, &plain[1..]),
        Some(b'+') => (false, &plain[1..]),
        _ => (false, plain),
    };
    let signed = digits.len() != plain.len();
    let (radix, body) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !body.starts_with(['+', '-'])
        && let Ok(value) = u64::from_str_radix(body, radix)
    {
        let limit = if negative { 1 << 63 } else { u64::MAX };
        // ParseUint takes no sign, so what exceeds an i64 must have none.
        if value <= limit && !(signed && !negative && value > i64::MAX as u64) {
            return true;
        }
    }
    is_float_pattern(digits) && go_float(plain)
        || plain
            .strip_prefix("0b")
            .or(plain.strip_prefix("-0b"))
            .is_some_and(|bits| i64::from_str_radix(bits, 2).is_ok())
}

fn underscores_between_digits(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    bytes.iter().enumerate().all(|(at, &byte)| byte != b'_' || digit(at.checked_sub(1)) && digit(at.checked_add(1)))
}

/// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float_pattern(text: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(text);
    let mut rest = &text[whole..];
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = digits(fraction);
        if whole == 0 && length == 0 {
            return false;
        }
        rest = &fraction[length..];
    } else if whole == 0 {
        return false;
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}

/// Go's `ParseFloat` on decimal text: out of range is an error there, not an infinity.
fn go_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    is_float_pattern(unsigned) && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// A double-quoted scalar that go-yaml, PyYAML and YAML 1.2 readers (JSON too) read back as `text`.
pub fn quote_double(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                out.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A name, key or path: unquoted where no YAML reader could take it for anything but a string.
pub fn quote_name(text: &str) -> Cow<'_, str> {
    let safe = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/'))
        && resolve_word(text) == ScalarKind::String;
    if safe { Cow::Borrowed(text) } else { Cow::Owned(quote_double(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_go_yamls() {
        let cases = [
            ("", ScalarKind::Null),
            ("~", ScalarKind::Null),
            ("nULL", ScalarKind::String),
            ("yes", ScalarKind::Bool),
            ("tRue", ScalarKind::String),
            ("N", ScalarKind::Bool),
            ("1_000", ScalarKind::Number),
            ("0777", ScalarKind::Number),
            ("08", ScalarKind::Number),
            ("0o777", ScalarKind::Number),
            ("0b101", ScalarKind::Number),
            ("1e3", ScalarKind::Number),
            ("1e400", ScalarKind::String),
            (".5", ScalarKind::Number),
            (".1_000", ScalarKind::Number),
            ("._5", ScalarKind::String),
            (".inf", ScalarKind::NonFinite),
            ("-.inf", ScalarKind::NonFinite),
            ("2001-01-01", ScalarKind::String),
            ("1:30", ScalarKind::String),
            ("0x", ScalarKind::String),
            ("18446744073709551615", ScalarKind::Number),
            ("0xFFFFFFFFFFFFFFFFF", ScalarKind::String),
            ("-", ScalarKind::String),
        ];
        for (text, kind) in cases {
            assert_eq!(resolve(text), kind, "{text:?}");
        }
    }

    #[test]
    fn names_are_quoted_only_when_a_reader_could_mistake_them() {
        for plain in ["prefect-secrets", "GITHUB_TOKEN", "a.b", "metadata.name", "checksum/jobplate"] {
            assert_eq!(quote_name(plain), plain);
        }
        for quoted in ["on", "Y", "null", "1a", "", "a b", "metadata.labels['x']", "-a"] {
            assert_eq!(quote_name(quoted), format!("{quoted:?}"));
        }
    }
}
