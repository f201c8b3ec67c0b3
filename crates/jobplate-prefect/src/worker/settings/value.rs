//! The value of one setting: read from a text as pydantic 2 reads it for the kind of the setting, and written again as
//! `to_environment_variables` writes it, by way of what can be said in JSON.

use num_bigint::BigInt;

use crate::pyvalue::duration::Duration;
use crate::pyvalue::json_value::{Json, parse};
use crate::pyvalue::number;
use crate::pyvalue::pydantic::{parse_bool, parse_float, parse_int};
use crate::pyvalue::string::{repr_float, strip};

/// Why a value is not handed on.
pub(super) enum Fault {
    /// Prefect does not take it: what it is not, behind "is", and what would be right, behind "write".
    Wrong { is: &'static str, write: &'static str },
    /// It has JSON in it that is not followed here.
    Odd,
}

/// The value that is handed on; none where nothing is, as with null.
pub(super) type Written = std::result::Result<Option<String>, Fault>;

/// The value of a setting of a kind, as the table names it, but for those that depend on other variables.
pub(super) fn written_again(kind: &str, text: &str) -> Written {
    let (kind, bounds) = kind.split_at(kind.find(['>', '<']).unwrap_or(kind.len()));
    match kind {
        "text" | "secret" => Ok(Some(text.to_owned())),
        "path" => Ok(Some(path(text))),
        "bool" => or_fault(parse_bool(text).map(truth), "neither true nor false", "true or false"),
        "int" => {
            let whole = parse_int(text).ok_or(Fault::Wrong { is: "no whole number", write: "digits" })?;
            within(is_within_whole(&whole, bounds))?;
            Ok(Some(whole.to_string()))
        }
        "float" => {
            let float = parse_float(text).ok_or(Fault::Wrong { is: "no number", write: "a number" })?;
            within(is_within(float, bounds))?;
            Ok(finite(float))
        }
        "level" => or_fault(level(text), "no level of logging", "DEBUG, INFO, WARNING, ERROR or CRITICAL"),
        "time" => or_fault(Duration::parse(text).map(Duration::to_iso), "no span of time", "PT30S or 00:00:30"),
        "seconds" => {
            // A number that is too large for Python is no longer looked at.
            let number = number::parse_float(text).filter(|number| !number.is_nan());
            let span = number.map_or_else(|| Duration::parse(text), Duration::from_secs_f64);
            let span = span.ok_or(Fault::Wrong { is: "no span of time", write: "seconds, or PT30S" })?;
            let least = bounds.strip_prefix('>').and_then(|least| least.parse().ok()).map(Duration::from_secs);
            within(least.is_none_or(|least| span > least))?;
            Ok(Some(span.to_iso()))
        }
        "words" => complex(text, words, "no list of names", "names with commas between"),
        "bool|words" => complex(text, bool_or_words, "no list of names", "names with commas between"),
        "codes" => complex(text, codes, "no list of codes of HTTP", "numbers from 100 to 599 with commas between"),
        "delay" => complex(text, delay, "no number of seconds", "a number, or a list of numbers in brackets"),
        "delays" => complex(text, delays, "no number of seconds", "a number, or numbers with commas between"),
        "filters" => complex(text, filters, "no list of labels", "NAME=VALUE with commas between"),
        "headers" => json(text, headers, "no JSON object of texts", "{\"NAME\": \"VALUE\"}"),
        "overrides" => json(text, overrides, "no JSON object of spans above zero", "{\"EVENT\": SECONDS}"),
        "group" => {
            let is_empty = |json: Json| (json == Json::Map(Vec::new())).then(String::new);
            json(text, is_empty, "the name of a group of settings", "each setting as a variable of its own")
        }
        words => {
            let word = words.split('|').find(|word| *word == text);
            or_fault(word.map(str::to_owned), "no value that Prefect knows", "one of the values that it documents")
        }
    }
}

/// A level of logging, in capital letters.
pub(super) fn level(text: &str) -> Option<String> {
    let level = text.to_uppercase();
    ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"].contains(&level.as_str()).then_some(level)
}

fn or_fault(value: Option<String>, is: &'static str, write: &'static str) -> Written {
    value.map(Some).ok_or(Fault::Wrong { is, write })
}

fn within(is_within: bool) -> std::result::Result<(), Fault> {
    let fault = Fault::Wrong { is: "outside its bounds", write: "a value that Prefect takes" };
    if is_within { Ok(()) } else { Err(fault) }
}

