//! `str()`, `repr()` and `str.strip`.

use super::heap::{Data, Heap, Id};

/// `str.strip`, which takes four control characters more for blanks than Rust does.
pub fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}'))
}

/// `str(value)`
pub fn str(heap: &Heap, id: Id) -> String {
    match heap.get(id) {
        Data::Str(text) | Data::Unknown(text) => text.clone(),
        Data::Time(time) => time.text(),
        _ => repr(heap, id),
    }
}

/// `repr(value)`
pub fn repr(heap: &Heap, id: Id) -> String {
    let list = |items: &[Id]| items.iter().map(|item| repr(heap, *item)).collect::<Vec<_>>().join(", ");
    match heap.get(id) {
        Data::None => "None".to_owned(),
        Data::Bool(true) => "True".to_owned(),
        Data::Bool(false) => "False".to_owned(),
        Data::Int(whole) => whole.to_string(),
        Data::Float(float) => repr_float(*float),
        Data::Str(text) => quote(text.chars()),
        Data::Unknown(text) => text.clone(),
        Data::Bytes(bytes) => format!("b{}", quote_bytes(bytes)),
        Data::Time(time) => time.repr(),
        Data::List(items) => format!("[{}]", list(items)),
        Data::Tuple(items) if items.len() == 1 => format!("({},)", list(items)),
        Data::Tuple(items) => format!("({})", list(items)),
        Data::Set(items) if items.is_empty() => "set()".to_owned(),
        Data::Set(items) => format!("{{{}}}", list(items)),
        Data::Dict(pairs) => {
            let pair = |(key, value): &(Id, Id)| format!("{}: {}", repr(heap, *key), repr(heap, *value));
            format!("{{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        Data::Complex(real, imaginary) => repr_complex(*real, *imaginary),
        Data::Ellipsis => "Ellipsis".to_owned(),
        Data::Other(name) => (*name).to_owned(),
    }
}

/// The shortest digits that read back as the same number; with an exponent from 1e16 up and below 1e-4.
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

/// Both parts in brackets, or the imaginary one alone where the real one is zero and has no sign.
fn repr_complex(real: f64, imaginary: f64) -> String {
    let part = |float: f64| {
        let text = repr_float(float);
        text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
    };
    if real == 0.0 && real.is_sign_positive() {
        return format!("{}j", part(imaginary));
    }
    let sign = if imaginary.is_sign_negative() { "" } else { "+" };
    format!("({}{sign}{}j)", part(real), part(imaginary))
}

/// A text in quotes: single ones, unless only double ones need no escape.
fn quote(chars: impl Iterator<Item = char> + Clone) -> String {
    let has = |wanted: char| chars.clone().any(|c| c == wanted);
    let mark = if has('\'') && !has('"') { '"' } else { '\'' };
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

/// Bytes as the text that `repr` shows of them: every byte from 127 up escaped.
fn quote_bytes(bytes: &[u8]) -> String {
    // No character of Latin-1 above the first 127 is shown as it is.
    let quoted = quote(bytes.iter().map(|byte| char::from(*byte)));
    let escape = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\x{:02x}", u32::from(c)) };
    quoted.chars().map(escape).collect()
}

/// `str.isprintable`: Rust escapes the same categories, behind a letter so that accents count as printable.
fn is_printable(c: char) -> bool {
    let mut pair = String::from("a");
    pair.push(c);
    matches!(c, '\'' | '"') || pair.escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_pythons() {
        for (text, wanted) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("\"'", "'\"\\''"),
            ("a\tb\\", "'a\\tb\\\\'"),
            (
                "\u{e9}\u{301}\u{0}\u{ad}\u{200b}\u{e000}\u{10ffff}",
                "'\u{e9}\u{301}\\x00\\xad\\u200b\\ue000\\U0010ffff'",
            ),
        ] {
            assert_eq!(quote(text.chars()), wanted, "{text:?}");
        }
        assert_eq!(quote_bytes(b"a'\xff\n"), "\"a'\\xff\\n\"");
    }

    #[test]
    fn numbers_are_pythons() {
        for (float, wanted) in [
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
            assert_eq!(repr_float(float), wanted);
        }
    }
}
