//! Number literals: `1_000`, `0x1F`, `1e5`, `2j`.

use num_bigint::BigInt;

use crate::pyvalue::arena::Value;
use crate::pyvalue::limits::{LONG_INTEGER, MAX_BITS, MAX_DIGITS};

/// Returns the length of the number at the start of `text`.
pub(super) fn number_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let has_radix_prefix = matches!(bytes, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]);
    let mut end = 0;
    while let Some(&byte) = bytes.get(end) {
        let follows_exponent = !has_radix_prefix && end > 0 && matches!(bytes[end - 1], b'e' | b'E');
        let is_part_of_number = byte.is_ascii_alphanumeric()
            || byte == b'_'
            || !has_radix_prefix && byte == b'.'
            || follows_exponent && matches!(byte, b'+' | b'-');
        if !is_part_of_number {
            break;
        }
        end += 1;
    }
    end
}

/// Parses a number literal. Returns `None` if the literal is invalid, or if a decimal integer has more than
/// [`MAX_DIGITS`] digits.
pub(super) fn parse_number(text: &str) -> Option<Value> {
    let lower = text.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = lower.strip_prefix(prefix) {
            let digits = digits.strip_prefix('_').unwrap_or(digits);
            let integer = BigInt::parse_bytes(without_underscores(digits)?.as_bytes(), radix)?;
            // Python can read the number, but not print it.
            return Some(if integer.bits() > MAX_BITS {
                Value::Unsupported(LONG_INTEGER)
            } else {
                Value::Int(integer)
            });
        }
    }
    let (real, is_imaginary) = match lower.strip_suffix('j') {
        Some(real) => (real, true),
        None => (&*lower, false),
    };
    if !real.contains(['.', 'e']) && !is_imaginary {
        let digits = without_underscores(real)?;
        if digits.len() > 1 && digits.starts_with('0') && digits.bytes().any(|byte| byte != b'0')
            || digits.len() > MAX_DIGITS
        {
            return None;
        }
        return BigInt::parse_bytes(digits.as_bytes(), 10).map(Value::Int);
    }
    let (mantissa, exponent) = match real.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (real, None),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if integer.is_empty() && fraction.is_empty() {
        return None;
    }
    for part in [integer, fraction] {
        if !part.is_empty() {
            without_underscores(part)?;
        }
    }
    if let Some(exponent) = exponent {
        without_underscores(exponent)?;
    }
    let float: f64 = real.replace('_', "").parse().ok()?;
    Some(if is_imaginary { Value::Complex(0.0, float) } else { Value::Float(float) })
}

/// Removes the underscores between digits. Returns `None` if an underscore is not between digits, or if `digits` is
/// empty or contains a character that is not a hexadecimal digit.
fn without_underscores(digits: &str) -> Option<String> {
    let is_misplaced = digits.is_empty() || digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    let stripped = digits.replace('_', "");
    (!is_misplaced && stripped.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(stripped)
}
