//! Converts strings to booleans, numbers and datetimes like pydantic 2 in lax mode.

use num_bigint::BigInt;
use speedate::{Date, DateTime, DateTimeConfig, Time, TimestampUnit};

use super::limits::MAX_DIGITS;

/// Parses a boolean. Returns `None` if pydantic rejects the string.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "t" | "true" | "y" | "yes" => Some(true),
        "0" | "off" | "f" | "false" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// Parses an integer. Accepts surrounding whitespace, a sign, leading zeros, zeros after a decimal point, and
/// underscores between digits. Returns `None` for other strings, including `0-1`, which pydantic reads as -1.
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
    // After a leading zero, pydantic skips underscores like zeros.
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
    let integer: BigInt = if digits.len() > MAX_DIGITS { return None } else { digits.parse().ok()? };
    Some(if is_negative { -integer } else { integer })
}

/// Parses a float. Accepts either surrounding whitespace or underscores, but not both. Returns `None` for other
/// strings.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let is_grouped = text.contains('_') && !text.starts_with('_') && !text.ends_with('_') && !text.contains("__");
    let grouped = || is_grouped.then(|| text.replace('_', "").parse().ok()).flatten();
    text.trim().parse().ok().or_else(grouped)
}

/// Parses a datetime and returns its `isoformat()` in UTC. A datetime without an offset is in UTC.
///
/// Returns `None` if `text` is not a datetime, or its year in UTC is outside Python's range of 1 to 9999.
pub(crate) fn parse_datetime_in_utc(text: &str) -> Option<String> {
    let midnight = Time { hour: 0, minute: 0, second: 0, microsecond: 0, tz_offset: Some(0) };
    let datetime = match DateTime::parse_str(text) {
        Ok(datetime) => datetime,
        Err(_) => DateTime { date: Date::parse_str(text).ok()?, time: midnight },
    };
    // `DateTime::in_timezone` does not work here: it reads the seconds of distant years as milliseconds.
    let config = DateTimeConfig { timestamp_unit: TimestampUnit::Second, ..DateTimeConfig::default() };
    let (seconds, microsecond) = (datetime.timestamp_tz(), datetime.time.microsecond);
    let DateTime { date, time } = DateTime::from_timestamp_with_config(seconds, microsecond, &config).ok()?;
    let micros = if time.microsecond == 0 { String::new() } else { format!(".{:06}", time.microsecond) };
    let (year, month, day) = (date.year, date.month, date.day);
    let (hour, minute, second) = (time.hour, time.minute, time.second);
    (1..=9999)
        .contains(&year)
        .then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{micros}+00:00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_booleans() {
        for (text, expected) in [("YES", Some(true)), ("f", Some(false)), ("", None), (" true", None), ("2", None)] {
            assert_eq!(parse_bool(text), expected, "{text:?}");
        }
    }

    #[test]
    fn parses_integers_like_pydantic() {
        for (text, expected) in [
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
            assert_eq!(parse_int(text).map(|integer| integer.to_string()).as_deref(), expected, "{text:?}");
        }
        let max_digits = "9".repeat(MAX_DIGITS);
        for (text, is_valid) in [
            (max_digits.clone(), true),
            (format!(" -0000{max_digits}.0 "), true),
            (format!("0_{max_digits}"), true),
            ("9_".repeat(MAX_DIGITS - 1) + "9", true),
            (format!("{max_digits}9"), false),
        ] {
            assert_eq!(parse_int(&text).is_some(), is_valid, "{} of them", text.len());
        }
    }

    #[test]
    fn parses_floats_like_pydantic() {
        for (text, expected) in [
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
            assert_eq!(parse_float(text), expected, "{text:?}");
        }
    }

    #[test]
    fn converts_datetimes_to_utc() {
        // `datetime.fromisoformat(...).astimezone(timezone.utc)`
        for (text, utc) in [
            ("2024-03-01T00:30:00+01:00", "2024-02-29T23:30:00+00:00"),
            ("2026-01-01T01:00:00+02:00", "2025-12-31T23:00:00+00:00"),
            ("2026-12-31T23:59:00-00:01", "2027-01-01T00:00:00+00:00"),
            ("2026-06-15T12:00:00.5Z", "2026-06-15T12:00:00.500000+00:00"),
            ("2026-06-15 12:00", "2026-06-15T12:00:00+00:00"),
            ("2026-06-15", "2026-06-15T00:00:00+00:00"),
            ("9999-12-31T00:00:00Z", "9999-12-31T00:00:00+00:00"),
        ] {
            assert_eq!(parse_datetime_in_utc(text).as_deref(), Some(utc), "{text}");
        }
        for text in ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2026-6-15", "noon"] {
            assert_eq!(parse_datetime_in_utc(text), None, "{text}");
        }
    }
}
