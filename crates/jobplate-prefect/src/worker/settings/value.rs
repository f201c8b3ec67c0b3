//! Parses the value of a setting like pydantic 2, and normalizes it like `Settings.to_environment_variables`, which
//! first converts the value to JSON.

use num_bigint::BigInt;

use super::setting::SettingKind;
use super::structured_value::{
    bool_or_names, headers, json_float, label_filters, names, parse_seconds, repr_bool, retention_overrides,
    retry_delay, retry_delays, status_codes,
};
use crate::pyvalue::duration::Duration;
use crate::pyvalue::json_value::{Json, parse};
use crate::pyvalue::pydantic::{parse_bool, parse_float, parse_int};
use crate::pyvalue::string::normalize_path;

/// The reason why a value cannot be exported.
#[derive(Debug)]
pub(super) enum InvalidValue {
    /// Prefect rejects the value.
    Rejected {
        /// The description of the invalid value; follows "is" in the message.
        problem: &'static str,
        /// The description of a valid value; follows "write" in the hint.
        correction: &'static str,
    },
    /// The value contains JSON that is not supported.
    Unsupported,
}

/// A value in the form that Prefect exports; `None` if the value counts as not set, like JSON's null.
pub(super) type NormalizedValue = std::result::Result<Option<String>, InvalidValue>;

/// Parses and normalizes the value of a setting like Prefect 3.
pub(super) fn normalize(kind: SettingKind, text: &str) -> NormalizedValue {
    match kind {
        SettingKind::Text | SettingKind::Secret => Ok(Some(text.to_owned())),
        SettingKind::Path => Ok(Some(normalize_path(text))),
        SettingKind::Bool => or_rejected(parse_bool(text).map(repr_bool), "neither true nor false", "true or false"),
        SettingKind::Int(limits) => {
            let integer =
                parse_int(text).ok_or(InvalidValue::Rejected { problem: "not an integer", correction: "digits" })?;
            check_limits(limits.allow(&integer, BigInt::from))?;
            Ok(Some(integer.to_string()))
        }
        SettingKind::Float(limits) => {
            let float =
                parse_float(text).ok_or(InvalidValue::Rejected { problem: "not a number", correction: "a number" })?;
            check_limits(limits.allow(&float, f64::from))?;
            Ok(json_float(float))
        }
        SettingKind::LogLevel => {
            or_rejected(log_level(text), "not a logging level", "DEBUG, INFO, WARNING, ERROR or CRITICAL")
        }
        SettingKind::OneOf(words) => {
            let word = words.iter().find(|word| **word == text).map(|word| (*word).to_owned());
            or_rejected(word, "not a supported value", "one of the values that it documents")
        }
        SettingKind::TimeDelta => {
            or_rejected(Duration::parse(text).map(Duration::to_iso), "not a duration", "PT30S or 00:00:30")
        }
        SettingKind::Seconds(limits) => {
            let span = parse_seconds(text)
                .ok_or(InvalidValue::Rejected { problem: "not a duration", correction: "seconds, or PT30S" })?;
            check_limits(limits.allow(&span, |seconds| Duration::from_secs(seconds.into())))?;
            Ok(Some(span.to_iso()))
        }
        SettingKind::Names => json_or_text(text, names, "not a list of names", "comma-separated names"),
        SettingKind::BoolOrNames => json_or_text(text, bool_or_names, "not a list of names", "comma-separated names"),
        SettingKind::StatusCodes => {
            json_or_text(text, status_codes, "not HTTP status codes", "comma-separated numbers from 100 to 599")
        }
        SettingKind::RetryDelay => {
            json_or_text(text, retry_delay, "not a number of seconds", "a number, or a list of numbers in brackets")
        }
        SettingKind::RetryDelays => {
            json_or_text(text, retry_delays, "not a number of seconds", "a number, or comma-separated numbers")
        }
        SettingKind::LabelFilters => {
            json_or_text(text, label_filters, "not a list of labels", "comma-separated NAME=VALUE pairs")
        }
        SettingKind::Headers => {
            json_only(text, headers, "not a JSON object with string values", "{\"NAME\": \"VALUE\"}")
        }
        SettingKind::RetentionOverrides => {
            json_only(text, retention_overrides, "not a JSON object with positive durations", "{\"EVENT\": SECONDS}")
        }
        SettingKind::Group => {
            let is_empty = |json: Json| (json == Json::Map(Vec::new())).then(String::new);
            json_only(text, is_empty, "the name of a group of settings", "each setting as a variable of its own")
        }
    }
}

/// Returns a log level in upper case, or `None` if Prefect 3 does not accept it.
pub(super) fn log_level(text: &str) -> Option<String> {
    let level = text.to_uppercase();
    ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"].contains(&level.as_str()).then_some(level)
}

fn or_rejected(value: Option<String>, problem: &'static str, correction: &'static str) -> NormalizedValue {
    value.map(Some).ok_or(InvalidValue::Rejected { problem, correction })
}

fn check_limits(is_within: bool) -> std::result::Result<(), InvalidValue> {
    let rejected = InvalidValue::Rejected { problem: "out of range", correction: "a value that Prefect accepts" };
    if is_within { Ok(()) } else { Err(rejected) }
}

