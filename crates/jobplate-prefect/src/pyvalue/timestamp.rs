//! Dates and times as PyYAML reads them (YAML 1.1's timestamps) and Python prints them.

use std::sync::LazyLock;

use regex_lite::Regex;

/// A `datetime.date`, or a `datetime.datetime`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timestamp {
    date: [u32; 3],
    /// Hour, minute, second, microsecond, and minutes east of Greenwich where they are given; none for a date.
    clock: Option<([u32; 4], Option<i32>)>,
}

impl Timestamp {
    /// Reads a timestamp; none where the text is none, or names no day.
    pub fn parse(text: &str) -> Option<Self> {
        static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| {
            Regex::new(
            r"^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]*))?(?:[ \t]*(Z|([-+])([0-9]{1,2})(?::([0-9]{2}))?))?)?$",
        ).ok()
        });
        let found = PATTERN.as_ref()?.captures(text)?;
        let number = |group: usize| found.get(group).and_then(|digits| digits.as_str().parse::<u32>().ok());
        let date = [number(1)?, number(2)?, number(3)?];
        if date[0] == 0 || !(1..=12).contains(&date[1]) || !(1..=days(date[0], date[1])).contains(&date[2]) {
            return None;
        }
        let Some(hour) = number(4) else { return Some(Timestamp { date, clock: None }) };
        let micro = found.get(7).map_or("", |digits| digits.as_str());
        let micro: u32 = format!("{:0<6}", &micro[..micro.len().min(6)]).parse().ok()?;
        let clock = [hour, number(5)?, number(6)?, micro];
        let east = match found.get(9) {
            Some(sign) => {
                let minutes = (number(10)? * 60 + number(11).unwrap_or(0)) as i32;
                Some(if sign.as_str() == "-" { -minutes } else { minutes })
            }
            None => found.get(8).map(|_| 0),
        };
        let fits = clock[0] < 24 && clock[1] < 60 && clock[2] < 60 && east.unwrap_or(0).abs() < 24 * 60;
        fits.then_some(Timestamp { date, clock: Some((clock, east)) })
    }

    /// The same moment in UTC, if Python has years for it; a time without a zone is taken to be in it.
    pub fn to_utc(&self) -> Option<Self> {
        let (clock, east) = self.clock.unwrap_or(([0; 4], None));
        let minutes = (clock[0] * 60 + clock[1]) as i32 - east.unwrap_or(0);
        let mut date = self.date;
        if minutes < 0 {
            date = day_before(date);
        } else if minutes >= 24 * 60 {
            date = day_after(date);
        }
        let minutes = minutes.rem_euclid(24 * 60) as u32;
        let clock = Some(([minutes / 60, minutes % 60, clock[2], clock[3]], Some(0)));
        (1..=9999).contains(&date[0]).then_some(Timestamp { date, clock })
    }

    /// `isoformat()`
    pub fn isoformat(&self) -> String {
        self.print("T")
    }

    /// `str()`
    pub fn str(&self) -> String {
        self.print(" ")
    }

    /// `repr()`
    pub fn repr(&self) -> String {
        let [year, month, day] = self.date;
        let Some(([hour, minute, second, micro], east)) = self.clock else {
            return format!("datetime.date({year}, {month}, {day})");
        };
        let mut out = format!("datetime.datetime({year}, {month}, {day}, {hour}, {minute}");
        if second > 0 || micro > 0 {
            out.push_str(&format!(", {second}"));
        }
        if micro > 0 {
            out.push_str(&format!(", {micro}"));
        }
        match east {
            None => {}
            Some(0) => out.push_str(", tzinfo=datetime.timezone.utc"),
            Some(east) => {
                // Python counts whole days and what is left of the last one.
                let (days, seconds) = (east.div_euclid(24 * 60), east.rem_euclid(24 * 60) * 60);
                let days = if days == 0 { String::new() } else { format!("days={days}, ") };
                out.push_str(&format!(", tzinfo=datetime.timezone(datetime.timedelta({days}seconds={seconds}))"));
            }
        }
        out.push(')');
        out
    }

    fn print(&self, between: &str) -> String {
        let [year, month, day] = self.date;
        let mut out = format!("{year:04}-{month:02}-{day:02}");
        if let Some(([hour, minute, second, micro], east)) = self.clock {
            out.push_str(&format!("{between}{hour:02}:{minute:02}:{second:02}"));
            if micro > 0 {
                out.push_str(&format!(".{micro:06}"));
            }
            if let Some(east) = east {
                let sign = if east < 0 { '-' } else { '+' };
                out.push_str(&format!("{sign}{:02}:{:02}", east.abs() / 60, east.abs() % 60));
            }
        }
        out
    }
}

fn day_before([year, month, day]: [u32; 3]) -> [u32; 3] {
    if day > 1 {
        [year, month, day - 1]
    } else if month > 1 {
        [year, month - 1, days(year, month - 1)]
    } else {
        [year - 1, 12, 31]
    }
}

fn day_after([year, month, day]: [u32; 3]) -> [u32; 3] {
    if day < days(year, month) {
        [year, month, day + 1]
    } else if month < 12 {
        [year, month + 1, 1]
    } else {
        [year + 1, 1, 1]
    }
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps() {
        for (text, iso) in [
            ("2020-01-01", Some("2020-01-01")),
            ("2020-1-1", Some("2020-01-01")),
            ("2000-02-30", None),
            ("2024-02-29", Some("2024-02-29")),
            ("1900-02-29", None),
            ("2001-12-14t21:59:43.10-05:00", Some("2001-12-14T21:59:43.100000-05:00")),
            ("2001-12-14 21:59:43.1 -5", Some("2001-12-14T21:59:43.100000-05:00")),
            ("2001-12-14 1:59:43", Some("2001-12-14T01:59:43")),
            ("2001-12-14T01:59:43.12345678Z", Some("2001-12-14T01:59:43.123456+00:00")),
            ("2001-12-14T24:00:00", None),
            ("2001-12-14T01:00:00+24:00", None),
        ] {
            assert_eq!(Timestamp::parse(text).map(|time| time.isoformat()).as_deref(), iso, "{text}");
        }
    }
    #[test]
    fn moments_are_the_same_in_utc() {
        // `datetime.fromisoformat(...).astimezone(timezone.utc)`
        for (text, utc) in [
            ("2024-03-01T00:30:00+01:00", "2024-02-29T23:30:00+00:00"),
            ("2023-03-01T00:30:00+01:00", "2023-02-28T23:30:00+00:00"),
            ("2026-01-01T01:00:00+02:00", "2025-12-31T23:00:00+00:00"),
            ("2026-05-10T00:00:00+00:01", "2026-05-09T23:59:00+00:00"),
            ("2026-12-31T23:59:00-00:01", "2027-01-01T00:00:00+00:00"),
            ("2024-02-28T23:00:00-05:00", "2024-02-29T04:00:00+00:00"),
            ("2023-02-28T23:00:00-05:00", "2023-03-01T04:00:00+00:00"),
            ("2026-04-29T20:00:00-04:00", "2026-04-30T00:00:00+00:00"),
            ("2026-06-15T12:00:00+02:00", "2026-06-15T10:00:00+00:00"),
        ] {
            assert_eq!(
                Timestamp::parse(text).and_then(|time| Some(time.to_utc()?.isoformat())).as_deref(),
                Some(utc),
                "{text}"
            );
        }
        for text in ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"] {
            assert_eq!(Timestamp::parse(text).and_then(|time| time.to_utc()), None, "{text}");
        }
    }
}
