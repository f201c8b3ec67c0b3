//! YAML 1.1 timestamps, parsed like PyYAML and formatted like Python.

use std::sync::LazyLock;

use regex_lite::Regex;

/// A `datetime.date` or a `datetime.datetime`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timestamp {
    date: [u32; 3],
    /// Hour, minute, second and microsecond, and the UTC offset in minutes, if any. `None` for a date.
    clock: Option<([u32; 4], Option<i32>)>,
}

impl Timestamp {
    /// Parses a timestamp. Returns `None` if `text` is not a timestamp, or if the date or time does not exist.
    pub fn parse(text: &str) -> Option<Self> {
        static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| {
            Regex::new(
            r"^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]*))?(?:[ \t]*(Z|([-+])([0-9]{1,2})(?::([0-9]{2}))?))?)?$",
        ).ok()
        });
        let found = PATTERN.as_ref()?.captures(text)?;
        let parse_group = |group: usize| found.get(group).and_then(|digits| digits.as_str().parse::<u32>().ok());
        let date = [parse_group(1)?, parse_group(2)?, parse_group(3)?];
        if date[0] == 0 || !(1..=12).contains(&date[1]) || !(1..=days_in_month(date[0], date[1])).contains(&date[2]) {
            return None;
        }
        let Some(hour) = parse_group(4) else { return Some(Timestamp { date, clock: None }) };
        let micro = found.get(7).map_or("", |digits| digits.as_str());
        let micro: u32 = format!("{:0<6}", &micro[..micro.len().min(6)]).parse().ok()?;
        let clock = [hour, parse_group(5)?, parse_group(6)?, micro];
        let offset = match found.get(9) {
            Some(sign) => {
                let minutes = (parse_group(10)? * 60 + parse_group(11).unwrap_or(0)) as i32;
                Some(if sign.as_str() == "-" { -minutes } else { minutes })
            }
            None => found.get(8).map(|_| 0),
        };
        let is_valid = clock[0] < 24 && clock[1] < 60 && clock[2] < 60 && offset.unwrap_or(0).abs() < 24 * 60;
        is_valid.then_some(Timestamp { date, clock: Some((clock, offset)) })
    }

    /// Returns `isoformat()`.
    pub fn isoformat(&self) -> String {
        self.print("T")
    }

    /// Returns `str()`.
    pub fn str(&self) -> String {
        self.print(" ")
    }

    /// Returns `repr()`.
    pub fn repr(&self) -> String {
        let [year, month, day] = self.date;
        let Some(([hour, minute, second, micro], offset)) = self.clock else {
            return format!("datetime.date({year}, {month}, {day})");
        };
        let mut out = format!("datetime.datetime({year}, {month}, {day}, {hour}, {minute}");
        if second > 0 || micro > 0 {
            out.push_str(&format!(", {second}"));
        }
        if micro > 0 {
            out.push_str(&format!(", {micro}"));
        }
        match offset {
            None => {}
            Some(0) => out.push_str(", tzinfo=datetime.timezone.utc"),
            Some(offset) => {
                // The seconds of a `timedelta` cannot be negative, so a negative offset is -1 day plus positive
                // seconds.
                let (days, seconds) = (offset.div_euclid(24 * 60), offset.rem_euclid(24 * 60) * 60);
                let days = if days == 0 { String::new() } else { format!("days={days}, ") };
                out.push_str(&format!(", tzinfo=datetime.timezone(datetime.timedelta({days}seconds={seconds}))"));
            }
        }
        out.push(')');
        out
    }

    fn print(&self, separator: &str) -> String {
        let [year, month, day] = self.date;
        let mut out = format!("{year:04}-{month:02}-{day:02}");
        if let Some(([hour, minute, second, micro], offset)) = self.clock {
            out.push_str(&format!("{separator}{hour:02}:{minute:02}:{second:02}"));
            if micro > 0 {
                out.push_str(&format!(".{micro:06}"));
            }
            if let Some(offset) = offset {
                let sign = if offset < 0 { '-' } else { '+' };
                out.push_str(&format!("{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60));
            }
        }
        out
    }
}

fn days_in_month(year: u32, month: u32) -> u32 {
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
    fn parses_timestamps_of_yaml_1_1() {
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
}
