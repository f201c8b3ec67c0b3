//! Secrets of Prefect 1: their names, the value that a flow reads from a variable, and the variable from which a flow
//! reads a value unchanged.
//!
//! Prefect evaluates a variable twice as a Python literal and expands `$NAME` and `${...}` in it. `Secret(...).get()`
//! then parses a string as JSON. Errors contain no values.

use indexmap::IndexMap;
use jobplate_diagnostic::{Diagnostic, ProgramName, Result};
use jobplate_manifest::names::{self, ValidationError};

use super::config::string_to_type;
use super::defaults::RESERVED_KEYS;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::string;
use crate::variables::secret_name;

/// Separates the name of a dict from a key in it.
pub const DICT_SEPARATOR: &str = "__";

/// Returns the name of the Prefect secret for a key of a Kubernetes Secret. The key is either this name, or the name
/// of the secret's variable.
///
/// # Errors
/// Fails if Prefect or Kubernetes does not accept the name.
pub fn parse_name(key: &str) -> std::result::Result<&str, ValidationError> {
    let name = secret_name(key).unwrap_or(key);
    names::check_data_key(name)?;
    if name.starts_with("PREFECT__") {
        if secret_name(&format!("{name}{DICT_SEPARATOR}")).is_some() {
            return Err(ValidationError::new("unsupported variable: it sets all secrets in one dict")
                .hint("set each secret with its own variable"));
        }
        return Err(ValidationError::new(format!("{name} is a Prefect setting, not a flow secret")).hint(
            "remove it here, and set it with `" + ProgramName + " render` (--backend, --api, --api-key or --env)",
        ));
    }
    if let Some(method) = reserved_part(name) {
        return Err(ValidationError::new(format!(
            "Prefect cannot start: no setting or secret can be called `{method}`"
        ))
        .hint("choose another name"));
    }
    Ok(name)
}

/// Returns the part of a secret's name with which Prefect does not start, or `None` if each part is allowed.
pub fn reserved_part(name: &str) -> Option<&str> {
    name.split(DICT_SEPARATOR).find(|part| RESERVED_KEYS.contains(part))
}

/// Splits a secret's name into the name of its dict and the rest. Returns `None` if the secret is not in a dict.
pub fn split_dict(name: &str) -> Option<(&str, &str)> {
    name.split_once(DICT_SEPARATOR)
}

/// Returns a note for each dict in which Prefect combines some of the secrets.
pub fn dict_notes<'n>(names: impl Iterator<Item = &'n str>) -> Vec<Diagnostic> {
    let mut dicts: IndexMap<&str, Vec<String>> = IndexMap::new();
    for name in names {
        if let Some((dict, _)) = split_dict(name) {
            dicts.entry(dict).or_default().push(format!("`{name}`"));
        }
    }
    let note = |(dict, names): (&str, Vec<String>)| {
        let text =
            format!("Prefect combines {} into one dict; flows read it with Secret(\"{dict}\")", names.join(", "));
        Diagnostic::info("secret-dict", text)
    };
    dicts.into_iter().map(note).collect()
}

/// Returns the names of the dicts that contain a secret. No other secret can have one of these names.
pub fn enclosing_dicts(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(DICT_SEPARATOR).map(|(at, _)| &name[..at])
}

/// Describes the value that a flow reads instead of the string itself. Returns `None` if the flow reads the string
/// unchanged.
///
/// # Errors
/// Fails if a literal has too many values.
pub fn describe_cast(name: &str, value: &str) -> Result<Option<String>> {
    let mut arena = Arena::default();
    if let Some(read) = cast(&mut arena, value)? {
        // Prefect casts a string twice, so it also evaluates a literal inside a quoted literal.
        let inner = arena.as_str(read).map(str::to_owned);
        let read = inner.map_or(Ok(None), |inner| cast(&mut arena, &inner))?.unwrap_or(read);
        let inner = arena.as_str(read).map(str::to_owned);
        let json = inner.filter(|_| split_dict(name).is_none()).and_then(|inner| json_kind(&inner));
        return Ok(Some(match (json, arena.get(read)) {
            (Some(kind), _) => kind.to_owned(),
            (None, Value::Str(_)) => UNQUOTED.to_owned(),
            (None, Value::None) => NONE.to_owned(),
            (None, Value::Dict(_)) => match reserved_key(&arena, read) {
                Some(key) => format!("{DICT} with the key `{key}`, with which no Prefect can start,"),
                None => DICT.to_owned(),
            },
            (None, _) => arena.describe_kind(read).to_owned(),
        }));
    }
    // A value in a dict is not parsed as JSON, so the flow reads the string unchanged.
    Ok((split_dict(name).is_none()).then(|| json_kind(value)).flatten().map(str::to_owned))
}

/// The description of a string that loses its quotes.
pub const UNQUOTED: &str = "a string without quotes";

const NONE: &str = "None";
const DICT: &str = "a dict";

