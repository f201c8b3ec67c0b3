//! Values that Prefect 3 reads as JSON or as a comma-separated list. Each function converts a parsed value to the text
//! that Prefect exports, and returns `None` if Prefect rejects the value. An inner `None` means that the value counts
//! as not set.

use indexmap::IndexMap;
use num_bigint::BigInt;

use crate::pyvalue::duration::Duration;
use crate::pyvalue::json_value::{Json, parse};
use crate::pyvalue::number;
use crate::pyvalue::pydantic::{parse_float, parse_int};
use crate::pyvalue::string::{repr_float, strip};

/// Converts a set of names.
pub(super) fn names(json: Json) -> Option<Option<String>> {
    match json {
        json if !json.is_true() => Some(Some(String::new())),
        Json::Str(text) => Some(Some(join_set(text.split(',').map(|name| strip(name).to_owned()).collect()))),
        Json::List(items) => Some(Some(join_set(items.into_iter().map(into_text).collect::<Option<_>>()?))),
        _ => None,
    }
}

fn into_text(json: Json) -> Option<String> {
    if let Json::Str(text) = json { Some(text) } else { None }
}

/// Joins the items of a set with commas. Prefect sorts them.
fn join_set(mut items: Vec<String>) -> String {
    items.sort();
    items.dedup();
    items.join(",")
}

/// Converts a boolean or a set of names.
pub(super) fn bool_or_names(json: Json) -> Option<Option<String>> {
    let value = match json {
        Json::Bool(value) => repr_bool(value),
        Json::Int(integer) if integer == BigInt::from(1) => repr_bool(true),
        Json::Int(integer) if integer == BigInt::ZERO => repr_bool(false),
        Json::Float(float) if float == 1.0 || float == 0.0 => repr_bool(float == 1.0),
        Json::Str(text) => match strip(&text).to_lowercase().as_str() {
            "true" | "1" => repr_bool(true),
            "false" | "0" | "" => repr_bool(false),
            _ => join_set(text.split(',').map(strip).filter(|name| !name.is_empty()).map(str::to_owned).collect()),
        },
        Json::List(items) => join_set(items.into_iter().map(into_text).collect::<Option<_>>()?),
        _ => return None,
    };
    Some(Some(value))
}

/// Converts a set of HTTP status codes.
pub(super) fn status_codes(json: Json) -> Option<Option<String>> {
    let codes = match json {
        json if !json.is_true() => Vec::new(),
        Json::Str(text) => text.split(',').map(|code| parse_int(strip(code))).collect::<Option<Vec<_>>>()?,
        Json::List(items) => items.into_iter().map(as_integer).collect::<Option<_>>()?,
        json => vec![as_integer(json)?],
    };
    let is_code = |code: &BigInt| *code >= BigInt::from(100) && *code <= BigInt::from(599);
    codes.iter().all(is_code).then(|| Some(join_set(codes.iter().map(BigInt::to_string).collect())))
}

fn as_integer(json: Json) -> Option<BigInt> {
    match json {
        Json::Int(integer) => Some(integer),
        Json::Float(float) if float.fract() == 0.0 && float.abs() < 1e15 => Some(BigInt::from(float as i64)),
        Json::Str(text) => parse_int(&text),
        _ => None,
    }
}

/// Converts a number of seconds, or a JSON array of numbers.
pub(super) fn retry_delay(json: Json) -> Option<Option<String>> {
    match json {
        Json::Str(text) => match parse_int(&text) {
            Some(integer) => Some(Some(integer.to_string())),
            None => parse_float(&text).map(json_float),
        },
        json => number_or_array(json),
    }
}

/// Converts one or more numbers of seconds, separated by commas or as a JSON array.
pub(super) fn retry_delays(json: Json) -> Option<Option<String>> {
    let Json::Str(text) = json else { return number_or_array(json) };
    let parts = text.split(',').map(strip).filter(|part| !part.is_empty());
    let numbers: Vec<f64> = parts.map(parse_float).collect::<Option<_>>()?;
    match numbers[..] {
        [] => Some(None),
        [number] => Some(json_float(number)),
        _ => Some(Some(join_numbers(numbers))),
    }
}

