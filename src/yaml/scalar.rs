//! Scalars: their decoded text, what Kubernetes' YAML reader takes them for, and how we write ours.
//!
//! Kubernetes reads YAML with sigs.k8s.io/yaml, that is go-yaml 2: YAML 1.1 words, octal and binary
//! numbers. Only the kind is decided here; a number is never converted, so none can change.

use std::borrow::Cow;

use super::tree::{ESCAPED, Kind, MULTILINE, Node};

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

/// The decoded text of a scalar node.
pub(super) fn decode(node: Node<'_>) -> Cow<'_, str> {
    let raw = node.raw();
    let flags = node.flags();
    match node.kind() {
        Kind::Plain if flags & MULTILINE == 0 => Cow::Borrowed(raw),
        Kind::Plain => Cow::Owned(fold_lines(raw)),
        Kind::Single | Kind::Double if flags & (MULTILINE | ESCAPED) == 0 => Cow::Borrowed(&raw[1..raw.len() - 1]),
        Kind::Single => Cow::Owned(fold_lines(&raw[1..raw.len() - 1]).replace("''", "'")),
        Kind::Double => Cow::Owned(decode_double(&raw[1..raw.len() - 1])),
        Kind::Literal | Kind::Folded => Cow::Owned(decode_block(node)),
        Kind::Empty | Kind::Map | Kind::Seq | Kind::Alias => Cow::Borrowed(""),
    }
}

/// Folds the lines of a plain or single-quoted scalar: one break is a space, each further one a line feed.
fn fold_lines(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut lines = raw.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let mut rest = lines.next().unwrap_or("");
    let mut breaks = 0;
    // Blanks at the very start and the very end of the scalar are content; around breaks they are not.
    loop {
        let next = lines.next();
        let line = if next.is_some() { rest.trim_end_matches([' ', '\t']) } else { rest };
        if breaks == 1 && (!line.is_empty() || next.is_none()) {
            out.push(' ');
        } else if breaks > 1 && (!line.is_empty() || next.is_none()) {
            out.extend(std::iter::repeat_n('\n', breaks - 1));
        }
        if !line.is_empty() {
            breaks = 0;
        }
        out.push_str(line);
        match next {
            None => return out,
            Some(next) => {
                breaks += 1;
                rest = next.trim_start_matches([' ', '\t']);
            }
        }
    }
}

/// Decodes the inside of a double-quoted scalar, whose escapes the scanner has found to be valid.
fn decode_double(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    // Blanks that may turn out to stand before a line break, and then are dropped.
    let mut kept = 0;
    let mut chars = raw.char_indices().peekable();
    while let Some((_, c)) = chars.next() {
        match c {
            '\\' => {
                let Some((at, escape)) = chars.next() else { break };
                let digits = match escape {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => 0,
                };
                if digits > 0 {
                    let code = raw.get(at + 1..at + 1 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                    out.push(code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER));
                    for _ in 0..digits {
                        chars.next();
                    }
                } else if matches!(escape, '\n' | '\r') {
                    // An escaped line break joins the lines; blank lines after it still count.
                    if escape == '\r' {
                        chars.next_if(|&(_, c)| c == '\n');
                    }
                    skip_blanks(&mut chars);
                    while take_break(&mut chars) {
                        out.push('\n');
                        skip_blanks(&mut chars);
                    }
                } else {
                    out.push(simple_escape(escape).unwrap_or(escape));
                }
                kept = out.len();
            }
            '\n' | '\r' => {
                if c == '\r' {
                    chars.next_if(|&(_, c)| c == '\n');
                }
                while out.len() > kept && out.ends_with([' ', '\t']) {
                    out.pop();
                }
                skip_blanks(&mut chars);
                let mut breaks = 1;
                while take_break(&mut chars) {
                    breaks += 1;
                    skip_blanks(&mut chars);
                }
                if breaks == 1 {
                    out.push(' ');
                } else {
                    out.extend(std::iter::repeat_n('\n', breaks - 1));
                }
                kept = out.len();
            }
            _ => out.push(c),
        }
    }
    out
}

type CharIndices<'a> = std::iter::Peekable<std::str::CharIndices<'a>>;

fn skip_blanks(chars: &mut CharIndices<'_>) {
    while chars.next_if(|&(_, c)| c == ' ' || c == '\t').is_some() {}
}

/// Takes a line break (LF or CRLF) if one is next.
fn take_break(chars: &mut CharIndices<'_>) -> bool {
    let carriage_return = chars.next_if(|&(_, c)| c == '\r').is_some();
    chars.next_if(|&(_, c)| c == '\n').is_some() || carriage_return
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
fn decode_block(node: Node<'_>) -> String {
    let text = node.document().text;
    let raw = node.raw();
    let folded = node.kind() == Kind::Folded;
    let chomping = chomping(raw);
    let indent = node.column();
    let mut out = String::with_capacity(raw.len());
    let Some((_, body)) = raw.split_once('\n') else { return out };
    // The span stops before the last line break; whether there is one decides about a final `\n`.
    let has_final_break = text.as_bytes().get(node.span().end).is_some_and(|&byte| byte == b'\n' || byte == b'\r');
    let (mut pending_break, mut blank_lines, mut after_indented) = (false, 0usize, false);
    for line in body.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.len() <= indent && line.bytes().all(|byte| byte == b' ') {
            blank_lines += 1;
            continue;
        }
        let content = &line[indent..];
        let indented = content.starts_with([' ', '\t']);
        if folded && pending_break && !after_indented && !indented {
            if blank_lines == 0 {
                out.push(' ');
            }
        } else if pending_break {
            out.push('\n');
        }
        out.extend(std::iter::repeat_n('\n', blank_lines));
        blank_lines = 0;
        out.push_str(content);
        pending_break = true;
        after_indented = indented;
    }
    // With no content at all, the blank lines are all there is; `+` keeps them.
    match chomping {
        Chomping::Strip => {}
        Chomping::Clip => {
            if pending_break && (has_final_break || blank_lines > 0) {
                out.push('\n');
            }
        }
        Chomping::Keep => {
            let breaks = blank_lines + usize::from(pending_break);
            let missing = usize::from(!has_final_break);
            out.extend(std::iter::repeat_n('\n', breaks.saturating_sub(missing)));
        }
    }
    out
}

/// What go-yaml 2 resolves an untagged plain scalar to.
pub fn resolve(text: &str) -> ScalarKind {
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
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
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
        for plain in ["prefect-secrets", "GITHUB_TOKEN", "a.b", "metadata.name"] {
            assert_eq!(quote_name(plain), plain);
        }
        for quoted in ["on", "Y", "null", "1a", "", "a b", "metadata.labels['x']", "-a"] {
            assert_eq!(quote_name(quoted), format!("{quoted:?}"));
        }
    }
}
