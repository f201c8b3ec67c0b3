//! The settings of Prefect 2, which has other names for many of them, no groups and no profile of its own: what is set is
//! handed on as `str()` of what pydantic 1 reads (`SecretSettings.to_environment_variables` of prefect 2.20.26).

use super::value::{Fault, Written, is_within, is_within_whole, level, path, truth};
use crate::pyvalue::duration::Duration;
use crate::pyvalue::json_value::{Json, parse};
use crate::pyvalue::number::{parse_float, parse_int};
use crate::pyvalue::pydantic::parse_bool;
use crate::pyvalue::string::repr_float;

/// All settings.
pub(super) const TABLE: &str = include_str!("prefect2.txt");

/// What Python's `logging` has for a level, beside those that Prefect 3 takes.
const LEVELS: [&str; 3] = ["FATAL", "WARN", "NOTSET"];

/// The value of a setting of a kind, as the table names it.
pub(super) fn written_again(kind: &str, text: &str) -> Written {
    let (kind, bounds) = kind.split_at(kind.find('>').unwrap_or(kind.len()));
    let (value, is, write) = match kind {
        "text" | "secret" => return Ok(Some(text.to_owned())),
        "path" => return Ok(Some(path(text))),
        "bool" => (parse_bool(text).map(truth), "neither true nor false", "true or false"),
        "int" => {
            let whole = parse_int(text).filter(|whole| is_within_whole(whole, bounds));
            (whole.map(|whole| whole.to_string()), "no whole number that Prefect takes", "digits")
        }
        "float" => {
            let float = parse_float(text).filter(|float| is_within(*float, bounds));
            (float.map(repr_float), "no number that Prefect takes", "a number")
        }
        "level" => {
            let other = LEVELS.contains(&text.to_uppercase().as_str()).then(|| text.to_uppercase());
            (level(text).or(other), "no level of logging", "DEBUG, INFO, WARNING, ERROR or CRITICAL")
        }
        "span" => {
            (Duration::parse_pydantic1(text).map(Duration::to_python_string), "no span of time", "seconds, or 00:00:30")
        }
        "number" => {
            (parse_int(text).map(|whole| whole.to_string()).or_else(|| cut(text)), "no number of seconds", "a number")
        }
        "numbers" if parse(text) == Some(Json::Unsupported) => return Err(Fault::Odd),
        "numbers" => (numbers(text), "no number of seconds", "a number, or a list of numbers in brackets"),
        words => {
            let word = words.split('|').find(|word| *word == text).map(str::to_owned);
            (word, "no value that Prefect knows", "one of the values that it documents")
        }
    };
    value.map(Some).ok_or(Fault::Wrong { is, write })
}

/// A number. Prefect reads its settings twice, and the second time what stands behind the point is cut off.
fn cut(text: &str) -> Option<String> {
    let number = parse_float(text)?;
    // There is no zero below zero among whole numbers.
    Some(if number.is_finite() { format!("{:.0}", number.trunc() + 0.0) } else { repr_float(number) })
}

/// A number, or a list of numbers in JSON.
fn numbers(text: &str) -> Option<String> {
    let number = |json: Json| match json {
        Json::Bool(is) => Some(f64::from(u8::from(is))),
        Json::Int(whole) => whole.to_string().parse().ok(),
        Json::Float(float) => Some(float),
        Json::Text(text) => parse_float(&text),
        _ => None,
    };
    match parse(text).unwrap_or_else(|| Json::Text(text.to_owned())) {
        Json::List(items) => {
            let numbers: Vec<String> =
                items.into_iter().map(|item| number(item).map(repr_float)).collect::<Option<_>>()?;
            Some(format!("[{}]", numbers.join(", ")))
        }
        json => number(json).map(repr_float),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_prefect_2_writes_them() {
        for (kind, text, wanted) in [
            ("bool", "ON", Some("True")),
            ("bool", "", None),
            ("int", " 1_0", Some("10")),
            ("int", "5.0", None),
            ("int>0", "0", None),
            ("float", "5", Some("5.0")),
            ("float", "inf", Some("inf")),
            ("level", "warn", Some("WARN")),
            ("level", "note", None),
            ("path", "~/a//b", Some("~/a/b")),
            ("span", "300", Some("0:05:00")),
            ("span", "PT1H30M", Some("1:30:00")),
            ("number", "5", Some("5")),
            ("number", "5.5", Some("5")),
            ("number", "-0.5", Some("0")),
            ("number", "1e30", Some("1000000000000000019884624838656")),
            ("number", "nan", Some("nan")),
            ("numbers", "5", Some("5.0")),
            ("numbers", "[1, true]", Some("[1.0, 1.0]")),
            ("numbers", "1,2", None),
            ("warn|error", "error", Some("error")),
        ] {
            assert_eq!(written_again(kind, text).ok().flatten().as_deref(), wanted, "{kind}: {text}");
        }
    }
}
