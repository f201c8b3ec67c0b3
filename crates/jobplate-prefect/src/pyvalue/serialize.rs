//! Values as Kubernetes' Python client sends them: JSON. Dates become text, keys become text.

use jobplate_diagnostic::{Error, Result};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};

use super::arena::{Arena, Value, ValueId};
use super::limits::UNSUPPORTED_HINT;
use super::literal::UNSUPPORTED_ESCAPE;
use super::source::locate;
use super::string;

/// Lists and mappings within one another that can be sent; Python itself gives up before a thousand.
const DEPTH: usize = 200;

/// Values in one: more than any object may hold, which is 1.5 MiB (etcd's own limit).
pub const MAX_VALUES: usize = 1_000_000;

/// A value that can be sent.
#[derive(Clone, Copy, Debug)]
pub struct Serializable<'h> {
    arena: &'h Arena,
    id: ValueId,
}

/// Checks that a value can be sent.
///
/// # Errors
/// Fails, with its place, at what JSON does not have.
pub fn check_serializable(arena: &Arena, id: ValueId) -> Result<Serializable<'_>> {
    if arena.exceeds_size(id, MAX_VALUES) {
        return Err(locate(Error::input("aliases make this larger than any object can be"), arena.location(id)));
    }
    check_value(arena, id, DEPTH)?;
    Ok(Serializable { arena, id })
}

fn check_value(arena: &Arena, id: ValueId, depth: usize) -> Result<()> {
    let cant = |what: &str| {
        let error = Error::input(format!("{what} can't be sent to Kubernetes"));
        Err(locate(error.hint("Prefect itself fails here: put text in quotes"), arena.location(id)))
    };
    let Some(depth) = depth.checked_sub(1) else { return cant("a value nested that deep") };
    match arena.get(id) {
        Value::Float(float) if !float.is_finite() => cant("a number that is none (`.nan`, `.inf`)"),
        Value::Unsupported(UNSUPPORTED_ESCAPE) => Err(locate(
            Error::refused(format!("{UNSUPPORTED_ESCAPE}, stands here")).hint(UNSUPPORTED_HINT),
            arena.location(id),
        )),
        Value::Bytes(_) | Value::Set(_) | Value::Complex(..) | Value::Ellipsis | Value::Unsupported(_) => {
            cant(arena.describe_kind(id))
        }
        Value::List(items) | Value::Tuple(items) => items.iter().try_for_each(|item| check_value(arena, *item, depth)),
        Value::Dict(pairs) => pairs.iter().try_for_each(|(key, value)| match json_key(arena, *key) {
            Some(_) => check_value(arena, *value, depth),
            None => Err(locate(
                Error::input(format!("{} as a key can't be sent to Kubernetes", arena.describe_kind(*key)))
                    .hint("Prefect itself fails here: put the key in quotes"),
                arena.location(*key),
            )),
        }),
        _ => Ok(()),
    }
}

/// A key as JSON has it.
pub fn json_key(arena: &Arena, key: ValueId) -> Option<String> {
    Some(match arena.get(key) {
        Value::Str(text) | Value::Unknown(text) => text.clone(),
        Value::None => "null".to_owned(),
        Value::Bool(is) => is.to_string(),
        Value::Int(_) => string::str(arena, key),
        Value::Float(float) if float.is_finite() => string::str(arena, key),
        _ => return None,
    })
}

impl Serializable<'_> {
    fn child(&self, id: ValueId) -> Self {
        Serializable { arena: self.arena, id }
    }
}

