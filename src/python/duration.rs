//! Spans of time: texts that pydantic takes for a `timedelta`, and its ISO 8601 for one.

use std::sync::LazyLock;

use regex_lite::Regex;

/// Microseconds of a span; none where the text is none.
pub fn parse(text: &str) -> Option<i64> {
    static CLOCK: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"^([-+])?(?:([0-9]+) ?d(?:ays?)?)?(?:,? ?(?:([0-9]+):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?))?$",
        )
        .ok()
    });
    static ISO: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"^([-+])?P(?:([0-9]+)Y)?(?:([0-9]+)W)?(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)(?:\.([0-9]{1,9}))?S)?)?$").ok()
    });
    let number = |found: &regex_lite::Captures<'_>, group: usize| -> Option<i64> {
        found.get(group).map_or(Some(0), |digits| digits.as_str().parse().ok())
    };
    let micros = |found: &regex_lite::Captures<'_>, group: usize| -> Option<i64> {
        let digits = found.get(group).map_or("", |digits| digits.as_str());
        format!("{:0<6}", &digits[..digits.len().min(6)]).parse().ok()
    };
    let (days, hours, minutes, seconds, micros, found) = if let Some(found) = ISO.as_ref()?.captures(text) {
        let weeks = number(&found, 3)?.checked_mul(7)?;
        let days = number(&found, 2)?.checked_mul(365)?.checked_add(weeks)?.checked_add(number(&found, 4)?)?;
        (days, number(&found, 5)?, number(&found, 6)?, number(&found, 7)?, micros(&found, 8)?, found)
    } else {
        let found = CLOCK.as_ref()?.captures(text)?;
        if found.get(2).is_none() && found.get(3).is_none() {
            return None;
        }
        let (minutes, seconds) = (number(&found, 4)?, number(&found, 5)?);
        if minutes > 59 || seconds > 59 {
            return None;
        }
        (number(&found, 2)?, number(&found, 3)?, minutes, seconds, micros(&found, 6)?, found)
    };
    let whole = days.checked_mul(86_400)?.checked_add(hours.checked_mul(3600)?)?;
    let whole = whole.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)?;
    // What a `timedelta` holds.
    let span = (whole < 999_999_999 * 86_400).then_some(whole)?.checked_mul(1_000_000)?.checked_add(micros)?;
    Some(if found.get(1).is_some_and(|sign| sign.as_str() == "-") { -span } else { span })
}

/// ISO 8601: years of 365 days, days, hours, minutes, seconds.
pub fn iso(span: i64) -> String {
    let (sign, span) = if span < 0 { ("-", span.unsigned_abs()) } else { ("", span.unsigned_abs()) };
    let (seconds, micros) = (span / 1_000_000, span % 1_000_000);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let part = |count: u64, unit: &str| if count > 0 { format!("{count}{unit}") } else { String::new() };
    let date = part(days / 365, "Y") + &part(days % 365, "D");
    let seconds = match (rest % 60, micros) {
        (0, 0) => String::new(),
        (seconds, 0) => format!("{seconds}S"),
        (seconds, micros) => format!("{seconds}.{}S", format!("{micros:06}").trim_end_matches('0')),
    };
    let time = part(rest / 3600, "H") + &part(rest % 3600 / 60, "M") + &seconds;
    match (date.is_empty(), time.is_empty()) {
        (true, true) => "PT0S".to_owned(),
        (_, true) => format!("{sign}P{date}"),
        _ => format!("{sign}P{date}T{time}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_pydantics() {
        for (text, wanted) in [
            ("2:02:03", Some("PT2H2M3S")),
            ("1 day", Some("P1D")),
            ("3 days 01:02:03.500000", Some("P3DT1H2M3.5S")),
            ("3 days, 1:02:03", Some("P3DT1H2M3S")),
            ("1d 2:03:04", Some("P1DT2H3M4S")),
            ("25:00", Some("P1DT1H")),
            ("-1:00:00", Some("-PT1H")),
            ("-3 days 1:00:00", Some("-P3DT1H")),
            ("01:02:03.123456789", Some("PT1H2M3.123456S")),
            ("100:00:00", Some("P4DT4H")),
            ("P1DT2H", Some("P1DT2H")),
            ("PT36H", Some("P1DT12H")),
            ("P1W", Some("P7D")),
            ("P400D", Some("P1Y35D")),
            ("-PT1H", Some("-PT1H")),
            ("PT0S", Some("PT0S")),
            ("P25000000000000000Y9223372036854775807D", None),
            ("30", None),
            ("1.5", None),
            ("", None),
            ("1:02:03.5Z", None),
        ] {
            assert_eq!(parse(text).map(iso).as_deref(), wanted, "{text}");
        }
    }
}
