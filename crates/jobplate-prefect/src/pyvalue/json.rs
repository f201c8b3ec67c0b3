//! Reads JSON files like Python's `json`, and records the location of each value. Integers can have any size, and the
//! last of duplicate keys sets the value.
//!
//! `jobplate_yaml` provides the locations: JSON is YAML in flow style.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};
use jobplate_yaml::{Document, Node, NodeArena, NodeKind, read};
use num_bigint::BigInt;

use super::arena::{Arena, Value, ValueId};
use super::dict::DictKey;
use super::limits::{LONG_INTEGER, MAX_DIGITS, UNSUPPORTED_HINT};
use super::source::{Location, SourceFile, locate};
use super::yaml::spend_nodes;

/// Reads a file. Returns `None` if [`is_json`] does not accept the file's text.
///
/// # Errors
/// Fails if the file has too many values, or if Python accepts the file and this crate does not: if a string contains
/// half of a surrogate pair, or a character or a key that YAML forbids.
pub(crate) fn load(arena: &mut Arena, source: &Rc<SourceFile>) -> Result<Option<ValueId>> {
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    let start = source.text.len() - text.len();
    if !is_json(text) {
        return Ok(None);
    }
    if let Some(at) = find_lone_surrogate(text) {
        let span = start + at..start + at + SURROGATE_LENGTH;
        let error = Error::refused("a string contains an unpaired surrogate").hint(UNSUPPORTED_HINT);
        return Err(locate(error, Some(&Location { source: Rc::clone(source), span })));
    }
    let mut nodes = NodeArena::default();
    if let Err(unsupported) = read(text, &mut nodes) {
        let from = start + unsupported.offset;
        let length = source.text[from..].chars().next().map_or(0, char::len_utf8);
        let error = Error::refused(format!("unsupported syntax: {}", unsupported.reason)).hint(UNSUPPORTED_HINT);
        return Err(locate(error, Some(&Location { source: Rc::clone(source), span: from..from + length })));
    }
    spend_nodes(arena, &nodes, source)?;
    Ok(Some(JsonConstructor { arena, source: Some(source), start }.value(Document::new(text, &nodes).root())))
}

/// The length of an escape such as `\ud83d`.
const SURROGATE_LENGTH: usize = 6;

/// Returns the offset of the first escape in valid JSON text that is half of a surrogate pair without the other half.
fn find_lone_surrogate(text: &str) -> Option<usize> {
    let unit_at = |at: usize| {
        let digits = text.get(at..at + SURROGATE_LENGTH)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut at = 0;
    while let Some(escape) = text[at..].find('\\') {
        at += escape;
        at += match unit_at(at) {
            Some(0xd800..=0xdbff) => match unit_at(at + SURROGATE_LENGTH) {
                Some(0xdc00..=0xdfff) => 2 * SURROGATE_LENGTH,
                _ => return Some(at),
            },
            Some(0xdc00..=0xdfff) => return Some(at),
            // The character after the backslash can be another backslash, which does not start an escape.
            _ => 2,
        };
    }
    None
}

/// Returns the error in a file that starts like JSON, and the location of the error. Returns `None` like
/// [`find_problem`].
pub(crate) fn find_error(source: &Rc<SourceFile>) -> Option<(String, Location)> {
    let (problem, span) = find_problem(&source.text)?;
    Some((problem, Location { source: Rc::clone(source), span }))
}

/// Returns the error in text that starts like JSON, and the byte range of the error. Returns `None` if the text does not
/// start like JSON, or if it can be valid JSON in Python or a valid YAML stream.
pub fn find_problem(source: &str) -> Option<(String, Range<usize>)> {
    let text = source.trim_start_matches('\u{feff}');
    let start = source.len() - text.len();
    let first = text.trim_start().strip_prefix('{')?.trim_start();
    if !first.is_empty() && !first.starts_with(['"', '}']) {
        return None;
    }
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    let line = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    let at = text.floor_char_boundary(line + error.column().saturating_sub(1));
    // Neither case is an error: more documents can follow in a YAML stream, and Python's `json` accepts these numbers.
    let is_stream = text[at..].starts_with("---");
    let is_number = ["NaN", "Infinity", "-Infinity"].iter().any(|number| text[at..].starts_with(number));
    let reason = error.to_string();
    let problem = match &text[at..] {
        rest if rest.starts_with(['#', '/']) => "comments are not allowed",
        rest if rest.starts_with(['}', ']']) => "trailing comma",
        _ if error.is_eof() => "unexpected end of the file",
        _ => reason.split(" at line ").next().unwrap_or_default(),
    };
    let problem = problem.to_owned();
    let span = start + at..(start + at + 1).min(source.len());
    (!is_stream && !is_number).then_some((problem, span))
}

/// Returns an error for a file that starts like JSON but is invalid, or `None` if [`find_error`] finds no error.
pub(crate) fn invalid_json(source: &Rc<SourceFile>) -> Option<Error> {
    let (problem, location) = find_error(source)?;
    Some(locate(
        Error::input(format!("invalid JSON: {problem}"))
            .hint("correct this line: a file that begins with `{` must be JSON"),
        Some(&location),
    ))
}

/// The maximum depth of nested lists and mappings. `jobplate_yaml` has the same limit.
const MAX_DEPTH: usize = 250;

/// Returns whether `text` is a JSON list or object that is not nested deeper than [`MAX_DEPTH`].
pub(crate) fn is_json(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}');
    text.trim_start().starts_with(['{', '['])
        && depth(text) <= MAX_DEPTH
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Returns the maximum depth of nested lists and objects in JSON text.
pub(super) fn depth(text: &str) -> usize {
    let (mut depth, mut max, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                max = max.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    max
}

/// Constructs values from the YAML nodes of a JSON file.
struct JsonConstructor<'h> {
    arena: &'h mut Arena,
    /// The file of the locations. `None` if the values have none.
    source: Option<&'h Rc<SourceFile>>,
    start: usize,
}

impl JsonConstructor<'_> {
    fn alloc(&mut self, node: Node<'_>, data: Value) -> ValueId {
        let span = node.span();
        let span = self.start + span.start..self.start + span.end;
        let location = self.source.map(|source| Location { source: Rc::clone(source), span });
        self.arena.alloc(data, location)
    }

    fn value(&mut self, node: Node<'_>) -> ValueId {
        match node.kind() {
            NodeKind::Map => {
                let pairs: Vec<_> = node.entries().map(|(key, value)| (self.value(key), self.value(value))).collect();
                self.record_duplicates(&pairs);
                let dict = self.arena.new_dict(pairs);
                self.alloc(node, dict)
            }
            NodeKind::Seq => {
                let items = node.items().map(|item| self.value(item)).collect();
                self.alloc(node, Value::List(items))
            }
            _ => {
                let data = scalar(node.raw());
                self.alloc(node, data)
            }
        }
    }

    fn record_duplicates(&mut self, pairs: &[(ValueId, ValueId)]) {
        let mut last: HashMap<DictKey, ValueId> = HashMap::new();
        for (key, _) in pairs {
            let Some(dropped) = last.insert(self.arena.dict_key(*key), *key) else { continue };
            let location = |id: ValueId| self.arena.location(id).cloned();
            if let (Some(dropped), Some(key_location)) = (location(dropped), location(*key)) {
                let name = self.arena.as_str(*key).map(str::to_owned);
                self.arena.duplicate_keys.record(name.as_deref(), dropped, key_location);
            }
        }
    }
}

