//! Parses `datetime.timedelta` values like pydantic 1 and 2, and formats them like Python and pydantic 2.

use std::sync::LazyLock;

use regex_lite::Regex;
use speedate::{MicrosecondsPrecisionOverflowBehavior, TimeConfig};

/// A `timedelta`, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Duration(i128);

/// pydantic's default configuration, which truncates a fraction of a second after six digits.
const TIME_CONFIG: TimeConfig = TimeConfig {
    microseconds_precision_overflow_behavior: MicrosecondsPrecisionOverflowBehavior::Truncate,
    unix_timestamp_offset: None,
};

const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;

/// The maximum number of days in a `timedelta`, positive or negative.
const MAX_DAYS: i128 = 999_999_999;

impl Duration {
    /// Returns a duration of whole seconds.
    pub(crate) fn from_secs(seconds: i64) -> Self {
        Duration(i128::from(seconds) * SECOND)
    }

    /// Returns `timedelta(seconds=...)`, or `None` if `seconds` is not finite or is out of range. Rounds to whole
    /// microseconds, with ties to even.
    pub(crate) fn from_secs_f64(seconds: f64) -> Option<Self> {
        if !seconds.is_finite() || seconds.abs() > 1e15 {
            return None;
        }
        let micros = (seconds.trunc() as i128) * SECOND;
        let rest = (seconds.fract() * 1e6).round_ties_even() as i128;
        Duration(micros + rest).checked()
    }

    fn checked(self) -> Option<Self> {
        (-MAX_DAYS..=MAX_DAYS).contains(&self.0.div_euclid(DAY)).then_some(self)
    }

