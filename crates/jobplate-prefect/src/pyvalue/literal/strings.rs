//! Parses string literals, such as `'a'`, `b"a"` and `r'''a'''`, and decodes their escapes.

use crate::pyvalue::arena::Value;

/// The characters of a string literal or of concatenated literals. In a bytes literal, each character is one byte.
pub(super) struct StringParts {
    is_bytes: bool,
    chars: Vec<char>,
}

impl StringParts {
    /// Converts the characters to `bytes` or `str`, or to an unsupported value if an escape is not supported.
    pub(super) fn into_value(self) -> Value {
        match self.is_bytes {
            false if self.chars.contains(&UNSUPPORTED_MARK) => Value::Unsupported(UNSUPPORTED_ESCAPE),
            true => Value::Bytes(self.chars.into_iter().map(|c| u32::from(c) as u8).collect()),
            false => Value::Str(self.chars.into_iter().collect()),
        }
    }

    /// Appends an adjacent literal. Returns `None` if only one of the two literals is a bytes literal.
    pub(super) fn concat(mut self, next: Self) -> Option<Self> {
        self.chars.extend(next.chars);
        (self.is_bytes == next.is_bytes).then_some(self)
    }
}

/// Returns whether `text` starts with a string literal.
pub(super) fn starts_string(text: &str) -> bool {
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    end <= 2 && text[end..].starts_with(['\'', '"'])
}

/// Parses one string literal at the start of `text`. Returns the literal and the rest of the text, or `None` if the
/// literal is invalid.
pub(super) fn parse_string(text: &str) -> Option<(StringParts, &str)> {
    let quote = text.find(['\'', '"'])?;
    let prefix = text[..quote].to_ascii_lowercase();
    let (is_bytes, is_raw) = match prefix.as_str() {
        "" | "u" => (false, false),
        "r" => (false, true),
        "b" => (true, false),
        "br" | "rb" => (true, true),
        _ => return None,
    };
    let (chars, rest) = parse_quoted(&text[quote..], is_bytes, is_raw)?;
    Some((StringParts { is_bytes, chars }, rest))
}

/// Parses a literal without its prefix. Returns its characters and the rest of the text, or `None` if the literal is
/// invalid.
fn parse_quoted(text: &str, is_bytes: bool, is_raw: bool) -> Option<(Vec<char>, &str)> {
    let mark = &text[..1];
    let triple_mark = mark.repeat(3);
    let (end, is_triple_quoted) =
        if text.starts_with(&triple_mark) { (triple_mark.as_str(), true) } else { (mark, false) };
    let mut rest = &text[end.len()..];
    let mut out = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(end) {
            return Some((out, after));
        }
        let c = rest.chars().next()?;
        rest = &rest[c.len_utf8()..];
        match c {
            '\n' if !is_triple_quoted => return None,
            '\r' if !is_triple_quoted => return None,
            '\r' => {
                rest = rest.strip_prefix('\n').unwrap_or(rest);
                out.push('\n');
            }
            '\\' if is_raw => {
                out.push('\\');
                let next = rest.chars().next()?;
                if is_bytes && !next.is_ascii() {
                    return None;
                }
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
            '\\' => rest = decode_escape(rest, is_bytes, &mut out)?,
            c if is_bytes && !c.is_ascii() => return None,
            c => out.push(c),
        }
    }
}

/// The description of a string that this crate cannot represent: a string with a named character (`\N{...}`) or a lone
/// surrogate (`\ud800`).
pub(in crate::pyvalue) const UNSUPPORTED_ESCAPE: &str =
    "a string with a character name (`\\N{...}`) or a lone surrogate";

/// The replacement for an unsupported escape in the characters of a string.
const UNSUPPORTED_MARK: char = '\u{10ffff}';

/// Decodes the escape after a backslash, appends the character to `out`, and returns the rest of the text. Appends
/// [`UNSUPPORTED_MARK`] for a named character or a lone surrogate. Returns `None` if the escape is invalid.
fn decode_escape<'t>(rest: &'t str, is_bytes: bool, out: &mut Vec<char>) -> Option<&'t str> {
    let c = rest.chars().next()?;
    let after = &rest[c.len_utf8()..];
    let decode_hex = |digits: usize| {
        let code = u32::from_str_radix(after.get(..digits).filter(|code| !code.starts_with('+'))?, 16).ok()?;
        Some((char::from_u32(code)?, &after[digits..]))
    };
    let (decoded, after) = match c {
        '\n' => return Some(after),
        '\r' => return Some(after.strip_prefix('\n').unwrap_or(after)),
        '\\' | '\'' | '"' => (c, after),
        'a' => ('\u{7}', after),
        'b' => ('\u{8}', after),
        'f' => ('\u{c}', after),
        'n' => ('\n', after),
        'r' => ('\r', after),
        't' => ('\t', after),
        'v' => ('\u{b}', after),
        '0'..='7' => {
            let end = rest.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            (char::from_u32(u32::from_str_radix(&rest[..end], 8).ok()?)?, &rest[end..])
        }
        'x' => decode_hex(2)?,
        'u' if !is_bytes => match decode_hex(4) {
            Some(decoded) => decoded,
            None => return decode_surrogate(after, out),
        },
        'U' if !is_bytes => decode_hex(8)?,
        'N' if !is_bytes => {
            let (name, after) = after.strip_prefix('{')?.split_once('}')?;
            if name.is_empty() {
                return None;
            }
            out.push(UNSUPPORTED_MARK);
            return Some(after);
        }
        c if is_bytes && !c.is_ascii() => return None,
        // An unknown escape keeps its backslash.
        c => {
            out.push('\\');
            (c, after)
        }
    };
    out.push(decoded);
    Some(after)
}

/// Decodes the digits of a `\u` escape that is a surrogate, appends the character to `out`, and returns the rest of the
/// text. Combines a surrogate pair into one character, which the pair is in the JSON that Prefect writes. Appends
/// [`UNSUPPORTED_MARK`] for a lone surrogate. Returns `None` if the digits are invalid.
fn decode_surrogate<'t>(after: &'t str, out: &mut Vec<char>) -> Option<&'t str> {
    let parse_unit = |text: &str| u16::from_str_radix(text.get(..4).filter(|code| !code.starts_with('+'))?, 16).ok();
    let first = parse_unit(after)?;
    let rest = &after[4..];
    let second = rest.strip_prefix("\\u").and_then(parse_unit);
    let pair = second.and_then(|second| char::decode_utf16([first, second]).next()?.ok());
    out.push(pair.unwrap_or(UNSUPPORTED_MARK));
    Some(if pair.is_some() { &rest[6..] } else { rest })
}
