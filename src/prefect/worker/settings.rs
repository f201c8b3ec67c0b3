//! Prefect's own settings in a worker's environment, and what of them it hands on to its flow runs: all that are set,
//! in plain text, parsed and written again (`get_current_settings().to_environment_variables(exclude_unset=True)` of
//! prefect 3.8.8).

use num_bigint::BigInt;
use serde_json::Value;

use super::version::Version;
use crate::error::{Error, Result};
use crate::python::environ::{Environ, Known, Variable};
use crate::python::heap::{Place, at};
use crate::python::text::repr_float;
use crate::python::{NOT_FOLLOWED, duration};

/// A variable that a worker exports to its flow runs.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Known,
    /// Where it is written; none for what Prefect sets without being asked.
    pub place: Option<Place>,
}

/// What comes before each name.
const PREFIX: &str = "PREFECT_";

/// All settings.
const TABLE: &str = include_str!("settings/table.txt");

/// A line of the table.
struct Setting<'t> {
    name: &'t str,
    kind: &'t str,
    /// Names that it is read from, the strongest first.
    names: Vec<String>,
}

fn settings() -> impl Iterator<Item = Setting<'static>> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split(' ');
        let (name, kind) = (words.next()?, words.next()?);
        let full = |word: &str| word.strip_prefix('=').map_or_else(|| format!("{PREFIX}{word}"), str::to_owned);
        let names: Vec<String> = words.map(full).collect();
        let names = if names.is_empty() { vec![full(name)] } else { names };
        Some(Setting { name, kind, names })
    })
}

/// The profiles that Prefect brings: one of them is active where the worker has none of its own.
fn profile(name: &str) -> &'static [(&'static str, &'static str)] {
    match name {
        "local" => &[("PREFECT_API_URL", "http://127.0.0.1:4200/api")],
        "test" => &[
            ("PREFECT_SERVER_EPHEMERAL_ENABLED", "true"),
            ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "sqlite+aiosqlite:///:memory:"),
        ],
        "cloud" => &[],
        _ => &[("PREFECT_SERVER_EPHEMERAL_ENABLED", "true")],
    }
}

/// In which no profile is read.
const TEST_MODES: [&str; 4] =
    ["PREFECT_TEST_MODE", "PREFECT_UNIT_TEST_MODE", "PREFECT_TESTING_UNIT_TEST_MODE", "PREFECT_TESTING_TEST_MODE"];

/// What a worker with this environment hands on, in Prefect's order. Fails where the worker would not start.
pub fn export(environ: &Environ, version: Version) -> Result<Vec<Exported>> {
    let find = |name: &str| environ.0.iter().rev().find(|variable| variable.name.eq_ignore_ascii_case(name));
    let active = find("PREFECT_PROFILE").map_or("", |variable| variable.value.text());
    let is_tested = TEST_MODES.iter().any(|name| environ.get(name).is_some_and(|own| !own.value.text().is_empty()));
    let profile = if is_tested || !version.has_profile() { &[] } else { profile(active) };
    let mut exported = Vec::new();
    for Setting { name, kind, names } in settings() {
        let name = format!("{PREFIX}{name}");
        let variable = names.iter().find_map(|name| find(name));
        let by_profile = || {
            let (_, value) = profile.iter().find(|(own, _)| *own == name)?;
            Some(Variable { name: name.clone(), value: Known::Text((*value).to_owned()), place: None })
        };
        let Some(variable) = variable.cloned().or_else(by_profile) else { continue };
        if let Some(value) = written_again(&variable, kind, environ)? {
            exported.push(Exported { name, value, place: variable.place });
        }
    }
    check(&exported)?;
    adjust(&mut exported);
    Ok(exported)
}