    /// Parses a string like pydantic 2: `P1DT2H`, `1 day, 2:00:00` or `02:00:00`. Returns `None` if pydantic rejects
    /// the string.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parsed = speedate::Duration::parse_bytes_with_config(text.as_bytes(), &TIME_CONFIG).ok()?;
        let micros = i128::from(parsed.day) * DAY + i128::from(parsed.second) * SECOND + i128::from(parsed.microsecond);
        Duration(if parsed.positive { micros } else { -micros }).checked()
    }

    /// Parses a string like pydantic 1.10 (`pydantic/datetime_parse.py`). Returns `None` if pydantic rejects it.
    ///
    /// Unlike pydantic 2, pydantic 1 accepts a number of seconds and a sign for each part, rejects weeks, months and
    /// years in ISO 8601 durations, and requires a comma after `days`. Unlike pydantic 1, this function accepts only
    /// ASCII digits.
    pub(crate) fn parse_pydantic1(text: &str) -> Option<Self> {
        const UNITS: [i128; 4] = [86_400, 3600, 60, 1];
        static CLOCK: LazyLock<Option<Regex>> = LazyLock::new(|| {
            let days = r"^(?:(-?[0-9]+) (?:days?, )?)?";
            let time = r"(?:(-?[0-9]+):([0-9]+):([0-9]+)|(?:(-?[0-9]+):)?(-?[0-9]+))(?:\.([0-9]{1,6})[0-9]{0,6})?$";
            Regex::new(&format!("{days}{time}")).ok()
        });
        static ISO: LazyLock<Option<Regex>> = LazyLock::new(|| {
            let part = |unit: &str| format!(r"(?:([0-9]+(?:\.[0-9]+)?){unit})?");
            let [days, hours, minutes, seconds] = ["D", "H", "M", "S"].map(part);
            Regex::new(&format!("^([-+]?)P{days}(?:T{hours}{minutes}{seconds})?$")).ok()
        });
        let micros = if let Some(found) = CLOCK.as_ref()?.captures(text) {
            let part = |at: usize| found.get(at).map(|group| group.as_str());
            let seconds = part(4).or(part(6))?;
            let parts = [part(1), part(2), part(3).or(part(5)), Some(seconds)];
            let mut micros = 0_i128;
            for (part, unit) in parts.into_iter().zip(UNITS) {
                let count: i128 = part.unwrap_or("0").parse().ok()?;
                micros = micros.checked_add(count.checked_mul(unit * SECOND)?)?;
            }
            let fraction: i128 = format!("{:0<6}", part(7).unwrap_or_default()).parse().ok()?;
            if seconds.starts_with('-') { micros - fraction } else { micros + fraction }
        } else {
            let found = ISO.as_ref()?.captures(text)?;
            let mut micros = 0_i128;
            for (at, unit) in UNITS.into_iter().enumerate() {
                let count: f64 = found.get(at + 2).map_or("0", |group| group.as_str()).parse().ok()?;
                micros = micros.checked_add((count * (unit * SECOND) as f64).round_ties_even() as i128)?;
            }
            if &found[1] == "-" { -micros } else { micros }
        };
        Duration(micros).checked()
    }

    /// Returns `str(timedelta)`. In a negative duration, only the days are negative.
    pub(crate) fn to_python_string(self) -> String {
        let (days, rest) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (seconds, micros) = (rest / SECOND, rest % SECOND);
        let days = match days {
            0 => String::new(),
            1 | -1 => format!("{days} day, "),
            _ => format!("{days} days, "),
        };
        let micros = if micros == 0 { String::new() } else { format!(".{micros:06}") };
        format!("{days}{}:{:02}:{:02}{micros}", seconds / 3600, seconds % 3600 / 60, seconds % 60)
    }

    /// Formats the duration in ISO 8601 like pydantic 2. A year has 365 days.
    pub(crate) fn to_iso(self) -> String {
        let micros = self.0.unsigned_abs();
        let (second, day) = (SECOND.unsigned_abs(), DAY.unsigned_abs());
        let part = |count: u128| u32::try_from(count).unwrap_or(u32::MAX);
        speedate::Duration {
            positive: self.0 >= 0,
            day: part(micros / day),
            second: part(micros % day / second),
            microsecond: part(micros % second),
        }
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_like_pydantic_2() {
        for (text, expected) in [
            ("P1D", Some("P1D")),
            ("P1Y2M", Some("P1Y60D")),
            ("P1W2DT0.0000005S", Some("P9DT0.000001S")),
            ("PT1,5H", Some("PT1H30M")),
            ("PT90061.25S", Some("P1DT1H1M1.25S")),
            ("P1.0000001W", Some("P7DT0.06048S")),
            ("PT0S", Some("PT0S")),
            ("P25000000000000000Y9223372036854775807D", None),
            ("-PT5S", Some("-PT5S")),
            ("-1 day, 23:59:59", Some("-P1DT23H59M59S")),
            ("7 days, 0:00:00", Some("P7D")),
            ("1d", Some("P1D")),
            ("1 DAY,", Some("P1D")),
            ("25:00", Some("P1DT1H")),
            (":05:00", Some("PT5M")),
            ("00:05:00.1234567x", Some("PT5M0.123456S")),
            ("P999999999D", Some("P2739726Y9D")),
            ("-P999999999DT1S", None),
            ("P1000000000D", None),
            ("P", None),
            ("PT", None),
            ("P1", None),
            ("P1.5DT1S", None),
            ("1 dayz", None),
            ("1 d 24:00:00", None),
            ("5:00", None),
            ("00:60:00", None),
            ("00:05:00.", None),
            ("300", None),
            ("", None),
        ] {
            assert_eq!(Duration::parse(text).map(Duration::to_iso).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn parses_like_pydantic_1() {
        for (text, expected) in [
            ("300", Some("0:05:00")),
            ("-5.25", Some("-1 day, 23:59:54.750000")),
            ("5:00", Some("0:05:00")),
            ("26:00:00", Some("1 day, 2:00:00")),
            ("3 days, 01:02:03.5", Some("3 days, 1:02:03.500000")),
            ("3 1", Some("3 days, 0:00:01")),
            ("00:90:00", Some("1:30:00")),
            ("-1:00", Some("-1 day, 23:59:00")),
            ("1:-2:3", None),
            ("86400.5", Some("1 day, 0:00:00.500000")),
            ("1.12345678", Some("0:00:01.123456")),
            ("P1.5DT1.25H", Some("1 day, 13:15:00")),
            ("PT0.1234567S", Some("0:00:00.123457")),
            ("P1,5D", None),
            ("+5", None),
            ("P1DT2.5H", Some("1 day, 2:30:00")),
            ("-PT5S", Some("-1 day, 23:59:55")),
            ("P", Some("0:00:00")),
            ("3 days 01:02:03", None),
            ("1 day", None),
            ("P1W", None),
            ("999999999999", Some("11574074 days, 1:46:39")),
            ("P1000000000D", None),
            ("", None),
        ] {
            assert_eq!(Duration::parse_pydantic1(text).map(Duration::to_python_string).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn rounds_seconds_like_python() {
        for (seconds, expected) in [
            (0.0000005, Some("PT0S")),
            (0.0000015, Some("PT0.000002S")),
            (-1.5, Some("-PT1.5S")),
            (86400.0 * 365.0, Some("P1Y")),
            (1e14, None),
            (f64::NAN, None),
        ] {
            assert_eq!(Duration::from_secs_f64(seconds).map(Duration::to_iso).as_deref(), expected, "{seconds}");
        }
    }
}
