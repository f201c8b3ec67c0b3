//! The type that go-yaml 2 resolves a plain scalar to.
//!
//! Only the type is determined. Numbers are never converted, so no number can change.

/// The type of a scalar in go-yaml 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarKind {
    /// Empty, `~` or `null`
    Null,
    /// `true`, `yes`, `on`, `y` and their opposites
    Bool,
    /// An integer or a finite float
    Number,
    /// `.inf` or `.nan`, which JSON does not support
    NonFinite,
    /// Any other scalar
    String,
}

/// Returns the type that go-yaml 2 resolves an untagged plain scalar to.
pub(in super::super) fn resolve(text: &str) -> ScalarKind {
    let Some(&first) = text.as_bytes().first() else { return ScalarKind::Null };
    match first {
        b'~' | b'n' | b'N' | b'y' | b'Y' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' => resolve_word(text),
        b'.' => match text {
            ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" => ScalarKind::NonFinite,
            // Go allows underscores only between digits here.
            _ => number_or_string(has_underscores_only_between_digits(text) && is_go_float(&text.replace('_', ""))),
        },
        b'+' | b'-' | b'0'..=b'9' => match text {
            "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" => ScalarKind::NonFinite,
            _ => number_or_string(may_end_number(text) && is_number(&text.replace('_', ""))),
        },
        _ => ScalarKind::String,
    }
}

/// Returns whether the last character can end a number, also one with underscores. Most strings that begin with a digit,
/// such as `250m` and `1Gi`, are recognized by it.
fn may_end_number(text: &str) -> bool {
    text.ends_with(|c: char| c.is_ascii_hexdigit() || c == '.' || c == '_')
}

fn number_or_string(is_number: bool) -> ScalarKind {
    if is_number { ScalarKind::Number } else { ScalarKind::String }
}

/// Returns the type of a scalar that begins with a letter or `~`.
pub(super) fn resolve_word(text: &str) -> ScalarKind {
    match text {
        "~" | "null" | "Null" | "NULL" => ScalarKind::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" | "n" | "N" | "no" | "No"
        | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => ScalarKind::Bool,
        _ => ScalarKind::String,
    }
}

/// Returns whether go-yaml resolves a string without underscores to a number: with Go's `ParseInt(s, 0, 64)` or
/// `ParseUint`, or with its own float pattern.
fn is_number(text: &str) -> bool {
    let (is_negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let is_signed = digits.len() != text.len();
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
        let limit = if is_negative { 1 << 63 } else { u64::MAX };
        // ParseUint accepts no sign, so a number that exceeds `i64::MAX` must not have a `+`.
        if value <= limit && !(is_signed && !is_negative && value > i64::MAX as u64) {
            return true;
        }
    }
    is_float_pattern(digits) && is_go_float(text)
        || text.strip_prefix("0b").or(text.strip_prefix("-0b")).is_some_and(|bits| i64::from_str_radix(bits, 2).is_ok())
}

fn has_underscores_only_between_digits(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    bytes
        .iter()
        .enumerate()
        .all(|(at, &byte)| byte != b'_' || is_digit(at.checked_sub(1)) && is_digit(at.checked_add(1)))
}

/// Returns whether `text` matches `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, go-yaml's pattern of a float.
fn is_float_pattern(text: &str) -> bool {
    let count_digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let integer_length = count_digits(text);
    let mut rest = &text[integer_length..];
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = count_digits(fraction);
        if integer_length == 0 && length == 0 {
            return false;
        }
        rest = &fraction[length..];
    } else if integer_length == 0 {
        return false;
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        return !exponent.is_empty() && count_digits(exponent) == exponent.len();
    }
    rest.is_empty()
}

/// Returns whether Go's `ParseFloat` accepts a decimal number. It rejects numbers that are out of range.
fn is_go_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    is_float_pattern(unsigned) && text.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_plain_scalars_like_go_yaml() {
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
}
