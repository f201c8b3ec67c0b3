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
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::string;
use crate::variables::secret_name;

/// Between the name of a dict and the name of a value in it.
pub const DICT_SEPARATOR: &str = "__";

/// The secret that a key names: by Prefect's name for it, or by that of its variable. It can be a key of a
/// Kubernetes Secret, too.
///
/// # Errors
/// Returns what is wrong with a name that Prefect or Kubernetes does not accept.
pub fn parse_name(key: &str) -> Result<&str, ValidationError> {
    let name = secret_name(key).unwrap_or(key);
    names::check_data_key(name)?;
    if name.starts_with("PREFECT__") {
        if secret_name(&format!("{name}{DICT_SEPARATOR}")).is_some() {
            return Err(
                ValidationError::new("this is a dict of all secrets").hint("give each secret a variable of its own")
            );
        }
        return Err(ValidationError::new(format!("{name} is a setting of Prefect's, and no secret of a flow"))
            .hint("leave it out; settings are for `" + ProgramName + " render`: --backend, --api, --api-key, --env"));
    }
    if let Some(method) = name.split(DICT_SEPARATOR).find(|part| RESERVED.contains(part)) {
        return Err(ValidationError::new(format!(
            "Prefect can't start: no setting or secret can be called `{method}`"
        ))
        .hint("choose another name"));
    }
    Ok(name)
}

/// The dict that a name says it is in, and the rest of it.
pub fn split_dict(name: &str) -> Option<(&str, &str)> {
    name.split_once(DICT_SEPARATOR)
}

/// The dicts that a name leads through: no value can have the name of one.
pub fn enclosing_dicts(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(DICT_SEPARATOR).map(|(at, _)| &name[..at])
}

/// What a flow gets that is not the text itself.
pub fn describe_cast(name: &str, value: &str) -> Option<String> {
    let mut arena = Arena::default();
    if let Some(read) = cast(&mut arena, value) {
        // A text that loses its quotes is read once more.
        let inner = arena.as_str(read).map(str::to_owned);
        let read = inner.and_then(|inner| cast(&mut arena, &inner)).unwrap_or(read);
        let inner = arena.as_str(read).map(str::to_owned);
        let json = inner.filter(|_| split_dict(name).is_none()).and_then(|inner| json_kind(&inner));
        return Some(match (json, arena.get(read)) {
            (Some(kind), _) => kind.to_owned(),
            (None, Value::Str(_)) => UNQUOTED.to_owned(),
            (None, Value::None) => NONE.to_owned(),
            (None, Value::Dict(_)) => match reserved_key(&arena, read) {
                Some(key) => format!("{DICT} with the key `{key}`, with which no Prefect can start,"),
                None => DICT.to_owned(),
            },
            (None, _) => arena.describe_kind(read).to_owned(),
        });
    }
    // Only what is at the top is read as JSON.
    (split_dict(name).is_none()).then(|| json_kind(value)).flatten().map(str::to_owned)
}

/// What becomes of a text in quotes.
pub const UNQUOTED: &str = "a text without quotes";

const NONE: &str = "None";
const DICT: &str = "a dict";

/// A key of a dict, or of one in it, that ends Prefect at its start.
fn reserved_key(arena: &Arena, dict: ValueId) -> Option<&'static str> {
    arena.as_dict(dict)?.iter().find_map(|(key, value)| {
        let own = RESERVED.iter().find(|reserved| arena.as_str(*key) == Some(**reserved)).copied();
        own.or_else(|| reserved_key(arena, *value))
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
fn cast(arena: &mut Arena, value: &str) -> Option<ValueId> {
    let read = string_to_type(arena, value, None);
    (arena.as_str(read) != Some(value)).then_some(read)
}

/// Whether variables, a home folder or settings may take the place of parts of a text.
pub fn may_expand(value: &str) -> bool {
    let refers = |rest: &str| match rest.strip_prefix('{') {
        Some(braced) => braced.contains('}'),
        None => rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'),
    };
    value.starts_with('~') || value.match_indices('$').any(|(at, _)| refers(&value[at + 1..]))
}

/// The text that a variable must have for a flow to get this one, whatever it looks like; none for a part of a dict
/// in which settings would take the place of `${...}`.
pub fn to_string_literal(name: &str, value: &str) -> Option<String> {
    if split_dict(name).is_none() {
        let json = serde_json::Value::from(value).to_string().replace('$', "\\u0024");
        return Some(quote_literal(&quote_literal(&json)));
    }
    // What is in a dict is not read as JSON.
    (!value.contains("${")).then(|| quote_literal(&quote_literal(value)))
}

/// The text that a variable must have for a flow to get what it gets for this one in `config.toml`, where it is read
/// as a literal once, not twice.
pub fn from_config(value: &str) -> String {
    let mut arena = Arena::default();
    let is_text = cast(&mut arena, value).is_some_and(|read| arena.as_str(read).is_some());
    if is_text { quote_literal(value) } else { value.to_owned() }
}

/// A text as a Python literal in which no variable is put.
fn quote_literal(value: &str) -> String {
    let mut arena = Arena::default();
    let id = arena.alloc_str(value);
    to_literal(&arena, id)
}

/// The same for any value that has a literal.
pub(super) fn to_literal(arena: &Arena, value: ValueId) -> String {
    // A dollar sign stands in texts only.
    string::repr(arena, value).replace('$', "\\x24")
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
            assert_eq!(parse_name(key).ok(), Some(expected));
        }
        for key in ["", "a b", "PREFECT__CONTEXT__SECRETS__", "PREFECT__BACKEND", "keys", "A__items", "é"] {
            assert!(parse_name(key).is_err(), "{key}");
        }
        assert_eq!(enclosing_dicts("A__b__C").collect::<Vec<_>>(), ["A", "A__b"]);
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
            assert_eq!(describe_cast("A", value).as_deref(), expected, "{value}");
        }
        assert_eq!(describe_cast("A__B", "null"), None);
        for value in ["p$HOME", "${a.b}", "~/x", "~"] {
            assert!(may_expand(value), "{value}");
        }
        for value in ["p$", "$$", "a~", "${a", "$ a"] {
            assert!(!may_expand(value), "{value}");
        }
    }

    #[test]
    fn texts_for_variables() {
        assert_eq!(to_string_literal("A", "42").as_deref(), Some(r#"'\'"42"\''"#));
        assert_eq!(to_string_literal("A", "$x").as_deref(), Some(r#"'\'"\\\\u0024x"\''"#));
        assert_eq!(to_string_literal("A__B", "42").as_deref(), Some(r#""'42'""#));
        assert_eq!(to_string_literal("A__B", "${x}"), None);
        assert_eq!(from_config("42"), "42");
        assert_eq!(from_config("a'b"), "a'b");
        assert_eq!(from_config("'$x'"), r#""'\x24x'""#);
    }
}