/// What settings must be to one another.
fn check(exported: &[Exported]) -> Result<()> {
    let find = |name: &str| exported.iter().find(|own| own.name == name);
    let number = |name: &str, default: f64| match find(name).map(|own| &own.value) {
        Some(Known::Text(text)) => text.parse().ok(),
        Some(Known::Unknown(_)) => None,
        None => Some(default),
    };
    let fails = |own: Option<&Exported>, why: &str| {
        let error = Error::input(format!("{why}: the worker does not start")).hint("Prefect itself fails here");
        Err(at(error, own.and_then(|own| own.place.as_ref())))
    };
    let (batch, most) = ("PREFECT_LOGGING_TO_API_BATCH_SIZE", "PREFECT_LOGGING_TO_API_MAX_LOG_SIZE");
    if let (Some(size), Some(largest)) = (number(batch, 4e6), number(most, 1e6))
        && size < largest
    {
        return fails(find(batch).or(find(most)), &format!("{most} is more than {batch}"));
    }
    let database = |name: &str| find(&format!("PREFECT_SERVER_DATABASE_{name}"));
    let driver = database("DRIVER").filter(|_| database("CONNECTION_URL").is_none());
    let is_remote = driver.is_some_and(|driver| driver.value.text() == "postgresql+asyncpg");
    let needed: &[&str] = if is_remote { &["HOST", "USER", "NAME"] } else { &[] };
    match needed.iter().find(|name| database(name).is_none_or(|own| own.value.text().is_empty())) {
        Some(name) => fails(driver, &format!("a database without PREFECT_SERVER_DATABASE_{name}")),
        None => Ok(()),
    }
}

/// What one setting does to others (`post_hoc_settings`).
fn adjust(exported: &mut Vec<Exported>) {
    let text = |exported: &[Exported], name: &str| {
        let own = exported.iter().find(|own| own.name == name);
        own.map(|own| own.value.text().to_owned())
    };
    let is_on = |exported: &[Exported], name: &str| text(exported, name).as_deref() == Some("True");
    if is_on(exported, "PREFECT_DEBUG_MODE") || is_on(exported, "PREFECT_TESTING_TEST_MODE") {
        exported.retain(|own| own.name != "PREFECT_LOGGING_LEVEL" && own.name != "PREFECT_INTERNAL_LOGGING_LEVEL");
    }
    let cloud = text(exported, "PREFECT_CLOUD_API_URL").unwrap_or_else(|| "https://api.prefect.cloud/api".to_owned());
    let url = text(exported, "PREFECT_API_URL").unwrap_or_default();
    if !cloud.is_empty() && !url.is_empty() && url.starts_with(&cloud) {
        let number =
            |name: &str, default: i64| text(exported, name).and_then(|value| value.parse().ok()).unwrap_or(default);
        // No log may be larger than Prefect Cloud takes.
        let most =
            number("PREFECT_LOGGING_TO_API_MAX_LOG_SIZE", 1_000_000).min(number("PREFECT_CLOUD_MAX_LOG_SIZE", 25_000));
        let name = "PREFECT_LOGGING_TO_API_MAX_LOG_SIZE";
        let value = Known::Text(most.to_string());
        match exported.iter_mut().find(|own| own.name == name) {
            Some(own) => own.value = value,
            None => {
                let order: Vec<String> = settings().map(|own| format!("{PREFIX}{}", own.name)).collect();
                let rank = |name: &str| order.iter().position(|own| own == name);
                let behind = exported.iter().position(|own| rank(&own.name) > rank(name)).unwrap_or(exported.len());
                exported.insert(behind, Exported { name: name.to_owned(), value, place: None });
            }
        }
    }
}