/// Parses a value as JSON. A value that is not JSON counts as a JSON string; null counts as not set.
fn json_or_text(
    text: &str,
    convert: fn(Json) -> Option<Option<String>>,
    problem: &'static str,
    correction: &'static str,
) -> NormalizedValue {
    match parse(text).unwrap_or_else(|| Json::Str(text.to_owned())) {
        Json::Null => Ok(None),
        Json::Unsupported => Err(InvalidValue::Unsupported),
        json => convert(json).ok_or(InvalidValue::Rejected { problem, correction }),
    }
}

/// Parses a value that must be JSON. Null counts as not set.
fn json_only(
    text: &str,
    convert: fn(Json) -> Option<String>,
    problem: &'static str,
    correction: &'static str,
) -> NormalizedValue {
    match parse(text) {
        Some(Json::Null) => Ok(None),
        Some(Json::Unsupported) => Err(InvalidValue::Unsupported),
        json => or_rejected(json.and_then(convert), problem, correction),
    }
}

#[cfg(test)]
mod tests {
    use super::super::setting::Limits::{Any, AtLeast, Between, MoreThan};
    use super::SettingKind::{
        Bool, BoolOrNames, Float, Headers, Int, LogLevel, Names, OneOf, Path, RetentionOverrides, RetryDelay,
        RetryDelays, Seconds, StatusCodes, TimeDelta,
    };
    use super::*;

    /// A value and its normalized form: `-` if it counts as not set, `None` if Prefect rejects it.
    type Case = (&'static str, Option<&'static str>);

    /// The cases of each kind.
    #[rustfmt::skip] // one kind per paragraph
    const CASES: &[(SettingKind, &[Case])] = &[
        (Bool, &[("YES", Some("True")), ("f", Some("False")), ("2", None)]),
        (Int(Any), &[(" +007 ", Some("7")), ("0__1", Some("1")), ("1e3", None)]),
        (Int(AtLeast(30)), &[("30", Some("30")), ("29", None)]),
        (Int(MoreThan(0)), &[("1", Some("1")), ("0", None)]),
        (Float(Any), &[("30", Some("30.0")), ("1e16", Some("1e+16")), (".5", Some("0.5")), ("1_000", Some("1000.0")),
            ("inf", Some("-")), (" 1_0", None), ("x", None)]),
        (Float(Between(30, 3600)), &[("3600", Some("3600.0")), ("3600.5", None), ("29", None)]),
        (LogLevel, &[("info", Some("INFO")), ("NOTE", None)]),
        (Path, &[("a//b/./", Some("a/b")), ("//a", Some("//a")), ("///a", Some("/a")), ("", Some("."))]),
        (OneOf(&["warn", "error"]), &[("warn", Some("warn")), ("WARN", None), ("", None)]),
        (TimeDelta, &[("00:05:00", Some("PT5M")), ("300", None)]),
        (Seconds(Any), &[("300", Some("PT5M")), ("PT5M", Some("PT5M")), ("1_0", Some("PT10S")), ("1__0", None),
            ("inf", None), ("1e20", None)]),
        (Seconds(MoreThan(3600)), &[("3601", Some("PT1H1S")), ("PT1H", None)]),
        (Names, &[("b, a,,b", Some(",a,b")), (r#"["b", "a"]"#, Some("a,b")), (r#""b,a""#, Some("a,b")), ("", Some("")),
            ("0", Some("")), ("{}", Some("")), ("null", Some("-")), ("5", None), (r#"["a", 1]"#, None)]),
        (BoolOrNames, &[("true", Some("True")), (" FALSE", Some("False")), ("0.0", Some("False")),
            (r#""1""#, Some("True")), ("b,a,", Some("a,b")), ("yes", Some("yes")), ("5", None), ("{}", None)]),
        (StatusCodes, &[("503, 429,429", Some("429,503")), ("429.0", Some("429")), (r#"[429, "502"]"#, Some("429,502")),
            ("", Some("")), ("false", Some("")), ("99", None), ("429,", None), ("true", None)]),
        (RetryDelay, &[("5", Some("5")), ("+5.0", Some("5")), ("+5.5", Some("5.5")), ("true", Some("1")),
            ("[10, 9, true]", Some("1.0,10.0,9.0")), ("[NaN]", None), ("5,6", None), ("", None)]),
        (RetryDelays, &[("5", Some("5")), ("+5", Some("5.0")), ("10, 9,", Some("10.0,9.0")), (",", Some("-")),
            ("Infinity", Some("-")), ("5;6", None)]),
        (Headers, &[("{\"a\":\"b\",\"\u{e9}\":\"\\u007f\",\"a\":\"c\"}", Some(r#"{"a": "c", "\u00e9": "\u007f"}"#)),
            (r#""{\"a\":\"b\"}""#, Some(r#"{"a": "b"}"#)), ("null", Some("-")), (r#"{"a": 1}"#, None), ("[]", None),
            ("", None)]),
        (RetentionOverrides, &[("{}", Some("{}")),
            (r#"{"a": 5, "b": "1 day"}"#, Some(r#"{"a": "PT5S", "b": "P1D"}"#)), (r#"{"a": 0}"#, None),
            (r#"{"a": null}"#, None), ("5", None)]),
    ];

    #[test]
    fn normalizes_values_as_pydantic_2_does() {
        for (kind, cases) in CASES {
            for (text, expected) in *cases {
                let normalized = normalize(*kind, text).ok().map(|value| value.unwrap_or_else(|| "-".to_owned()));
                assert_eq!(normalized.as_deref(), *expected, "{kind:?}: {text}");
            }
        }
    }
}