/// What is JSON, and else a text, which is read as such. Null is as if nothing was set.
fn complex(text: &str, value: fn(Json) -> Option<Option<String>>, is: &'static str, write: &'static str) -> Written {
    match parse(text).unwrap_or_else(|| Json::Text(text.to_owned())) {
        Json::Null => Ok(None),
        Json::Unsupported => Err(Fault::Odd),
        json => value(json).ok_or(Fault::Wrong { is, write }),
    }
}

/// What must be JSON. Null is as if nothing was set.
fn json(text: &str, value: fn(Json) -> Option<String>, is: &'static str, write: &'static str) -> Written {
    match parse(text) {
        Some(Json::Null) => Ok(None),
        Some(Json::Unsupported) => Err(Fault::Odd),
        read => or_fault(read.and_then(value), is, write),
    }
}

pub(super) fn truth(is: bool) -> String {
    if is { "True" } else { "False" }.to_owned()
}

/// A number; none for what JSON has no number for, and so becomes null.
fn finite(float: f64) -> Option<String> {
    float.is_finite().then(|| repr_float(float))
}

/// Whether a number is within bounds such as `>=30<=3600`.
pub(super) fn is_within(number: f64, bounds: &str) -> bool {
    let holds = |bound: &str, sign: &str, holds: fn(f64, f64) -> bool| {
        let limit = bound.strip_prefix(sign).and_then(|limit| limit.parse().ok());
        limit.is_none_or(|limit| holds(number, limit))
    };
    let (low, high) = bounds.split_at(bounds.find('<').unwrap_or(bounds.len()));
    holds(low, ">=", |number, limit| number >= limit)
        && (low.starts_with(">=") || holds(low, ">", |number, limit| number > limit))
        && holds(high, "<=", |number, limit| number <= limit)
}

pub(super) fn is_within_whole(whole: &BigInt, bounds: &str) -> bool {
    // All bounds are near enough to zero.
    is_within(whole.to_string().parse().unwrap_or(f64::NAN), bounds)
}