/// The value of a setting as Prefect writes it; none for null.
fn written_again(variable: &Variable, kind: &str, environ: &Environ) -> Result<Option<Known>> {
    let Known::Text(text) = &variable.value else { return Ok(Some(variable.value.clone())) };
    let (kind, bounds) = kind.split_at(kind.find(['>', '<']).unwrap_or(kind.len()));
    let value = match kind {
        "text" => Some(text.clone()),
        "home" => match environ.expand_user(text) {
            path if path.is_empty() => Some(".".to_owned()),
            path => Some(path_text(&path)),
        },
        "path" => Some(path_text(text)),
        "path$" => {
            let home = environ.get("PREFECT_HOME").map_or("~/.prefect", |home| home.value.text());
            Some(path_text(&text.replace("$PREFECT_HOME", &path_text(&environ.expand_user(home)))))
        }
        "bool" => boolean(text).map(|is| if is { "True" } else { "False" }.to_owned()),
        "int" => whole(text)
            .filter(|whole| is_within(whole.to_string().parse().unwrap_or(f64::NAN), bounds))
            .map(|whole| whole.to_string()),
        // JSON has no such number, and so it becomes null.
        "float" | "delay" | "delays"
            if float(text).is_some_and(|float| !float.is_finite() && is_within(float, bounds)) =>
        {
            return Ok(None);
        }
        "float" => float(text).filter(|float| is_within(*float, bounds)).map(repr_float),
        "level" => Some(text.to_uppercase())
            .filter(|level| ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"].contains(&level.as_str())),
        // What is JSON is read as that first.
        "words" | "bool|words" | "delay" | "delays" if text.trim() == "null" => return Ok(None),
        "words" => words(text),
        "bool|words" if text.trim_start().starts_with('{') => None,
        "bool|words" => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Some("True".to_owned()),
            "false" | "0" | "" => Some("False".to_owned()),
            _ => words(text),
        },
        "codes" if text.is_empty() => Some(String::new()),
        "codes" => {
            let codes: Option<Vec<BigInt>> = text.split(',').map(|code| whole(code.trim())).collect();
            let is_code = |code: &BigInt| *code >= BigInt::from(100) && *code <= BigInt::from(599);
            codes.filter(|codes| codes.iter().all(is_code)).map(|codes| sorted(codes.iter().map(BigInt::to_string)))
        }
        "headers" => headers(text),
        "time" => duration::parse(text).map(duration::iso),
        "seconds" => {
            let span = float(text).map(|seconds| (seconds * 1e6).round() as i64).or_else(|| duration::parse(text));
            span.filter(|span| is_within(*span as f64 / 1e6, bounds)).map(duration::iso)
        }
        "delay" => {
            delay(text).or_else(|| whole(text).map(|whole| whole.to_string())).or_else(|| float(text).map(repr_float))
        }
        "delays" => match delay(text).or_else(|| delays(text.split(','))) {
            // Null: nothing is handed on.
            Some(delays) if delays.is_empty() => return Ok(None),
            delays => delays,
        },
        "other" => {
            let error = Error::refused(format!("{} is a setting that is not followed here", variable.name));
            return Err(at(error.hint(NOT_FOLLOWED), variable.place.as_ref()));
        }
        words => words.split('|').find(|word| word == text).map(str::to_owned),
    };
    match value {
        Some(value) => Ok(Some(Known::Text(value))),
        None => {
            let error =
                Error::input(format!("{} is no value of this setting: the worker does not start", variable.name));
            Err(at(error.hint("Prefect itself fails here"), variable.place.as_ref()))
        }
    }
}

/// As pydantic reads truth.
fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "t" | "true" | "y" | "yes" => Some(true),
        "0" | "off" | "f" | "false" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// As pydantic reads whole numbers: underscores between digits, zeros behind a point.
fn whole(text: &str) -> Option<BigInt> {
    let text = text.trim();
    let (whole, zeros) = text.split_once('.').unwrap_or((text, "0"));
    if zeros.is_empty() || !zeros.bytes().all(|byte| byte == b'0') {
        return None;
    }
    let digits = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    let is_grouped =
        digits.split('_').all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    is_grouped.then(|| whole.replace('_', "").trim_start_matches('+').parse().ok()).flatten()
}

/// As pydantic reads numbers.
fn float(text: &str) -> Option<f64> {
    let text = text.trim();
    let grouped = text.contains('_').then(|| text.replace('_', ""));
    grouped.as_deref().unwrap_or(text).parse().ok()
}

