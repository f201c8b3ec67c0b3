//! Parses strings like Python's `int()` and `float()`: with surrounding whitespace, single underscores between
//! digits, and full-width digits. Unlike Python, this module rejects the digits of other scripts.

use num_bigint::BigInt;

use super::limits::MAX_DIGITS;
use super::string::strip;

/// Parses an integer like `int(text)`. Returns `None` if Python raises a `ValueError`.
pub(crate) fn parse_int(text: &str) -> Option<BigInt> {
    let text = normalize(text)?;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let is_integer =
        !digits.is_empty() && digits.len() <= MAX_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_integer { text.parse().ok() } else { None }
}

/// Parses a float like `float(text)`. Returns `None` if Python raises a `ValueError`.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    normalize(text)?.parse().ok()
}

/// Removes surrounding whitespace and underscores between digits, and converts digits to ASCII. Returns `None` if an
/// underscore is not between digits.
fn normalize(text: &str) -> Option<String> {
    let text: String = strip(text).chars().map(|c| ascii_digit(c).unwrap_or(c)).collect();
    let bytes = text.as_bytes();
    let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let is_between = |at: usize| is_digit(at.checked_sub(1)) && is_digit(at.checked_add(1));
    let is_grouped = (0..bytes.len()).all(|at| bytes[at] != b'_' || is_between(at));
    is_grouped.then(|| text.replace('_', ""))
}

/// Converts a full-width digit to ASCII. Returns `None` for other characters.
fn ascii_digit(c: char) -> Option<char> {
    char::from_digit(u32::from(c).checked_sub(u32::from('\u{ff10}'))?, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_numbers_like_python() {
        for (text, expected) in [
            (" 5\u{1f}", Some(5.0)),
            ("1_0.5_0", Some(10.5)),
            (".5", Some(0.5)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("\u{ff11}_\u{ff10}", Some(10.0)),
            ("\u{b2}", None),
            ("\u{ff1a}", None),
            ("1__0", None),
            ("1_e5", None),
            ("_1", None),
            ("", None),
        ] {
            assert_eq!(parse_float(text), expected, "{text:?}");
        }
        for (text, expected) in [
            (" +007 ", Some("7")),
            ("-1_000", Some("-1000")),
            ("\u{ff15}", Some("5")),
            ("+-5", None),
            ("5.0", None),
            ("", None),
        ] {
            assert_eq!(parse_int(text).map(|integer| integer.to_string()).as_deref(), expected, "{text:?}");
        }
        assert!(parse_int(&"9".repeat(MAX_DIGITS)).is_some() && parse_int(&"9".repeat(MAX_DIGITS + 1)).is_none());
    }
}