/// Returns a reserved key of a dict or its nested dicts, or `None` if no key is reserved. Prefect does not start with
/// a reserved key.
fn reserved_key(arena: &Arena, dict: ValueId) -> Option<&'static str> {
    arena.as_dict(dict)?.iter().find_map(|(key, value)| {
        let own = RESERVED_KEYS.iter().find(|reserved| arena.as_str(*key) == Some(**reserved)).copied();
        own.or_else(|| reserved_key(arena, *value))
    })
}

/// Describes the value that a string has as JSON. Returns `None` if the string is not JSON.
fn json_kind(value: &str) -> Option<&'static str> {
    if ["NaN", "Infinity", "-Infinity"].contains(&value.trim_matches([' ', '\t', '\n', '\r'])) {
        return Some("a number");
    }
    match serde_json::from_str(value).ok()? {
        serde_json::Value::Null => Some(NONE),
        serde_json::Value::Bool(_) => Some("a boolean"),
        serde_json::Value::Number(_) => Some("a number"),
        serde_json::Value::String(_) => Some(UNQUOTED),
        serde_json::Value::Array(_) => Some("a list"),
        serde_json::Value::Object(_) => Some(DICT),
    }
}

/// Casts a string like Prefect. Returns `None` if the result is the same string.
fn cast(arena: &mut Arena, value: &str) -> Result<Option<ValueId>> {
    let read = string_to_type(arena, value, None)?;
    Ok((arena.as_str(read) != Some(value)).then_some(read))
}

/// Returns whether Prefect may expand variables, the home directory or settings in a string.
pub fn may_expand(value: &str) -> bool {
    let is_reference = |rest: &str| match rest.strip_prefix('{') {
        Some(braced) => braced.contains('}'),
        None => rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'),
    };
    value.starts_with('~') || value.match_indices('$').any(|(at, _)| is_reference(&value[at + 1..]))
}

/// Returns the value of a variable from which a flow reads exactly this string. Returns `None` if the secret is in a
/// dict and the string contains `${...}`, which Prefect always expands.
pub fn to_string_literal(name: &str, value: &str) -> Option<String> {
    if split_dict(name).is_none() {
        let json = serde_json::Value::from(value).to_string().replace('$', "\\u0024");
        return Some(quote_literal(&quote_literal(&json)));
    }
    // A value in a dict is not parsed as JSON, so the string itself is quoted.
    (!value.contains("${")).then(|| quote_literal(&quote_literal(value)))
}

/// Returns the value of a variable from which a flow reads the same value as from this string in `config.toml`.
/// Prefect casts a string in `config.toml` once, and a variable twice.
///
/// # Errors
/// Fails if a literal has too many values.
pub fn from_config(value: &str) -> Result<String> {
    let mut arena = Arena::default();
    let is_text = cast(&mut arena, value)?.is_some_and(|read| arena.as_str(read).is_some());
    Ok(if is_text { quote_literal(value) } else { value.to_owned() })
}

/// Quotes a string as a Python literal in which Prefect expands no variables or settings.
fn quote_literal(value: &str) -> String {
    let mut arena = Arena::default();
    let id = arena.alloc_str(value);
    to_literal(&arena, id)
}

/// Returns the Python literal of a value, in which Prefect expands no variables or settings.
pub(super) fn to_literal(arena: &Arena, value: ValueId) -> String {
    // Only strings contain a dollar sign, so the escape is always inside quotes.
    string::repr(arena, value).replace('$', "\\x24")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_names_of_secrets() {
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
    fn describes_what_a_flow_reads() {
        for (value, expected) in [
            ("", None),
            ("ghp_abc", None),
            ("0123", None),
            ("a,b", None),
            ("42", Some("a number")),
            (" 5 # c", Some("a number")),
            ("\"42\"", Some("a number")),
            ("1,2", Some("a tuple")),
            ("FALSE", Some("a boolean")),
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
            assert_eq!(describe_cast("A", value).unwrap().as_deref(), expected, "{value}");
        }
        assert_eq!(describe_cast("A__B", "null").unwrap(), None);
        for value in ["p$HOME", "${a.b}", "~/x", "~"] {
            assert!(may_expand(value), "{value}");
        }
        for value in ["p$", "$$", "a~", "${a", "$ a"] {
            assert!(!may_expand(value), "{value}");
        }
    }

    #[test]
    fn quotes_strings_for_variables() {
        assert_eq!(to_string_literal("A", "42").as_deref(), Some(r#"'\'"42"\''"#));
        assert_eq!(to_string_literal("A", "$x").as_deref(), Some(r#"'\'"\\\\u0024x"\''"#));
        assert_eq!(to_string_literal("A__B", "42").as_deref(), Some(r#""'42'""#));
        assert_eq!(to_string_literal("A__B", "${x}"), None);
        assert_eq!(from_config("42").unwrap(), "42");
        assert_eq!(from_config("a'b").unwrap(), "a'b");
        assert_eq!(from_config("'$x'").unwrap(), r#""'\x24x'""#);
    }
}
