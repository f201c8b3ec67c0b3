//! The secrets of Prefect 1: their names, what a flow gets for a text in their variables, and which text makes a
//! flow get what it should.
//!
//! Prefect reads a variable as a Python literal, twice, puts variables and settings into it where it has `$NAME` or
//! `${...}`, and `Secret(...).get()` reads what is then still a text as JSON. Knows nothing of files and flags; no
//! fault holds a value.

use jobplate_diagnostic::ProgramName;
use jobplate_manifest::names::{self, ValidationError};

use super::config::string_to_type;
use super::defaults::RESERVED;
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::text;
use crate::variables::secret_name;

/// Between the name of a dict and the name of a value in it.
pub const NESTS: &str = "__";

/// The secret that a key names: by Prefect's name for it, or by that of its variable. It can be a key of a
/// Kubernetes Secret, too.
///
/// # Errors
/// Returns what is wrong with a name that Prefect or Kubernetes does not accept.
pub fn name(key: &str) -> Result<&str, ValidationError> {
    let name = secret_name(key).unwrap_or(key);
    names::check_data_key(name)?;
    if name.starts_with("PREFECT__") {
        if secret_name(&format!("{name}{NESTS}")).is_some() {
            return Err(
                ValidationError::new("this is a dict of all secrets").hint("give each secret a variable of its own")
            );
        }
        return Err(ValidationError::new(format!("{name} is a setting of Prefect's, and no secret of a flow"))
            .hint("leave it out; settings are for `" + ProgramName + " render`: --backend, --api, --api-key, --env"));
    }
    if let Some(method) = name.split(NESTS).find(|part| RESERVED.contains(part)) {
        return Err(ValidationError::new(format!(
            "Prefect can't start: no setting or secret can be called `{method}`"
        ))
        .hint("choose another name"));
    }
    Ok(name)
}

/// The dict that a name says it is in, and the rest of it.
pub fn nested(name: &str) -> Option<(&str, &str)> {
    name.split_once(NESTS)
}

/// The dicts that a name leads through: no value can have the name of one.
pub fn dicts_around(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(NESTS).map(|(at, _)| &name[..at])
}

/// What a flow gets that is not the text itself.
pub fn becomes(name: &str, value: &str) -> Option<String> {
    let mut heap = Heap::default();
    if let Some(read) = cast(&mut heap, value) {
        // A text that loses its quotes is read once more.
        let inner = heap.str(read).map(str::to_owned);
        let read = inner.and_then(|inner| cast(&mut heap, &inner)).unwrap_or(read);
        let inner = heap.str(read).map(str::to_owned);
        let json = inner.filter(|_| nested(name).is_none()).and_then(|inner| json_kind(&inner));
        return Some(match (json, heap.get(read)) {
            (Some(kind), _) => kind.to_owned(),
            (None, Data::Str(_)) => UNQUOTED.to_owned(),
            (None, Data::None) => NONE.to_owned(),
            (None, Data::Dict(_)) => match reserved_key(&heap, read) {
                Some(key) => format!("{DICT} with the key `{key}`, with which no Prefect can start,"),
                None => DICT.to_owned(),
            },
            (None, _) => heap.kind(read).to_owned(),
        });
    }
    // Only what is at the top is read as JSON.
    (nested(name).is_none()).then(|| json_kind(value)).flatten().map(str::to_owned)
}

/// What becomes of a text in quotes.
pub const UNQUOTED: &str = "a text without quotes";

const NONE: &str = "None";
const DICT: &str = "a dict";

/// A key of a dict, or of one in it, that ends Prefect at its start.
fn reserved_key(heap: &Heap, dict: Id) -> Option<&'static str> {
    heap.dict(dict)?.iter().find_map(|(key, value)| {
        let own = RESERVED.iter().find(|reserved| heap.str(*key) == Some(**reserved)).copied();
        own.or_else(|| reserved_key(heap, *value))
    })
}

/// What JSON reads that Python does not, or reads as a text.
fn json_kind(value: &str) -> Option<&'static str> {
    if ["NaN", "Infinity", "-Infinity"].contains(&value.trim_matches([' ', '\t', '\n', '\r'])) {
        return Some("a number");
    }
    match serde_json::from_str(value).ok()? {
        serde_json::Value::Null => Some(NONE),
        serde_json::Value::Bool(_) => Some("true or false"),
        serde_json::Value::Number(_) => Some("a number"),
        serde_json::Value::String(_) => Some(UNQUOTED),
        serde_json::Value::Array(_) => Some("a list"),
        serde_json::Value::Object(_) => Some(DICT),
    }
}

