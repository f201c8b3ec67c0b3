//! JSON that preserves the order of keys, duplicate keys, numbers of any size and unpaired surrogates. The tests
//! compare these details, which other parsers drop.

use std::fmt::Write as _;

/// A value. Strings are in UTF-16, like JSON's escapes.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(Vec<u16>),
    List(Vec<Json>),
    Map(Vec<(Vec<u16>, Json)>),
}

impl Json {
    pub(crate) fn parse(text: &str) -> Result<Json, String> {
        let mut reader = JsonReader { rest: text };
        let value = reader.parse_value()?;
        reader.skip_whitespace();
        if reader.rest.is_empty() { Ok(value) } else { Err(reader.error("more than one value")) }
    }

    pub(crate) fn text(text: &str) -> Json {
        Json::Text(text.encode_utf16().collect())
    }

    pub(crate) fn as_text(&self) -> Option<String> {
        match self {
            Json::Text(text) => Some(String::from_utf16_lossy(text)),
            _ => None,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Map(pairs) => pairs.iter().find(|(own, _)| equals_text(own, key)).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Formats the value as compact JSON in ASCII.
    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        self.write_to(&mut out);
        out
    }

    fn write_to(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(is) => out.push_str(if *is { "true" } else { "false" }),
            Json::Number(number) => out.push_str(number),
            Json::Text(text) => print_text(text, out),
            Json::List(items) => {
                for (position, item) in items.iter().enumerate() {
                    out.push(if position == 0 { '[' } else { ',' });
                    item.write_to(out);
                }
                out.push_str(if items.is_empty() { "[]" } else { "]" });
            }
            Json::Map(pairs) => {
                for (position, (key, value)) in pairs.iter().enumerate() {
                    out.push(if position == 0 { '{' } else { ',' });
                    print_text(key, out);
                    out.push(':');
                    value.write_to(out);
                }
                out.push_str(if pairs.is_empty() { "{}" } else { "}" });
            }
        }
    }

    /// Returns the path of the first difference and its description, or `None` if the values are equal.
    pub(crate) fn difference(&self, other: &Json) -> Option<String> {
        match (self, other) {
            (Json::List(own), Json::List(others)) => {
                for (position, (own, other)) in own.iter().zip(others).enumerate() {
                    if let Some(difference) = own.difference(other) {
                        return Some(format!("[{position}]{difference}"));
                    }
                }
                let counts = format!(": {} items, and {}", own.len(), others.len());
                (own.len() != others.len()).then_some(counts)
            }
            (Json::Map(own), Json::Map(others)) => {
                for ((key, own), (other_key, other)) in own.iter().zip(others) {
                    let name = String::from_utf16_lossy(key);
                    if key != other_key {
                        return Some(format!(": key {name:?}, and {:?}", String::from_utf16_lossy(other_key)));
                    }
                    if let Some(difference) = own.difference(other) {
                        return Some(format!(".{name}{difference}"));
                    }
                }
                let counts = format!(": {} keys, and {}", own.len(), others.len());
                (own.len() != others.len()).then_some(counts)
            }
            _ if self.is_same(other) => None,
            _ => Some(format!(": {}, and {}", self.to_text(), other.to_text())),
        }
    }

    fn is_same(&self, other: &Json) -> bool {
        match (self, other) {
            (Json::Null, Json::Null) => true,
            (Json::Bool(own), Json::Bool(other)) => own == other,
            (Json::Text(own), Json::Text(other)) => own == other,
            (Json::Number(own), Json::Number(other)) => {
                let is_integer = |number: &str| !number.contains(['.', 'e', 'E']);
                let to_bits = |number: &str| number.parse::<f64>().map(f64::to_bits).ok();
                own == other || !(is_integer(own) && is_integer(other)) && to_bits(own) == to_bits(other)
            }
            _ => false,
        }
    }
}

fn equals_text(own: &[u16], text: &str) -> bool {
    own.iter().copied().eq(text.encode_utf16())
}

