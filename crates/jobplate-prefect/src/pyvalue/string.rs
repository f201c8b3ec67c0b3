//! Python's `str()`, `repr()`, `str.strip()` and `str(PurePosixPath())`.

use super::arena::{Arena, Value, ValueId};

/// Returns whether a character is whitespace in Python. Unlike in Rust, U+001C to U+001F are whitespace, too.
pub(crate) fn is_whitespace(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// Removes surrounding whitespace like `str.strip()`.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_whitespace)
}

/// Returns `str(PurePosixPath(text))`.
pub(crate) fn normalize_path(text: &str) -> String {
    // POSIX allows a path to start with exactly two slashes. Three or more slashes are equivalent to one.
    let root = match text.len() - text.trim_start_matches('/').len() {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let path = format!("{root}{}", parts.join("/"));
    if path.is_empty() { ".".to_owned() } else { path }
}

/// Returns `str(UUID(digits))`, or `None` if `digits` are not 32 hexadecimal digits.
pub(crate) fn format_uuid(digits: &str) -> Option<String> {
    let is_uuid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let part = |range: std::ops::Range<usize>| digits[range].to_ascii_lowercase();
    is_uuid.then(|| [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-"))
}

/// Returns `str(value)`.
pub fn str(arena: &Arena, id: ValueId) -> String {
    match arena.get(id) {
        Value::Str(text) | Value::Unknown(text) => text.clone(),
        Value::Timestamp(time) => time.str(),
        _ => repr(arena, id),
    }
}

/// Returns `repr(value)`.
pub fn repr(arena: &Arena, id: ValueId) -> String {
    let join_items = |items: &[ValueId]| items.iter().map(|item| repr(arena, *item)).collect::<Vec<_>>().join(", ");
    match arena.get(id) {
        Value::None => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(integer) => integer.to_string(),
        Value::Float(float) => repr_float(*float),
        Value::Str(text) => quote(text.chars()),
        Value::Unknown(text) => text.clone(),
        Value::Bytes(bytes) => format!("b{}", quote_bytes(bytes)),
        Value::Timestamp(time) => time.repr(),
        Value::List(items) => format!("[{}]", join_items(items)),
        Value::Tuple(items) if items.len() == 1 => format!("({},)", join_items(items)),
        Value::Tuple(items) => format!("({})", join_items(items)),
        Value::Set(items) if items.is_empty() => "set()".to_owned(),
        Value::Set(items) => format!("{{{}}}", join_items(items)),
        Value::Dict(pairs) => {
            let print_pair =
                |(key, value): &(ValueId, ValueId)| format!("{}: {}", repr(arena, *key), repr(arena, *value));
            format!("{{{}}}", pairs.iter().map(print_pair).collect::<Vec<_>>().join(", "))
        }
        Value::Complex(real, imaginary) => repr_complex(*real, *imaginary),
        Value::Ellipsis => "Ellipsis".to_owned(),
        Value::Unsupported(name) => (*name).to_owned(),
    }
}

/// Formats a float like `repr()`: with the fewest digits that parse to the same number, and with an exponent from
/// 1e16 and below 1e-4.
pub fn repr_float(float: f64) -> String {
    if float.is_nan() {
        return "nan".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{float}");
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Formats a complex number like `repr()`: both parts in parentheses, or only the imaginary part if the real part is
/// positive zero.
fn repr_complex(real: f64, imaginary: f64) -> String {
    let print_part = |float: f64| {
        let text = repr_float(float);
        text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
    };
    if real == 0.0 && real.is_sign_positive() {
        return format!("{}j", print_part(imaginary));
    }
    let sign = if imaginary.is_sign_negative() { "" } else { "+" };
    format!("({}{sign}{}j)", print_part(real), print_part(imaginary))
}

/// Quotes a string like `repr()`: in double quotes if it contains single quotes and no double quotes, otherwise in
/// single quotes.
fn quote(chars: impl Iterator<Item = char> + Clone) -> String {
    let contains = |expected: char| chars.clone().any(|c| c == expected);
    let mark = if contains('\'') && !contains('"') { '"' } else { '\'' };
    let mut out = String::from(mark);
    for c in chars {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == mark => {
                out.push('\\');
                out.push(c);
            }
            c if is_printable(c) => out.push(c),
            c => match u32::from(c) {
                code @ 0..=0xff => out.push_str(&format!("\\x{code:02x}")),
                code @ 0x100..=0xffff => out.push_str(&format!("\\u{code:04x}")),
                code => out.push_str(&format!("\\U{code:08x}")),
            },
        }
    }
    out.push(mark);
    out
}

/// Quotes bytes like a string. Escapes each byte that is not printable ASCII.
fn quote_bytes(bytes: &[u8]) -> String {
    // `quote` keeps printable Latin-1 characters, which Python escapes in bytes, so they are escaped here.
    let quoted = quote(bytes.iter().map(|byte| char::from(*byte)));
    let escape = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\x{:02x}", u32::from(c)) };
    quoted.chars().map(escape).collect()
}

/// Returns `str.isprintable()`. Rust's `escape_debug` escapes the same categories. `escape_debug` also escapes
/// combining characters at the start of a string, so a letter is placed before the character.
fn is_printable(c: char) -> bool {
    let mut pair = String::from("a");
    pair.push(c);
    matches!(c, '\'' | '"') || pair.escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_strings_like_python() {
        for (text, expected) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("\"'", "'\"\\''"),
            ("a\tb\\", "'a\\tb\\\\'"),
            (
                "\u{e9}\u{301}\u{0}\u{ad}\u{200b}\u{e000}\u{10ffff}",
                "'\u{e9}\u{301}\\x00\\xad\\u200b\\ue000\\U0010ffff'",
            ),
        ] {
            assert_eq!(quote(text.chars()), expected, "{text:?}");
        }
        assert_eq!(quote_bytes(b"a'\xff\n"), "\"a'\\xff\\n\"");
    }

    #[test]
    fn prints_floats_like_python() {
        for (float, expected) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-0.0, "-0.0"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(repr_float(float), expected);
        }
    }
}