/// Whether a number is within `>=1`, `>0` and the like.
fn is_within(number: f64, bounds: &str) -> bool {
    let mut rest = bounds;
    while !rest.is_empty() {
        let end = rest[1..].find(['>', '<']).map_or(rest.len(), |at| at + 1);
        let (bound, behind) = rest.split_at(end);
        let limit = |sign: &str| bound.strip_prefix(sign).and_then(|limit| limit.parse::<f64>().ok());
        let holds = match (limit(">="), limit("<="), limit(">")) {
            (Some(least), _, _) => number >= least,
            (_, Some(most), _) => number <= most,
            (_, _, Some(above)) => number > above,
            _ => true,
        };
        if !holds {
            return false;
        }
        rest = behind;
    }
    true
}

/// A number of JSON, or a list of them.
fn delay(text: &str) -> Option<String> {
    match serde_json::from_str(text).ok()? {
        Value::Number(number) if number.is_f64() => number.as_f64().map(repr_float),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(i32::from(is).to_string()),
        Value::String(text) => whole(&text).map(|whole| whole.to_string()).or_else(|| float(&text).map(repr_float)),
        Value::Array(items) => {
            let texts = items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
            let texts: Vec<String> = texts.collect();
            delays(texts.iter().map(String::as_str))
        }
        _ => None,
    }
}

/// Numbers in the order of their texts.
fn delays<'t>(parts: impl Iterator<Item = &'t str>) -> Option<String> {
    let parts = parts.map(str::trim).filter(|part| !part.is_empty());
    let mut delays = parts.map(|part| float(part).map(repr_float)).collect::<Option<Vec<_>>>()?;
    delays.sort();
    Some(delays.join(","))
}

/// Words between commas, or in a list of JSON.
fn words(text: &str) -> Option<String> {
    let split = |text: &str| sorted(text.split(',').map(|word| word.trim().to_owned()));
    match serde_json::from_str(text) {
        Ok(Value::Array(items)) => {
            let words = items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()?;
            Some(sorted(words.into_iter()))
        }
        Ok(Value::Object(pairs)) if pairs.is_empty() => Some(String::new()),
        Ok(Value::String(text)) => Some(split(&text)),
        Ok(_) => None,
        Err(_) => Some(split(text)),
    }
}

/// The words of a set, as Prefect joins them.
fn sorted(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = words.collect();
    words.sort();
    words.dedup();
    words.join(",")
}

/// `str(pathlib.Path(text))`
fn path_text(text: &str) -> String {
    let root = if text.starts_with('/') { "/" } else { "" };
    // Two slashes, and no more, are a root of their own to POSIX.
    let root = if text.starts_with("//") && !text.starts_with("///") { "//" } else { root };
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    match format!("{root}{}", parts.join("/")) {
        path if path.is_empty() => ".".to_owned(),
        path => path,
    }
}

/// A JSON object of texts, as Python's `json.dumps` writes it.
fn headers(text: &str) -> Option<String> {
    let value: Headers = serde_json::from_str(text).ok()?;
    let pairs = value.0.iter().map(|(name, value)| Some(format!("{}: {}", ascii(name)?, ascii(value)?)));
    Some(format!("{{{}}}", pairs.collect::<Option<Vec<_>>>()?.join(", ")))
}

/// Names and values in order; of a name that stands twice, the last value in the first place.
struct Headers(Vec<(String, String)>);

impl<'de> serde::Deserialize<'de> for Headers {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Headers;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> std::result::Result<Headers, A::Error> {
                let mut pairs: Vec<(String, String)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    match pairs.iter_mut().find(|(own, _)| *own == name) {
                        Some((_, own)) => *own = value,
                        None => pairs.push((name, value)),
                    }
                }
                Ok(Headers(pairs))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// A JSON text in ASCII.
fn ascii(text: &str) -> Option<String> {
    let mut out = String::new();
    for c in serde_json::to_string(text).ok()?.chars() {
        let mut units = [0; 2];
        match (' '..='~').contains(&c) {
            true => out.push(c),
            false => c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    Some(out)
}