impl Serialize for Serializable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self.arena.get(self.id) {
            Value::None => serializer.serialize_unit(),
            Value::Bool(is) => serializer.serialize_bool(*is),
            // Of any size: its digits are the JSON.
            Value::Int(whole) => serde_json::value::RawValue::from_string(whole.to_string())
                .map_err(S::Error::custom)?
                .serialize(serializer),
            Value::Float(float) => serializer.serialize_f64(*float),
            Value::Str(text) | Value::Unknown(text) => serializer.serialize_str(text),
            Value::Timestamp(time) => serializer.serialize_str(&time.isoformat()),
            Value::List(items) | Value::Tuple(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| seq.serialize_element(&self.child(*item)))?;
                seq.end()
            }
            Value::Dict(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    map.serialize_entry(&json_key(self.arena, *key).unwrap_or_default(), &self.child(*value))?;
                }
                map.end()
            }
            _ => Err(S::Error::custom("not checked")),
        }
    }
}

/// The JSON of a value, over several lines, with a line feed at its end.
pub fn to_json(value: Serializable<'_>) -> String {
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.push('\n');
    text
}

/// The YAML of a value: block style, texts double-quoted as everything that jobplate writes.
pub fn to_yaml(value: Serializable<'_>) -> String {
    let mut out = String::new();
    match value.arena.get(value.id) {
        Value::Dict(pairs) if !pairs.is_empty() => mapping(value.arena, pairs, 0, &mut out),
        Value::List(items) if !items.is_empty() => sequence(value.arena, items, 0, &mut out),
        _ => {
            scalar(value.arena, value.id, false, &mut out);
            out.push('\n');
        }
    }
    out
}

fn mapping(arena: &Arena, pairs: &[(ValueId, ValueId)], indent: usize, out: &mut String) {
    for (position, (key, value)) in pairs.iter().enumerate() {
        if position > 0 {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(&jobplate_yaml::quote_name(&json_key(arena, *key).unwrap_or_default()));
        out.push(':');
        // Whatever names something reads better without quotes; env values keep them.
        let bare = arena.as_str(*key) != Some("value");
        match arena.get(*value) {
            Value::Dict(pairs) if !pairs.is_empty() => {
                out.push('\n');
                out.push_str(&" ".repeat(indent + 2));
                mapping(arena, pairs, indent + 2, out);
            }
            Value::List(items) | Value::Tuple(items) if !items.is_empty() => {
                out.push('\n');
                out.push_str(&" ".repeat(indent));
                sequence(arena, items, indent, out);
            }
            _ => {
                out.push(' ');
                scalar(arena, *value, bare, out);
                out.push('\n');
            }
        }
    }
}

fn sequence(arena: &Arena, items: &[ValueId], indent: usize, out: &mut String) {
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str("- ");
        match arena.get(*item) {
            Value::Dict(pairs) if !pairs.is_empty() => mapping(arena, pairs, indent + 2, out),
            Value::List(items) | Value::Tuple(items) if !items.is_empty() => sequence(arena, items, indent + 2, out),
            _ => {
                scalar(arena, *item, true, out);
                out.push('\n');
            }
        }
    }
}

fn scalar(arena: &Arena, id: ValueId, bare: bool, out: &mut String) {
    match arena.get(id) {
        Value::None => out.push_str("null"),
        Value::Bool(is) => out.push_str(if *is { "true" } else { "false" }),
        Value::Int(whole) => out.push_str(&whole.to_string()),
        // A point, or YAML 1.1 takes `1e+16` for text.
        Value::Float(float) => match string::repr_float(*float).split_once('e') {
            Some((digits, exponent)) if !digits.contains('.') => out.push_str(&format!("{digits}.0e{exponent}")),
            _ => out.push_str(&string::repr_float(*float)),
        },
        Value::Dict(_) => out.push_str("{}"),
        Value::List(_) | Value::Tuple(_) => out.push_str("[]"),
        Value::Timestamp(time) => out.push_str(&jobplate_yaml::quote_double(&time.isoformat())),
        Value::Str(text) | Value::Unknown(text) if bare => out.push_str(&jobplate_yaml::quote_name(text)),
        Value::Str(text) | Value::Unknown(text) => out.push_str(&jobplate_yaml::quote_double(text)),
        _ => {}
    }
}