/// Parses a scalar of valid JSON.
fn scalar(raw: &str) -> Value {
    match raw {
        "null" => Value::None,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        raw if raw.starts_with('"') => Value::Str(serde_json::from_str(raw).unwrap_or_default()),
        raw if raw.trim_start_matches('-').len() > MAX_DIGITS
            && raw.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') =>
        {
            Value::Unsupported(LONG_INTEGER)
        }
        raw => match raw.parse::<BigInt>() {
            Ok(raw) => Value::Int(raw),
            // Like in Python, a float that overflows is infinity.
            Err(_) => Value::Float(raw.parse().unwrap_or(f64::NAN)),
        },
    }
}

/// Constructs a value without a location from JSON of this crate. Text of a user would need a limit.
pub(crate) fn construct_without_locations(arena: &mut Arena, text: &str) -> ValueId {
    let mut nodes = NodeArena::default();
    if read(text, &mut nodes).is_err() {
        return arena.alloc(Value::None, None);
    }
    JsonConstructor { arena, source: None, start: 0 }.value(Document::new(text, &nodes).root())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pyvalue::string;

    #[test]
    fn refuses_half_of_a_surrogate_pair() {
        for (json, offset) in [
            (r#"{"a": "\ud83dx"}"#, Some(7)),
            (r#"{"\ude00": 1}"#, Some(2)),
            (r#"["\\\uD83D\u0041"]"#, Some(4)),
            (r#"["\ud83d\ud83d\ude00"]"#, Some(2)),
            (r#"["\ud83d\ude00", "\\ud83d", "\n\u00e9"]"#, None),
        ] {
            assert_eq!(find_lone_surrogate(json), offset, "{json}");
            let source = SourceFile::new_manifest("t", json);
            assert_eq!(load(&mut Arena::default(), &source).is_err(), offset.is_some(), "{json}");
        }
    }

    #[test]
    fn refuses_characters_that_yaml_forbids() {
        for json in ["{\"a\": \"\u{7f}\"}", "\u{feff}[\"é\u{7f}\"]"] {
            let error = load(&mut Arena::default(), &SourceFile::new_manifest("t", json)).unwrap_err();
            assert_eq!(error.message(), "unsupported syntax: a control character", "{json:?}");
        }
    }

    #[test]
    fn counts_the_digits_of_an_integer_without_its_sign() {
        let is_supported = |text: String| !matches!(scalar(&text), Value::Unsupported(_));
        let digits = |count: usize| "9".repeat(count);
        assert!(is_supported(format!("-{}", digits(MAX_DIGITS))) && is_supported(digits(MAX_DIGITS)));
        assert!(!is_supported(format!("-{}", digits(MAX_DIGITS + 1))) && !is_supported(digits(MAX_DIGITS + 1)));
    }

    #[test]
    fn reads_json_like_python() {
        for (json, expected) in [
            (r#"{"b": 1, "a": 1e5, "b": -0.0}"#, "{'b': -0.0, 'a': 100000.0}"),
            (
                r#"{"n": 12345678901234567890123, "t": "\u00e9\/", "x": [null, true]}"#,
                r"{'n': 12345678901234567890123, 't': 'é/', 'x': [None, True]}",
            ),
            (r#"{"z": "\ud83d\ude00", "a": {"y": 1, "b": [2]}}"#, "{'z': '😀', 'a': {'y': 1, 'b': [2]}}"),
            ("{\n\t\"a\": 1\n}", "{'a': 1}"),
        ] {
            let mut arena = Arena::default();
            let root = load(&mut arena, &SourceFile::new_manifest("t", json)).unwrap().unwrap();
            assert_eq!(string::repr(&arena, root), expected, "{json}");
        }
        assert!(!is_json("{a: b}") && !is_json("1"));
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_json(&nested(MAX_DEPTH)) && !is_json(&nested(MAX_DEPTH + 1)) && !is_json(&nested(1_000_000)));
        assert!(is_json(r#"["\"[[", "]"]"#));
    }
}