fn number_or_array(json: Json) -> Option<Option<String>> {
    match json {
        Json::Bool(value) => Some(Some(u8::from(value).to_string())),
        Json::Int(integer) => Some(Some(integer.to_string())),
        Json::Float(float) => Some(json_float(float)),
        Json::List(items) => {
            let numbers = items.into_iter().map(|item| as_float(item, parse_float));
            Some(Some(join_numbers(numbers.collect::<Option<_>>()?)))
        }
        _ => None,
    }
}

/// Converts a JSON value to a number; `parse` converts a string.
pub(super) fn as_float(json: Json, parse: fn(&str) -> Option<f64>) -> Option<f64> {
    match json {
        Json::Bool(value) => Some(f64::from(u8::from(value))),
        Json::Int(integer) => integer.to_string().parse().ok(),
        Json::Float(float) => Some(float),
        Json::Str(text) => parse(&text),
        _ => None,
    }
}

/// Joins numbers with commas. Prefect sorts them as text.
fn join_numbers(numbers: Vec<f64>) -> String {
    let to_text = |number| json_float(number).unwrap_or_else(|| "None".to_owned());
    let mut texts: Vec<String> = numbers.into_iter().map(to_text).collect();
    texts.sort();
    texts.join(",")
}

/// Converts a JSON object of strings, or a JSON string that contains such an object.
pub(super) fn headers(json: Json) -> Option<String> {
    let json = match json {
        Json::Str(text) => {
            // Unlike `json.loads`, pydantic's own parser rejects NaN, so a string with NaN is rejected here.
            serde_json::from_str::<serde::de::IgnoredAny>(&text).ok()?;
            parse(&text)?
        }
        json => json,
    };
    let Json::Map(pairs) = json else { return None };
    let pairs = pairs.into_iter().map(|(name, value)| Some((name, into_text(value)?)));
    Some(dump_json(pairs.collect::<Option<_>>()?))
}

/// Converts labels and their values: a JSON object of strings, or `NAME=VALUE` pairs separated by commas.
pub(super) fn label_filters(json: Json) -> Option<Option<String>> {
    let mut labels = IndexMap::new();
    match json {
        Json::Map(pairs) => {
            for (label, value) in pairs {
                labels.insert(label, into_text(value)?);
            }
        }
        Json::Str(text) => {
            for part in text.split(',') {
                let (label, value) = part.split_once('=').map(|(label, value)| (strip(label), strip(value)))?;
                labels.insert(label.to_owned(), value.to_owned());
            }
        }
        _ => return None,
    }
    Some(Some(dump_json(labels.into_iter().collect())))
}

/// Converts the durations in a JSON object to their normalized form. Returns `None` if the value is not an object, or
/// if a duration is invalid or not positive.
pub(super) fn retention_overrides(json: Json) -> Option<String> {
    let Json::Map(pairs) = json else { return None };
    let to_duration = |json: Json| match json {
        Json::Str(text) => parse_seconds(&text),
        json => Duration::from_secs_f64(as_float(json, parse_float)?),
    };
    let is_positive = |duration: &Duration| *duration > Duration::from_secs(0);
    let pairs = pairs.into_iter().map(|(name, value)| Some((name, to_duration(value).filter(is_positive)?.to_iso())));
    Some(dump_json(pairs.collect::<Option<_>>()?))
}

/// Parses a number of seconds or a duration. A number that `timedelta` cannot hold is rejected, not parsed as a duration.
pub(super) fn parse_seconds(text: &str) -> Option<Duration> {
    let number = number::parse_float(text).filter(|number| !number.is_nan());
    number.map_or_else(|| Duration::parse(text), Duration::from_secs_f64)
}

/// Returns Python's representation of a boolean.
pub(super) fn repr_bool(value: bool) -> String {
    if value { "True" } else { "False" }.to_owned()
}

/// Returns Python's representation of a number, or `None` for infinities and NaN, which are null in JSON.
pub(super) fn json_float(float: f64) -> Option<String> {
    float.is_finite().then(|| repr_float(float))
}

/// Prints a dictionary of strings like `json.dumps`.
fn dump_json(pairs: Vec<(String, String)>) -> String {
    let to_member = |(name, value): &(String, String)| format!("{}: {}", quote_ascii(name), quote_ascii(value));
    format!("{{{}}}", pairs.iter().map(to_member).collect::<Vec<_>>().join(", "))
}

/// Quotes a string as JSON, in ASCII.
fn quote_ascii(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        let mut units = [0; 2];
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    out.push('"');
    out
}
