//! Parses strings like Python's `int()` and `float()`: with surrounding whitespace, single underscores between
//! digits, and digits of any script.

use num_bigint::BigInt;

use super::limits::MAX_DIGITS;
use super::string::strip;

/// The zero of each range of non-ASCII decimal digits. The digits 1 to 9 follow it (Unicode 14, like in Python 3.11).
const ZEROS: [char; 65] = [
    '\u{660}',
    '\u{6f0}',
    '\u{7c0}',
    '\u{966}',
    '\u{9e6}',
    '\u{a66}',
    '\u{ae6}',
    '\u{b66}',
    '\u{be6}',
    '\u{c66}',
    '\u{ce6}',
    '\u{d66}',
    '\u{de6}',
    '\u{e50}',
    '\u{ed0}',
    '\u{f20}',
    '\u{1040}',
    '\u{1090}',
    '\u{17e0}',
    '\u{1810}',
    '\u{1946}',
    '\u{19d0}',
    '\u{1a80}',
    '\u{1a90}',
    '\u{1b50}',
    '\u{1bb0}',
    '\u{1c40}',
    '\u{1c50}',
    '\u{a620}',
    '\u{a8d0}',
    '\u{a900}',
    '\u{a9d0}',
    '\u{a9f0}',
    '\u{aa50}',
    '\u{abf0}',
    '\u{ff10}',
    '\u{104a0}',
    '\u{10d30}',
    '\u{11066}',
    '\u{110f0}',
    '\u{11136}',
    '\u{111d0}',
    '\u{112f0}',
    '\u{11450}',
    '\u{114d0}',
    '\u{11650}',
    '\u{116c0}',
    '\u{11730}',
    '\u{118e0}',
    '\u{11950}',
    '\u{11c50}',
    '\u{11d50}',
    '\u{11da0}',
    '\u{16a60}',
    '\u{16ac0}',
    '\u{16b50}',
    '\u{1d7ce}',
    '\u{1d7d8}',
    '\u{1d7e2}',
    '\u{1d7ec}',
    '\u{1d7f6}',
    '\u{1e140}',
    '\u{1e2f0}',
    '\u{1e950}',
    '\u{1fbf0}',
];

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

/// Converts a digit of another script to ASCII. Returns `None` for other characters.
fn ascii_digit(c: char) -> Option<char> {
    let zero = ZEROS.iter().rev().find(|zero| **zero <= c)?;
    char::from_digit(u32::from(c) - u32::from(*zero), 10)
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
            ("\u{663}e\u{662}", Some(300.0)),
            ("\u{1d7ce}\u{1d7d7}", Some(9.0)),
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