/// What Prefect reads a text as, where that is not the same text.
fn cast(heap: &mut Heap, value: &str) -> Option<Id> {
    let read = string_to_type(heap, value, None);
    (heap.str(read) != Some(value)).then_some(read)
}

/// Whether variables, a home folder or settings may take the place of parts of a text.
pub fn expands(value: &str) -> bool {
    let refers = |rest: &str| match rest.strip_prefix('{') {
        Some(braced) => braced.contains('}'),
        None => rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'),
    };
    value.starts_with('~') || value.match_indices('$').any(|(at, _)| refers(&value[at + 1..]))
}

/// The text that a variable must have for a flow to get this one, whatever it looks like; none for a part of a dict
/// in which settings would take the place of `${...}`.
pub fn as_text(name: &str, value: &str) -> Option<String> {
    if nested(name).is_none() {
        let json = serde_json::Value::from(value).to_string().replace('$', "\\u0024");
        return Some(literal_of(&literal_of(&json)));
    }
    // What is in a dict is not read as JSON.
    (!value.contains("${")).then(|| literal_of(&literal_of(value)))
}

/// The text that a variable must have for a flow to get what it gets for this one in `config.toml`, where it is read
/// as a literal once, not twice.
pub fn of_config(value: &str) -> String {
    let mut heap = Heap::default();
    let is_text = cast(&mut heap, value).is_some_and(|read| heap.str(read).is_some());
    if is_text { literal_of(value) } else { value.to_owned() }
}

/// A text as a Python literal in which no variable is put.
fn literal_of(value: &str) -> String {
    let mut heap = Heap::default();
    let id = heap.text(value);
    literal(&heap, id)
}

/// The same for any value that has a literal.
pub(super) fn literal(heap: &Heap, value: Id) -> String {
    // A dollar sign stands in texts only.
    text::repr(heap, value).replace('$', "\\x24")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for (key, expected) in [
            ("TOKEN", "TOKEN"),
            ("PREFECT__CONTEXT__SECRETS__TOKEN", "TOKEN"),
            ("PREFECT__CONTEXT__SECRETS__A__b", "A__b"),
            ("a.b-C", "a.b-C"),
            ("KEYS", "KEYS"),
        ] {
            assert_eq!(name(key).ok(), Some(expected));
        }
        for key in ["", "a b", "PREFECT__CONTEXT__SECRETS__", "PREFECT__BACKEND", "keys", "A__items", "é"] {
            assert!(name(key).is_err(), "{key}");
        }
        assert_eq!(dicts_around("A__b__C").collect::<Vec<_>>(), ["A", "A__b"]);
    }

    #[test]
    fn what_a_flow_gets() {
        for (value, expected) in [
            ("", None),
            ("ghp_abc", None),
            ("0123", None),
            ("a,b", None),
            ("42", Some("a number")),
            (" 5 # c", Some("a number")),
            ("\"42\"", Some("a number")),
            ("1,2", Some("a tuple")),
            ("FALSE", Some("true or false")),
            ("None", Some("None")),
            ("null", Some("None")),
            ("NaN", Some("a number")),
            ("'x'", Some(UNQUOTED)),
            ("{\"a\": 1}", Some("a dict")),
            ("{\"a\": {\"keys\": 1}}", Some("a dict with the key `keys`, with which no Prefect can start,")),
            ("{\"a\": true}", Some("a dict")),
            ("'{\"a\": true}'", Some("a dict")),
            ("[1]", Some("a list")),
            ("[null]", Some("a list")),
            ("b'x'", Some("binary data")),
        ] {
            assert_eq!(becomes("A", value).as_deref(), expected, "{value}");
        }
        assert_eq!(becomes("A__B", "null"), None);
        for value in ["p$HOME", "${a.b}", "~/x", "~"] {
            assert!(expands(value), "{value}");
        }
        for value in ["p$", "$$", "a~", "${a", "$ a"] {
            assert!(!expands(value), "{value}");
        }
    }

    #[test]
    fn texts_for_variables() {
        assert_eq!(as_text("A", "42").as_deref(), Some(r#"'\'"42"\''"#));
        assert_eq!(as_text("A", "$x").as_deref(), Some(r#"'\'"\\\\u0024x"\''"#));
        assert_eq!(as_text("A__B", "42").as_deref(), Some(r#""'42'""#));
        assert_eq!(as_text("A__B", "${x}"), None);
        assert_eq!(of_config("42"), "42");
        assert_eq!(of_config("a'b"), "a'b");
        assert_eq!(of_config("'$x'"), r#""'\x24x'""#);
    }
}