fn print_text(text: &[u16], out: &mut String) {
    out.push('"');
    for unit in text {
        match u8::try_from(*unit).map(char::from) {
            Ok('"') => out.push_str("\\\""),
            Ok('\\') => out.push_str("\\\\"),
            Ok('\n') => out.push_str("\\n"),
            Ok(c) if (' '..='~').contains(&c) => out.push(c),
            _ => drop(write!(out, "\\u{unit:04x}")),
        }
    }
    out.push('"');
}

struct JsonReader<'t> {
    rest: &'t str,
}

impl JsonReader<'_> {
    fn error(&self, problem: &str) -> String {
        format!("{problem} at {:?}", self.rest.chars().take(30).collect::<String>())
    }

    fn skip_whitespace(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\r', '\t']);
    }

    fn consume(&mut self, token: &str) -> bool {
        self.skip_whitespace();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn parse_value(&mut self) -> Result<Json, String> {
        for (word, value) in [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))] {
            if self.consume(word) {
                return Ok(value);
            }
        }
        if self.consume("[") {
            let mut items = Vec::new();
            while !self.consume("]") {
                if !items.is_empty() && !self.consume(",") {
                    return Err(self.error("no comma"));
                }
                items.push(self.parse_value()?);
            }
            return Ok(Json::List(items));
        }
        if self.consume("{") {
            let mut pairs = Vec::new();
            while !self.consume("}") {
                if !pairs.is_empty() && !self.consume(",") {
                    return Err(self.error("no comma"));
                }
                let Json::Text(key) = self.parse_value()? else { return Err(self.error("a key that is not a string")) };
                if !self.consume(":") {
                    return Err(self.error("no colon"));
                }
                pairs.push((key, self.parse_value()?));
            }
            return Ok(Json::Map(pairs));
        }
        if self.consume("\"") {
            return self.parse_text();
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        if number.parse::<f64>().is_err() || !number.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return Err(self.error("no value"));
        }
        self.rest = rest;
        Ok(Json::Number(number.to_owned()))
    }

    fn parse_text(&mut self) -> Result<Json, String> {
        let mut text = Vec::new();
        let mut units = [0; 2];
        let mut chars = self.rest.chars();
        loop {
            match chars.next() {
                Some('"') => break,
                Some('\\') => match chars.next() {
                    Some('u') => {
                        let digits: String = chars.by_ref().take(4).collect();
                        text.push(u16::from_str_radix(&digits, 16).map_err(|_| self.error("an escape that is none"))?);
                    }
                    Some(c) => {
                        let (names, characters) = ("\"\\/bfnrt", "\"\\/\u{8}\u{c}\n\r\t");
                        let position = names.find(c).ok_or_else(|| self.error("an escape that is none"))?;
                        text.extend(characters.chars().nth(position).map(|c| c as u16));
                    }
                    None => return Err(self.error("a text without end")),
                },
                Some(c) if c >= ' ' => text.extend_from_slice(c.encode_utf16(&mut units)),
                _ => return Err(self.error("a text without end")),
            }
        }
        self.rest = chars.as_str();
        Ok(Json::Text(text))
    }
}

#[test]
fn json_is_read_as_it_is_written() {
    let text = r#"{"b":[1,-2.5e3,12345678901234567890],"a":{},"b":"\ud800\u00e9\n\"","c":[null,true,false]}"#;
    let value = Json::parse(text).unwrap();
    assert_eq!(value.to_text(), text);
    assert_eq!(Json::parse("[1.0, 1e2]").unwrap().difference(&Json::parse("[1.00,100.0]").unwrap()), None);
    assert!(value.difference(&Json::parse(&text.replace("890]", "891]")).unwrap()).is_some());
    let order = Json::parse(r#"{"a":1,"b":2}"#).unwrap().difference(&Json::parse(r#"{"b":2,"a":1}"#).unwrap());
    assert_eq!(order.as_deref(), Some(": key \"a\", and \"b\""));
    for invalid in ["", "[1", "[1 2]", "{1:2}", "\"\\x\"", "nan", "[] []", "\"\n\""] {
        assert!(Json::parse(invalid).is_err(), "{invalid}");
    }
}
