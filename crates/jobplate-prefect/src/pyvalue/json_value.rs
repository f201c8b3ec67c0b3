//! Parses JSON in environment variables like `json.loads`. Accepts integers of any size, duplicate keys, and `NaN` and
//! infinities that are the whole text. Values have no locations. [`json`](super::json) reads JSON files, whose values
//! have locations.
//!
//! jiter, pydantic's parser, cannot replace this module: it differs from `json.loads` in the treatment of lone
//! surrogates and `NaN`, and would add a second version of num-bigint.

use indexmap::IndexMap;
use num_bigint::BigInt;
use serde_json::value::RawValue;

use super::json::depth;
use super::limits::MAX_DIGITS;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number without a fraction or an exponent.
    Int(BigInt),
    /// Any other number.
    Float(f64),
    /// A string.
    Str(String),
    /// An array.
    List(Vec<Json>),
    /// An object. The first of duplicate keys determines the position, and the last key determines the value.
    Map(Vec<(String, Json)>),
    /// JSON that Python accepts and this crate refuses: a lone surrogate, brackets nested deeper than [`MAX_DEPTH`], or
    /// an array or object with `NaN` or an infinity in it.
    Unsupported,
}

impl Json {
    /// Returns `bool(value)`.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Json::Null => false,
            Json::Bool(boolean) => *boolean,
            Json::Int(integer) => *integer != BigInt::ZERO,
            Json::Float(float) => *float != 0.0,
            Json::Str(text) => !text.is_empty(),
            Json::List(items) => !items.is_empty(),
            Json::Map(pairs) => !pairs.is_empty(),
            Json::Unsupported => true,
        }
    }
}

/// The maximum depth of nested brackets. No valid setting is nested deeper than two levels.
const MAX_DEPTH: usize = 20;

/// Parses JSON text. Returns `None` if `json.loads` rejects the text.
pub(crate) fn parse(text: &str) -> Option<Json> {
    parse_standard(text).or_else(|| parse_constant(text.trim_matches([' ', '\t', '\n', '\r'])))
}

/// Parses standard JSON text. Returns `None` if the text is invalid JSON, or if `json.loads` rejects the text.
fn parse_standard(text: &str) -> Option<Json> {
    let raw: &RawValue = serde_json::from_str(text).ok()?;
    if depth(text) > MAX_DEPTH { Some(Json::Unsupported) } else { construct(raw.get()) }
}

/// Parses the numbers that Python accepts although JSON has no such numbers.
fn parse_constant(text: &str) -> Option<Json> {
    match text {
        "NaN" => Some(Json::Float(f64::NAN)),
        "Infinity" => Some(Json::Float(f64::INFINITY)),
        "-Infinity" => Some(Json::Float(f64::NEG_INFINITY)),
        _ if text.starts_with(['[', '{']) => parse_standard(&replace_constants(text)).map(|_| Json::Unsupported),
        _ => None,
    }
}

/// Replaces the numbers of Python outside of strings with a zero. The blanks around the zero keep it from becoming a
/// part of another number.
fn replace_constants(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, part) in split_at_strings(text).into_iter().enumerate() {
        match index % 2 {
            0 => out.push_str(&part.replace("-Infinity", " 0 ").replace("Infinity", " 0 ").replace("NaN", " 0 ")),
            _ => out.push_str(part),
        }
    }
    out
}

/// Splits JSON text at the quotes of its strings: parts with an even index are outside of strings. Strings keep their
/// quotes.
fn split_at_strings(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => {
                let end = at + usize::from(quoted);
                parts.push(&text[start..end]);
                (start, quoted) = (end, !quoted);
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Constructs the value of valid JSON. Returns `None` if Python rejects an integer, because it has too many digits.
fn construct(text: &str) -> Option<Json> {
    Some(match text.as_bytes().first()? {
        b'n' => Json::Null,
        b't' => Json::Bool(true),
        b'f' => Json::Bool(false),
        // Only a lone surrogate makes a valid string fail.
        b'"' => serde_json::from_str(text).map_or(Json::Unsupported, Json::Str),
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            let items: Vec<Json> = items.into_iter().map(|item| construct(item.get())).collect::<Option<_>>()?;
            if items.contains(&Json::Unsupported) { Json::Unsupported } else { Json::List(items) }
        }
        b'{' => {
            let Ok(Pairs(raw)) = serde_json::from_str(text) else { return Some(Json::Unsupported) };
            let mut pairs = IndexMap::new();
            for (key, value) in raw {
                pairs.insert(key, construct(value.get())?);
            }
            let is_unsupported = pairs.values().any(|value| *value == Json::Unsupported);
            if is_unsupported { Json::Unsupported } else { Json::Map(pairs.into_iter().collect()) }
        }
        _ if text.contains(['.', 'e', 'E']) => Json::Float(text.parse().ok()?),
        _ if text.trim_start_matches('-').len() > MAX_DIGITS => return None,
        _ => Json::Int(text.parse().ok()?),
    })
}

/// The pairs of an object in document order, including duplicate keys.
struct Pairs<'t>(Vec<(String, &'t RawValue)>);

impl<'de: 't, 't> serde::Deserialize<'de> for Pairs<'t> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(Visitor).map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_json_like_python() {
        let text = |text: &str| Some(Json::Str(text.to_owned()));
        let int = |integer: i64| Json::Int(integer.into());
        for (written, expected) in [
            (" [1, -0,\n\"2\"] ", Some(Json::List(vec![int(1), int(0), Json::Str("2".to_owned())]))),
            ("-Infinity", Some(Json::Float(f64::NEG_INFINITY))),
            ("1e400", Some(Json::Float(f64::INFINITY))),
            ("1.5E-1", Some(Json::Float(0.15))),
            ("{\"a\": 1, \"b\": {}, \"a\": 2}", {
                Some(Json::Map(vec![("a".to_owned(), int(2)), ("b".to_owned(), Json::Map(vec![]))]))
            }),
            (r#""\ud83d\ude00\u00e9\/""#, text("\u{1f600}\u{e9}/")),
            (r#""\ud83d""#, Some(Json::Unsupported)),
            (r#"["\udc00"]"#, Some(Json::Unsupported)),
            (r#""\ud83d\u0041""#, Some(Json::Unsupported)),
            (r#"{"\ud83d": 1}"#, Some(Json::Unsupported)),
            ("[NaN]", Some(Json::Unsupported)),
            ("{\"NaN\\\"\": [-Infinity,Infinity , \"a\"]}", Some(Json::Unsupported)),
            (r#"["NaN"]"#, Some(Json::List(vec![Json::Str("NaN".to_owned())]))),
            (r#"{"X-Team":"NaNo",}"#, None),
            ("[Infinity.api],x", None),
            ("[-NaN]", None),
            ("[1NaN]", None),
            ("[NaN.5]", None),
            ("[NaN, x]", None),
            (&format!("[NaN, {}]", "9".repeat(4301)), None),
            ("\"a\tb\"", None),
            ("\"a\u{7f}b\"", text("a\u{7f}b")),
            ("01", None),
            ("1.", None),
            ("+1", None),
            (".5", None),
            ("[1,]", None),
            ("{1: 2}", None),
            ("nul", None),
            ("1 2", None),
            ("", None),
            ("\u{feff}1", None),
        ] {
            assert_eq!(parse(written), expected, "{written}");
        }
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(parse(&deep), Some(Json::Unsupported), "no stack is large enough for all");
        assert_eq!(parse(&"9".repeat(4301)), None);
        assert!(parse(&"9".repeat(4300)).is_some());
    }
}
