//! `datetime.timedelta` as pydantic 2 reads it from a text and writes it again, as pydantic 1 reads it and Python writes
//! it, and as Python makes it of seconds.

use std::sync::LazyLock;

use regex_lite::Regex;

/// A length of time, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Duration(i128);

const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;

/// The most days, either way.
const DAYS: i128 = 999_999_999;

/// The most hours before a colon.
const HOURS: u64 = 2_400_000_000;

impl Duration {
    /// So many whole seconds.
    pub(crate) fn from_secs(seconds: i64) -> Self {
        Duration(i128::from(seconds) * SECOND)
    }

    /// `timedelta(seconds=...)`: to the nearest microsecond, of two the even one.
    pub(crate) fn from_secs_f64(seconds: f64) -> Option<Self> {
        if !seconds.is_finite() || seconds.abs() > 1e15 {
            return None;
        }
        let micros = (seconds.trunc() as i128) * SECOND;
        let rest = (seconds.fract() * 1e6).round_ties_even() as i128;
        Duration(micros + rest).checked()
    }

    fn checked(self) -> Option<Self> {
        (-DAYS..=DAYS).contains(&self.0.div_euclid(DAY)).then_some(self)
    }

    /// Reads ISO 8601's `P1DT2H`, Python's `1 day, 2:00:00`, or `02:00:00`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let micros = match text.strip_prefix('P') {
            Some(text) => iso(text)?,
            None if text.contains(['d', 'D']) || text.len() < 5 => days(text)?,
            None => clock(text.as_bytes())?,
        };
        if micros / DAY > DAYS {
            return None;
        }
        Duration(if is_negative { -micros } else { micros }).checked()
    }

    /// Reads a text as pydantic 1 does: numbers of seconds and signs of all parts are taken too, ISO 8601 has days and
    /// what is shorter, and words have a comma behind them. Digits are ASCII's, and fractions as exact as 64 bits are.
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
            let part = |at: usize| found.get(at).map(|own| own.as_str());
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
                let count: f64 = found.get(at + 2).map_or("0", |own| own.as_str()).parse().ok()?;
                micros = micros.checked_add((count * (unit * SECOND) as f64).round_ties_even() as i128)?;
            }
            if &found[1] == "-" { -micros } else { micros }
        };
        Duration(micros).checked()
    }

    /// `str(timedelta)`: a sign stands before the days alone.
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

    /// ISO 8601, as pydantic writes it: years have 365 days, a sign stands before all.
    pub(crate) fn to_iso(self) -> String {
        let micros = self.0.unsigned_abs();
        let (second, day) = (SECOND.unsigned_abs(), DAY.unsigned_abs());
        let (days, seconds, micros) = (micros / day, micros % day / second, micros % second);
        let part = |count: u128, unit: &str| if count > 0 { format!("{count}{unit}") } else { String::new() };
        let date = part(days / 365, "Y") + &part(days % 365, "D");
        let rest = match micros {
            0 => part(seconds % 60, "S"),
            _ => format!("{}.{}S", seconds % 60, format!("{micros:06}").trim_end_matches('0')),
        };
        let time = part(seconds / 3600, "H") + &part(seconds % 3600 / 60, "M") + &rest;
        let sign = if self.0 < 0 { "-" } else { "" };
        match (date.is_empty(), time.is_empty()) {
            (true, true) => "PT0S".to_owned(),
            (_, true) => format!("{sign}P{date}"),
            _ => format!("{sign}P{date}T{time}"),
        }
    }
}

/// What stands behind `P`: numbers with units, the last of them with a fraction.
fn iso(mut text: &str) -> Option<i128> {
    let (mut days, mut seconds, mut micros) = (0_u32, 0_u32, 0_u32);
    let (mut is_time, mut is_last) = (false, false);
    if text.len() < 2 {
        return None;
    }
    while !text.is_empty() {
        if let Some(rest) = text.strip_prefix('T') {
            if is_time {
                return None;
            }
            (is_time, text) = (true, rest);
            continue;
        }
        let (number, rest) = whole(text)?;
        let (fraction, rest) = fraction(rest);
        if is_last {
            return None;
        }
        is_last = fraction.is_some();
        let mut chars = rest.chars();
        let unit = match (is_time, chars.next()?) {
            (false, 'Y') => 365,
            (false, 'M') => 30,
            (false, 'W') => 7,
            (false, 'D') => 1,
            (true, 'H') => 3600,
            (true, 'M') => 60,
            (true, 'S') => 1,
            _ => return None,
        };
        text = chars.as_str();
        let more = fraction.unwrap_or(0.0) * f64::from(unit);
        let total = number.checked_mul(unit)?.checked_add(more as u32)?;
        let rest = more.fract();
        let rest = if is_time {
            seconds = seconds.checked_add(total)?;
            rest
        } else {
            days = days.checked_add(total)?;
            let rest = rest * 86_400.0;
            seconds = seconds.checked_add(rest as u32)?;
            rest.fract()
        };
        micros = micros.checked_add((rest * 1e6).round() as u32)?;
    }
    Some(i128::from(days) * DAY + i128::from(seconds) * SECOND + i128::from(micros))
}