/// `str(pathlib.Path(text))`
pub(super) fn path(text: &str) -> String {
    // Two slashes, and no more, are a root of their own to POSIX.
    let root = match text.len() - text.trim_start_matches('/').len() {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let path = format!("{root}{}", parts.join("/"));
    if path.is_empty() { ".".to_owned() } else { path }
}

/// A set of names.
fn words(json: Json) -> Option<Option<String>> {
    match json {
        json if !json.is_true() => Some(Some(String::new())),
        Json::Text(text) => Some(Some(joined(text.split(',').map(|word| strip(word).to_owned()).collect()))),
        Json::List(items) => Some(Some(joined(items.into_iter().map(name).collect::<Option<_>>()?))),
        _ => None,
    }
}

fn name(json: Json) -> Option<String> {
    if let Json::Text(name) = json { Some(name) } else { None }
}

/// The parts of a set, each of them once, as Prefect joins them.
fn joined(mut parts: Vec<String>) -> String {
    parts.sort();
    parts.dedup();
    parts.join(",")
}

/// A set of names, or a truth.
fn bool_or_words(json: Json) -> Option<Option<String>> {
    let value = match json {
        Json::Bool(is) => truth(is),
        Json::Int(whole) => truth(one_or_zero(&whole)?),
        Json::Float(float) if float == 1.0 || float == 0.0 => truth(float == 1.0),
        Json::Text(text) => match strip(&text).to_lowercase().as_str() {
            "true" | "1" => truth(true),
            "false" | "0" | "" => truth(false),
            _ => joined(text.split(',').map(strip).filter(|word| !word.is_empty()).map(str::to_owned).collect()),
        },
        Json::List(items) => joined(items.into_iter().map(name).collect::<Option<_>>()?),
        _ => return None,
    };
    Some(Some(value))
}

fn one_or_zero(whole: &BigInt) -> Option<bool> {
    if *whole == BigInt::from(1) { Some(true) } else { (*whole == BigInt::ZERO).then_some(false) }
}

/// A set of status codes.
fn codes(json: Json) -> Option<Option<String>> {
    let codes = match json {
        json if !json.is_true() => Vec::new(),
        Json::Text(text) => text.split(',').map(|code| parse_int(strip(code))).collect::<Option<Vec<_>>>()?,
        Json::List(items) => items.into_iter().map(as_whole).collect::<Option<_>>()?,
        json => vec![as_whole(json)?],
    };
    let is_code = |code: &BigInt| *code >= BigInt::from(100) && *code <= BigInt::from(599);
    codes.iter().all(is_code).then(|| Some(joined(codes.iter().map(BigInt::to_string).collect())))
}

fn as_whole(json: Json) -> Option<BigInt> {
    match json {
        Json::Int(whole) => Some(whole),
        Json::Float(float) if float.fract() == 0.0 && float.abs() < 1e15 => Some(BigInt::from(float as i64)),
        Json::Text(text) => parse_int(&text),
        _ => None,
    }
}

/// A number, or a list of numbers in JSON.
fn delay(json: Json) -> Option<Option<String>> {
    match json {
        Json::Text(text) => match parse_int(&text) {
            Some(whole) => Some(Some(whole.to_string())),
            None => parse_float(&text).map(finite),
        },
        json => number_or_list(json),
    }
}

/// A number or several of them between commas, or what [`delay`] takes.
fn delays(json: Json) -> Option<Option<String>> {
    let Json::Text(text) = json else { return number_or_list(json) };
    let parts = text.split(',').map(strip).filter(|part| !part.is_empty());
    let numbers: Vec<f64> = parts.map(parse_float).collect::<Option<_>>()?;
    match numbers[..] {
        [] => Some(None),
        [number] => Some(finite(number)),
        _ => Some(Some(listed(numbers))),
    }
}

fn number_or_list(json: Json) -> Option<Option<String>> {
    match json {
        Json::Bool(is) => Some(Some(u8::from(is).to_string())),
        Json::Int(whole) => Some(Some(whole.to_string())),
        Json::Float(float) => Some(finite(float)),
        Json::List(items) => Some(Some(listed(items.into_iter().map(as_float).collect::<Option<_>>()?))),
        _ => None,
    }
}

fn as_float(json: Json) -> Option<f64> {
    match json {
        Json::Bool(is) => Some(f64::from(u8::from(is))),
        Json::Int(whole) => whole.to_string().parse().ok(),
        Json::Float(float) => Some(float),
        Json::Text(text) => parse_float(&text),
        _ => None,
    }
}

/// Numbers in the order of their texts.
fn listed(numbers: Vec<f64>) -> String {
    let mut texts: Vec<String> =
        numbers.into_iter().map(|number| finite(number).unwrap_or_else(|| "None".to_owned())).collect();
    texts.sort();
    texts.join(",")
}

/// An object of texts.
fn headers(json: Json) -> Option<String> {
    let pairs = match json {
        // A text in JSON is JSON itself.
        Json::Text(text) => {
            match serde_json::from_str::<serde::de::IgnoredAny>(&text).ok().and_then(|_| parse(&text))? {
                Json::Map(pairs) => pairs,
                _ => return None,
            }
        }
        Json::Map(pairs) => pairs,
        _ => return None,
    };
    let pairs = pairs.into_iter().map(|(name_of, value)| Some((name_of, name(value)?)));
    Some(dumped(pairs.collect::<Option<_>>()?))
}

/// Labels and their values: an object of texts, or a text of `NAME=VALUE` with commas between.
fn filters(json: Json) -> Option<Option<String>> {
    let mut labels: Vec<(String, String)> = Vec::new();
    match json {
        Json::Map(pairs) => {
            for (label, value) in pairs {
                labels.push((label, name(value)?));
            }
        }
        Json::Text(text) => {
            for part in text.split(',') {
                let (label, value) = part.split_once('=').map(|(label, value)| (strip(label), strip(value)))?;
                labels.retain(|(own, _)| own != label);
                labels.push((label.to_owned(), value.to_owned()));
            }
        }
        _ => return None,
    }
    Some(Some(dumped(labels)))
}

/// An object of spans of time, each above zero.
fn overrides(json: Json) -> Option<String> {
    let Json::Map(pairs) = json else { return None };
    let span = |json: Json| match json {
        Json::Text(text) => {
            let number = number::parse_float(&text).filter(|number| !number.is_nan());
            number.map_or_else(|| Duration::parse(&text), Duration::from_secs_f64)
        }
        Json::Bool(_) | Json::Int(_) | Json::Float(_) => Duration::from_secs_f64(as_float(json)?),
        _ => None,
    };
    let above = |span: &Duration| *span > Duration::from_secs(0);
    let pairs = pairs.into_iter().map(|(name, value)| Some((name, span(value).filter(above)?.to_iso())));
    Some(dumped(pairs.collect::<Option<_>>()?))
}

/// `json.dumps` of a mapping of texts.
fn dumped(pairs: Vec<(String, String)>) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{}: {}", ascii(name), ascii(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// A text in JSON, in ASCII.
fn ascii(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_prefect_writes_them() {
        for (kind, cases) in [
            ("bool", &[("YES", Some("True")), ("f", Some("False")), ("2", None)][..]),
            ("int", &[(" +007 ", Some("7")), ("0__1", Some("1")), ("1e3", None)]),
            ("int>=30", &[("30", Some("30")), ("29", None)]),
            ("int>0", &[("1", Some("1")), ("0", None)]),
            (
                "float",
                &[
                    ("30", Some("30.0")),
                    ("1e16", Some("1e+16")),
                    (".5", Some("0.5")),
                    ("1_000", Some("1000.0")),
                    // What JSON has no number for is not handed on.
                    ("inf", Some("-")),
                    (" 1_0", None),
                    ("x", None),
                ],
            ),
            ("float>=30<=3600", &[("3600", Some("3600.0")), ("3600.5", None), ("29", None)]),
            ("level", &[("info", Some("INFO")), ("NOTE", None)]),
            ("path", &[("a//b/./", Some("a/b")), ("//a", Some("//a")), ("///a", Some("/a")), ("", Some("."))]),
            ("warn|error", &[("warn", Some("warn")), ("WARN", None), ("", None)]),
            ("time", &[("00:05:00", Some("PT5M")), ("300", None)]),
            (
                "seconds",
                &[
                    ("300", Some("PT5M")),
                    ("PT5M", Some("PT5M")),
                    ("1_0", Some("PT10S")),
                    ("1__0", None),
                    ("inf", None),
                    ("1e20", None),
                ],
            ),
            ("seconds>3600", &[("3601", Some("PT1H1S")), ("PT1H", None)]),
            (
                "words",
                &[
                    ("b, a,,b", Some(",a,b")),
                    ("[\"b\", \"a\"]", Some("a,b")),
                    ("\"b,a\"", Some("a,b")),
                    ("", Some("")),
                    ("0", Some("")),
                    ("{}", Some("")),
                    ("null", Some("-")),
                    ("5", None),
                    ("[\"a\", 1]", None),
                ],
            ),
            (
                "bool|words",
                &[
                    ("true", Some("True")),
                    (" FALSE", Some("False")),
                    ("0.0", Some("False")),
                    ("\"1\"", Some("True")),
                    ("b,a,", Some("a,b")),
                    ("yes", Some("yes")),
                    ("5", None),
                    ("{}", None),
                ],
            ),
            (
                "codes",
                &[
                    ("503, 429,429", Some("429,503")),
                    ("429.0", Some("429")),
                    ("[429, \"502\"]", Some("429,502")),
                    ("", Some("")),
                    ("false", Some("")),
                    ("99", None),
                    ("429,", None),
                    ("true", None),
                ],
            ),
            (
                "delay",
                &[
                    ("5", Some("5")),
                    ("+5.0", Some("5")),
                    ("+5.5", Some("5.5")),
                    ("true", Some("1")),
                    ("[10, 9, true]", Some("1.0,10.0,9.0")),
                    ("[NaN]", Some("None")),
                    ("5,6", None),
                    ("", None),
                ],
            ),
            (
                "delays",
                &[
                    ("5", Some("5")),
                    ("+5", Some("5.0")),
                    ("10, 9,", Some("10.0,9.0")),
                    (",", Some("-")),
                    ("Infinity", Some("-")),
                    ("5;6", None),
                ],
            ),
            (
                "headers",
                &[
                    ("{\"a\":\"b\",\"\u{e9}\":\"\\u007f\",\"a\":\"c\"}", Some(r#"{"a": "c", "\u00e9": "\u007f"}"#)),
                    ("\"{\\\"a\\\":\\\"b\\\"}\"", Some(r#"{"a": "b"}"#)),
                    ("null", Some("-")),
                    ("{\"a\": 1}", None),
                    ("[]", None),
                    ("", None),
                ],
            ),
            (
                "overrides",
                &[
                    ("{}", Some("{}")),
                    ("{\"a\": 5, \"b\": \"1 day\"}", Some(r#"{"a": "PT5S", "b": "P1D"}"#)),
                    ("{\"a\": 0}", None),
                    ("{\"a\": null}", None),
                    ("5", None),
                ],
            ),
        ] {
            for (text, wanted) in cases {
                let own = written_again(kind, text).ok().map(|value| value.unwrap_or_else(|| "-".to_owned()));
                assert_eq!(own.as_deref(), *wanted, "{kind}: {text}");
            }
        }
    }
}
