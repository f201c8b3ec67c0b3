//! Converts the text of scalars to values like PyYAML (`yaml/constructor.py`).

use base64::Engine as _;
use num_bigint::BigInt;

use crate::pyvalue::limits::MAX_DIGITS;

/// Decodes Base64 like Python's `binascii`, which ignores other ASCII characters. Returns `None` if the text is not
/// ASCII or not valid Base64.
pub(super) fn parse_bytes(text: &str) -> Option<Vec<u8>> {
    let is_letter = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let letters: String = text.chars().filter(is_letter).collect();
    text.is_ascii().then(|| base64::engine::general_purpose::STANDARD.decode(letters).ok())?
}

/// Parses an integer of YAML 1.1: `1:30` is in base 60, `010` in base 8. Returns `None` if the text is not an integer,
/// or is longer than [`MAX_DIGITS`].
pub(super) fn parse_int(text: &str) -> Option<BigInt> {
    if text.len() > MAX_DIGITS {
        return None;
    }
    let plain = text.replace('_', "");
    let (is_negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let parse_digits = |digits: &str, radix| {
        let is_valid = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        is_valid.then(|| BigInt::parse_bytes(digits.as_bytes(), radix)).flatten()
    };
    let integer = match digits {
        "0" => BigInt::ZERO,
        _ if digits.starts_with("0b") => parse_digits(&digits[2..], 2)?,
        _ if digits.starts_with("0x") => parse_digits(&digits[2..], 16)?,
        _ if digits.starts_with('0') => parse_digits(digits, 8)?,
        _ => digits.split(':').try_fold(BigInt::ZERO, |sum, part| Some(sum * 60 + parse_digits(part, 10)?))?,
    };
    Some(if is_negative { -integer } else { integer })
}

/// Parses a float of YAML 1.1, which can be in base 60: `1:30.5`. Returns `None` if the text is not a float.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    let plain = text.replace('_', "").to_lowercase();
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let parse_part =
        |digits: &str| digits.trim().parse::<f64>().ok().filter(|_| digits.contains(|c: char| c.is_ascii_digit()));
    match digits {
        ".inf" => Some(sign * f64::INFINITY),
        ".nan" => Some(f64::NAN),
        _ if digits.contains(':') => {
            let mut base = 1.0;
            let mut sum = 0.0;
            for part in digits.rsplit(':') {
                sum += parse_part(part)? * base;
                base *= 60.0;
            }
            Some(sign * sum)
        }
        _ => Some(sign * parse_part(digits)?),
    }
}
