//! Parses quantities like Kubernetes (`ParseQuantity` of k8s.io/apimachinery/pkg/api/resource).

use std::fmt::Display;

use jobplate_diagnostic::suggest::quote_key;

use super::names::ValidationError;

/// The maximum number of digits of a quantity for which a message suggests another one.
const MAX_SUGGESTED: usize = 64;

/// The suffixes of a quantity: the name, the base and the exponent.
const SUFFIXES: [(&str, u32, i64); 16] = [
    ("", 10, 0),
    ("n", 10, -9),
    ("u", 10, -6),
    ("m", 10, -3),
    ("k", 10, 3),
    ("M", 10, 6),
    ("G", 10, 9),
    ("T", 10, 12),
    ("P", 10, 15),
    ("E", 10, 18),
    ("Ki", 2, 10),
    ("Mi", 2, 20),
    ("Gi", 2, 30),
    ("Ti", 2, 40),
    ("Pi", 2, 50),
    ("Ei", 2, 60),
];

/// A quantity that Kubernetes accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// Whether the quantity is less than zero.
    is_negative: bool,
    /// The quantity in units of 10^-9, rounded up. `None` if it has too many digits to be compared.
    nano: Option<u128>,
}

/// The value of a field that must be a quantity.
#[derive(Clone, Copy, Debug)]
pub enum QuantityValue<'t> {
    /// A string.
    Text(&'t str),
    /// A number, in decimal digits.
    Number(&'t str),
    /// Another kind of value, such as `a list`.
    Other(&'static str),
}

/// Checks the quantity in a field. `subject` describes the field in the error.
///
/// # Errors
/// Fails if Kubernetes rejects the value. The error contains only a value that looks like a quantity, because other text
/// may be a secret.
pub fn check(subject: impl Display, value: QuantityValue<'_>) -> Result<Quantity, ValidationError> {
    let quantity = match value {
        // Kubernetes ignores blanks around a quantity.
        QuantityValue::Text(text) => parse(text.trim_matches(' ')),
        QuantityValue::Number(text) => parse(text),
        QuantityValue::Other(_) => None,
    };
    match quantity {
        Some(quantity) if quantity.is_negative => {
            Err(ValidationError::new(format!("{subject} must not be negative")).hint("use 0 or more"))
        }
        Some(quantity) => Ok(quantity),
        None => Err(invalid(subject, value)),
    }
}

/// Returns the error for a value that is not a quantity.
fn invalid(subject: impl Display, value: QuantityValue<'_>) -> ValidationError {
    let (shown, suggestions) = match value {
        QuantityValue::Text(text) if !is_number_with_unit(text) => (String::new(), Vec::new()),
        QuantityValue::Text(text) => (format!(", not {}", quote_key(text)), suggestions(text)),
        QuantityValue::Number(text) => (format!(", not {}", quote_key(text)), Vec::new()),
        QuantityValue::Other(kind) => (format!(", not {kind}"), Vec::new()),
    };
    let hint = match suggestions.as_slice() {
        [] => "use a number with a unit such as m, M, Mi, G or Gi".to_owned(),
        _ => {
            let suggestions: Vec<String> = suggestions.iter().map(|text| format!("`{text}`")).collect();
            format!("use {}", suggestions.join(" or "))
        }
    };
    ValidationError::new(format!("{subject} must be a quantity{shown}")).hint(hint)
}

/// Returns whether a string is a number with a short unit, such as `2 GB`, which a message can show.
fn is_number_with_unit(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || "+-. ".contains(c));
    unit.len() < text.len() && unit.len() <= 5
}

/// Checks that a request does not exceed its limit. `subject` describes the request in the error. Each quantity comes
/// with its text.
///
/// # Errors
/// Fails if the request exceeds the limit.
pub fn check_limit(
    subject: impl Display,
    (request, request_text): (&Quantity, &str),
    (limit, limit_text): (&Quantity, &str),
) -> Result<(), ValidationError> {
    match (&request.nano, &limit.nano) {
        (Some(request), Some(limit)) if request > limit => {
            let [request, limit] = [request_text, limit_text].map(quote_key);
            let error = ValidationError::new(format!("{subject} is {request}, which exceeds the limit of {limit}"));
            Err(error.hint("lower the request, or raise the limit"))
        }
        _ => Ok(()),
    }
}

/// Parses a quantity. Returns `None` if Kubernetes rejects it.
fn parse(text: &str) -> Option<Quantity> {
    if text.is_empty() {
        return None;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, rest) = split_digits(unsigned);
    let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    let (base, exponent) = parse_suffix(suffix)?;
    let digits = || whole.bytes().chain(fraction.bytes()).map(|digit| digit - b'0');
    let is_zero = digits().all(|digit| digit == 0);
    let nano = in_nano(digits(), fraction.len(), base, exponent);
    Some(Quantity { is_negative: text.starts_with('-') && !is_zero, nano })
}

/// Splits a string after its leading digits.
fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Returns the base and the exponent of a suffix, or `None` if the suffix is invalid.
fn parse_suffix(suffix: &str) -> Option<(u32, i64)> {
    if let Some((_, base, exponent)) = SUFFIXES.iter().find(|(name, ..)| *name == suffix) {
        return Some((*base, *exponent));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    Some((10, exponent.parse().ok()?))
}

/// Returns digits of which the last `decimals` are decimals, multiplied with a power, in units of 10^-9. Returns `None`
/// if there are too many of them.
fn in_nano(mut digits: impl Iterator<Item = u8>, decimals: usize, base: u32, exponent: i64) -> Option<u128> {
    let mantissa = digits.try_fold(0_u128, |value, digit| value.checked_mul(10)?.checked_add(u128::from(digit)))?;
    if mantissa == 0 {
        return Some(0);
    }
    let (binary, decimal) = if base == 2 { (exponent, 0) } else { (0, exponent) };
    let shifted = mantissa.checked_mul(2_u128.checked_pow(u32::try_from(binary).ok()?)?)?;
    let decimal = decimal.checked_add(9)?.checked_sub(i64::try_from(decimals).ok()?)?;
    let power = 10_u128.checked_pow(u32::try_from(decimal.unsigned_abs()).ok()?);
    match (decimal >= 0, power) {
        (true, power) => shifted.checked_mul(power?),
        (false, power) => Some(power.map_or(1, |power| shifted.div_ceil(power))),
    }
}

/// Returns valid quantities for an invalid quantity, such as `2G` and `2Gi` for `2GB`.
fn suggestions(text: &str) -> Vec<String> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len()));
    let unit = unit.trim().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    if number.is_empty() || unit.is_empty() || number.len() > MAX_SUGGESTED {
        return Vec::new();
    }
    let is_meant = |name: &&str| name.to_ascii_lowercase().trim_end_matches('i') == unit.trim_end_matches('i');
    let names = SUFFIXES.iter().map(|(name, ..)| *name).filter(|name| *name != "m").filter(is_meant);
    let names = names.filter(|name| !unit.ends_with('i') || name.ends_with('i'));
    names.map(|name| format!("{number}{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_quantities_like_kubernetes() {
        for (text, nano) in [
            ("0", Some("0")),
            ("2", Some("2000000000")),
            ("500m", Some("500000000")),
            ("0.5", Some("500000000")),
            (".5", Some("500000000")),
            ("1.", Some("1000000000")),
            ("+1k", Some("1000000000000")),
            ("1Ki", Some("1024000000000")),
            ("1.5Gi", Some("1610612736000000000")),
            ("1e3", Some("1000000000000")),
            ("1E-3", Some("1000000")),
            ("0.1n", Some("1")),
            ("2GB", None),
            ("2GiB", None),
            ("1K", None),
            ("1g", None),
            ("1e", None),
            ("1e1.5", None),
            ("1 Gi", None),
            ("", None),
            ("x", None),
            ("1_000", None),
            ("1,5", None),
        ] {
            let quantity = parse(text).map(|quantity| quantity.nano.unwrap().to_string());
            assert_eq!(quantity.as_deref(), nano, "{text}");
        }
        assert!(parse("-1").unwrap().is_negative);
        assert!(!parse("-0").unwrap().is_negative);
        for text in ["1e999999999", &"9".repeat(100_000)] {
            assert_eq!(parse(text).unwrap().nano, None);
        }
    }

    #[test]
    fn suggests_quantities() {
        for (text, expected) in [
            ("2GB", &["2G", "2Gi"][..]),
            ("2GiB", &["2Gi"]),
            ("512mb", &["512M", "512Mi"]),
            ("1.5 gi", &["1.5Gi"]),
            ("1K", &["1k", "1Ki"]),
            ("2 cores", &[]),
            ("", &[]),
        ] {
            assert_eq!(suggestions(text), expected, "{text}");
        }
    }
}
