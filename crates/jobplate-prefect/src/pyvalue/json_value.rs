//! Parses JSON in environment variables like `json.loads`. Accepts `NaN`, integers of any size and duplicate keys.
//! Values have no locations. [`json`](super::json) reads JSON files, whose values have locations.
//!
//! jiter, pydantic's parser, cannot replace this module: it differs from `json.loads` in the treatment of lone
//! surrogates and `NaN`, and would add a second version of num-bigint.

use indexmap::IndexMap;
use num_bigint::BigInt;

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
    /// JSON that Python accepts and this crate refuses: a lone surrogate, or brackets nested deeper than [`MAX_DEPTH`].
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
const MAX_DEPTH: usize = 200;

/// Parses JSON text. Returns `None` if `json.loads` rejects the text.
pub(crate) fn parse(text: &str) -> Option<Json> {
    let mut parser = JsonParser { rest: text, depth: 0, is_unsupported: false };
    parser.skip_whitespace();
    let value = parser.parse_value()?;
    parser.skip_whitespace();
    let value = if parser.is_unsupported { mark_unsupported(value) } else { value };
    parser.rest.is_empty().then_some(value)
}

/// Replaces a string or collection with [`Json::Unsupported`], because a part of it is unsupported.
fn mark_unsupported(value: Json) -> Json {
    match value {
        Json::Null | Json::Bool(_) | Json::Int(_) | Json::Float(_) => value,
        _ => Json::Unsupported,
    }
}

struct JsonParser<'t> {
    rest: &'t str,
    depth: usize,
    is_unsupported: bool,
}

impl JsonParser<'_> {
    fn skip_whitespace(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn consume(&mut self, token: &str) -> bool {
        let after = self.rest.strip_prefix(token);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn parse_value(&mut self) -> Option<Json> {
        if self.depth > MAX_DEPTH {
            // jobplate refuses the whole value, so the rest is not parsed.
            self.is_unsupported = true;
            self.rest = "";
            return Some(Json::Unsupported);
        }
        let words = [
            ("null", Json::Null),
            ("true", Json::Bool(true)),
            ("false", Json::Bool(false)),
            ("NaN", Json::Float(f64::NAN)),
            ("Infinity", Json::Float(f64::INFINITY)),
            ("-Infinity", Json::Float(f64::NEG_INFINITY)),
        ];
        for (word, value) in words {
            if self.consume(word) {
                return Some(value);
            }
        }
        if self.consume("\"") {
            return self.parse_text().map(Json::Str);
        }
        if self.consume("[") {
            return self.parse_list();
        }
        if self.consume("{") {
            return self.parse_map();
        }
        self.parse_number()
    }

    fn parse_list(&mut self) -> Option<Json> {
        self.depth += 1;
        let mut items = Vec::new();
        self.skip_whitespace();
        while !self.consume("]") {
            if !items.is_empty() {
                self.consume_comma()?;
            }
            items.push(self.parse_value()?);
            if self.has_stopped() {
                return Some(Json::Unsupported);
            }
            self.skip_whitespace();
        }
        self.depth -= 1;
        Some(Json::List(items))
    }

    fn parse_map(&mut self) -> Option<Json> {
        self.depth += 1;
        let mut pairs: IndexMap<String, Json> = IndexMap::new();
        let mut is_first = true;
        self.skip_whitespace();
        while !self.consume("}") {
            if !is_first {
                self.consume_comma()?;
            }
            is_first = false;
            let key = self.consume("\"").then(|| self.parse_text())??;
            self.skip_whitespace();
            self.consume(":").then_some(())?;
            self.skip_whitespace();
            let value = self.parse_value()?;
            if self.has_stopped() {
                return Some(Json::Unsupported);
            }
            pairs.insert(key, value);
            self.skip_whitespace();
        }
        self.depth -= 1;
        Some(Json::Map(pairs.into_iter().collect()))
    }

    /// Returns whether the parser stopped because brackets are nested too deeply.
    fn has_stopped(&self) -> bool {
        self.depth > MAX_DEPTH || self.is_unsupported && self.rest.is_empty()
    }

    fn consume_comma(&mut self) -> Option<()> {
        self.consume(",").then_some(())?;
        self.skip_whitespace();
        Some(())
    }

    fn parse_text(&mut self) -> Option<String> {
        let mut out = String::new();
        loop {
            let end = self.rest.find(|c: char| matches!(c, '"' | '\\') || c < ' ')?;
            out.push_str(&self.rest[..end]);
            self.rest = &self.rest[end..];
            if self.consume("\"") {
                return Some(out);
            }
            self.consume("\\").then_some(())?;
            let c = self.rest.chars().next()?;
            self.rest = &self.rest[c.len_utf8()..];
            out.push(match c {
                '"' | '\\' | '/' => c,
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => self.parse_unicode_escape()?,
                _ => return None,
            });
        }
    }

    /// Parses the digits after `\u`, and the second escape of a surrogate pair. Replaces a lone surrogate with U+FFFD
    /// and marks the input as unsupported. Returns `None` if the digits are invalid.
    fn parse_unicode_escape(&mut self) -> Option<char> {
        let code = self.parse_hex_digits()?;
        if (0xd800..0xdc00).contains(&code) {
            let after = self.rest;
            let second = if self.consume("\\u") { self.parse_hex_digits() } else { None };
            match second {
                Some(second @ 0xdc00..0xe000) => {
                    return char::from_u32(0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00));
                }
                _ => self.rest = after,
            }
        }
        let c = char::from_u32(code);
        self.is_unsupported |= c.is_none();
        Some(c.unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn parse_hex_digits(&mut self) -> Option<u32> {
        let digits = self.rest.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        self.rest = &self.rest[4..];
        u32::from_str_radix(digits, 16).ok()
    }

    fn parse_number(&mut self) -> Option<Json> {
        let count_digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let sign = usize::from(self.rest.starts_with('-'));
        let integer_digits = count_digits(&self.rest[sign..]);
        let integer_digits = if self.rest[sign..].starts_with('0') { 1 } else { integer_digits };
        if integer_digits == 0 {
            return None;
        }
        let mut end = sign + integer_digits;
        let fraction = self.rest[end..].strip_prefix('.').map_or(0, count_digits);
        if fraction > 0 {
            end += 1 + fraction;
        }
        let mut exponent = 0;
        if let Some(after) = self.rest[end..].strip_prefix(['e', 'E']) {
            let signed = usize::from(after.starts_with(['+', '-']));
            exponent = count_digits(&after[signed..]);
            if exponent > 0 {
                end += 1 + signed + exponent;
            }
        }
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        if fraction > 0 || exponent > 0 {
            return text.parse().ok().map(Json::Float);
        }
        if integer_digits > MAX_DIGITS { None } else { text.parse().ok().map(Json::Int) }
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
        assert_eq!(parse(&"[".repeat(5000)), Some(Json::Unsupported), "no stack is large enough for all");
        assert_eq!(parse(&"9".repeat(4301)), None);
        assert!(parse(&"9".repeat(4300)).is_some());
    }
}
