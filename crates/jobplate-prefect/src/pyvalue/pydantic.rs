//! What pydantic 2 makes of a text where it is asked for something else and is not strict: one room for all that read
//! settings and fields of models.

use num_bigint::BigInt;

use super::limits::MAX_DIGITS;

/// A truth, in one of pydantic's words for it.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "t" | "true" | "y" | "yes" => Some(true),
        "0" | "off" | "f" | "false" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// A whole number: with a sign, zeros before it and behind a point, underscores between its digits. `0-1`, which is -1
/// to pydantic, is none here.
pub(crate) fn parse_int(text: &str) -> Option<BigInt> {
    let text = text.trim();
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, zeros) = digits.split_once('.').unwrap_or((digits, "0"));
    if zeros.is_empty() || !zeros.bytes().all(|byte| byte == b'0') {
        return None;
    }
    // Behind a first zero, underscores are as good as zeros.
    let significant = match digits.strip_prefix('0') {
        Some(rest) if !rest.ends_with('_') => rest.trim_start_matches(['0', '_']),
        _ => digits,
    };
    let is_grouped = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let significant = if significant.is_empty() && !digits.is_empty() { "0" } else { significant };
    if !significant.split('_').all(is_grouped) {
        return None;
    }
    let digits = significant.replace('_', "");
    let whole: BigInt = if digits.len() > MAX_DIGITS { return None } else { digits.parse().ok()? };
    Some(if is_negative { -whole } else { whole })
}

/// A number, with blanks around it or underscores in it, but not both.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let is_grouped = text.contains('_') && !text.starts_with('_') && !text.ends_with('_') && !text.contains("__");
    let grouped = || is_grouped.then(|| text.replace('_', "").parse().ok()).flatten();
    text.trim().parse().ok().or_else(grouped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truths_have_words() {
        for (text, wanted) in [("YES", Some(true)), ("f", Some(false)), ("", None), (" true", None), ("2", None)] {
            assert_eq!(parse_bool(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn whole_numbers_are_pydantics() {
        for (text, wanted) in [
            (" +007 ", Some("7")),
            ("\u{a0}1\n", Some("1")),
            ("1_000", Some("1000")),
            ("0__1", Some("1")),
            ("0_0_1", Some("1")),
            ("0___0", Some("0")),
            ("-0__1", Some("-1")),
            ("-0", Some("0")),
            ("5.00", Some("5")),
            ("00.0", Some("0")),
            ("123456789012345678901234567890", Some("123456789012345678901234567890")),
            ("1__0", None),
            ("_0", None),
            ("0_", None),
            ("0__", None),
            ("0_.0", None),
            ("-_1", None),
            ("+-1", None),
            ("5.", None),
            ("1.0_0", None),
            (".0", None),
            ("1e3", None),
            ("\u{ff15}", None),
            ("\u{1c}1", None),
            ("_", None),
            ("", None),
        ] {
            assert_eq!(parse_int(text).map(|whole| whole.to_string()).as_deref(), wanted, "{text:?}");
        }
        let most = "9".repeat(MAX_DIGITS);
        for (text, is) in [
            (most.clone(), true),
            (format!(" -0000{most}.0 "), true),
            (format!("0_{most}"), true),
            ("9_".repeat(MAX_DIGITS - 1) + "9", true),
            (format!("{most}9"), false),
        ] {
            assert_eq!(parse_int(&text).is_some(), is, "{} of them", text.len());
        }
    }

    #[test]
    fn numbers_are_pydantics() {
        for (text, wanted) in [
            (" 5 ", Some(5.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1_0", Some(10.0)),
            ("1_.5", Some(1.5)),
            ("1_e5", Some(1e5)),
            ("1e400", Some(f64::INFINITY)),
            ("i_nf", Some(f64::INFINITY)),
            (" 1_0", None),
            ("1__0", None),
            ("_1", None),
            ("1e", None),
            ("\u{ff15}", None),
            ("\u{1c}5", None),
            ("", None),
        ] {
            assert_eq!(parse_float(text), wanted, "{text:?}");
        }
    }
}