/// Digits, as a number of 32 bits.
fn whole(text: &str) -> Option<(u32, &str)> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    Some((text[..text.len() - rest.len()].parse().ok()?, rest))
}

/// `.` or `,` and digits, which may be none.
fn fraction(text: &str) -> (Option<f64>, &str) {
    let Some(behind) = text.strip_prefix(['.', ',']) else { return (None, text) };
    let rest = behind.trim_start_matches(|c: char| c.is_ascii_digit());
    let (mut decimal, mut denominator) = (0.0, 1.0);
    for digit in behind[..behind.len() - rest.len()].bytes() {
        decimal = decimal * 10.0 + f64::from(digit - b'0');
        denominator *= 10.0;
    }
    (Some(decimal / denominator), rest)
}

/// `N d`, `N day` or `N days`, and a time of less than a day behind it.
fn days(text: &str) -> Option<i128> {
    let (number, rest) = whole(text)?;
    let rest = rest.strip_prefix(' ').unwrap_or(rest).strip_prefix(['d', 'D'])?;
    let word = ["ays", "ay", "AYS", "AY"].iter().find_map(|word| rest.strip_prefix(word));
    if word.is_none() && rest.starts_with(['a', 'A']) {
        return None;
    }
    let rest = word.unwrap_or(rest);
    let rest = [", ", ",", " "].iter().find_map(|between| rest.strip_prefix(between)).unwrap_or(rest);
    let time = if rest.is_empty() { 0 } else { clock(rest.as_bytes()).filter(|time| *time < DAY)? };
    Some(i128::from(number) * DAY + time)
}

/// `H:MM`, `H:MM:SS` and `H:MM:SS.ffffff` of any hours; what stands behind the sixth digit is cut off.
fn clock(text: &[u8]) -> Option<i128> {
    if text.len() < 5 {
        return None;
    }
    let colon = text.iter().position(|byte| *byte == b':')?;
    let (hours, rest) = (&text[..colon], &text[colon + 1..]);
    if hours.len() > 10 || !hours.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let hours = hours.iter().fold(0, |hours, digit| hours * 10 + u64::from(digit - b'0'));
    let two = |at: usize| match rest.get(at..at + 2)? {
        [tens @ b'0'..=b'5', ones @ b'0'..=b'9'] => Some(u64::from((tens - b'0') * 10 + ones - b'0')),
        _ => None,
    };
    let minutes = two(0)?;
    let (seconds, fraction) = match &rest[2..rest.len().min(12)] {
        [] => (0, &[][..]),
        [b':', _, _] => (two(3)?, &[][..]),
        [b':', _, _, b'.' | b',', fraction @ ..] if !fraction.is_empty() => (two(3)?, fraction),
        _ => return None,
    };
    if hours > HOURS || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let micros =
        (0..6).fold(0, |micros, at| micros * 10 + fraction.get(at).map_or(0, |digit| i128::from(digit - b'0')));
    Some(i128::from(hours * 3600 + minutes * 60 + seconds) * SECOND + micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_durations() {
        for (text, wanted) in [
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
            assert_eq!(Duration::parse(text).map(Duration::to_iso).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn texts_were_durations_before() {
        for (text, wanted) in [
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
            assert_eq!(Duration::parse_pydantic1(text).map(Duration::to_python_string).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn seconds_are_durations() {
        for (seconds, wanted) in [
            (0.0000005, Some("PT0S")),
            (0.0000015, Some("PT0.000002S")),
            (-1.5, Some("-PT1.5S")),
            (86400.0 * 365.0, Some("P1Y")),
            (1e14, None),
            (f64::NAN, None),
        ] {
            assert_eq!(Duration::from_secs_f64(seconds).map(Duration::to_iso).as_deref(), wanted, "{seconds}");
        }
    }
}
