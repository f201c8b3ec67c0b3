//! Serializes values like Kubernetes' Python client: as JSON, with dates and keys as strings.

use jobplate_diagnostic::{Error, Result};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};

use super::arena::{Arena, Value, ValueId};
use super::limits::{Budget, UNSUPPORTED_HINT};
use super::literal::strings::UNSUPPORTED_ESCAPE;
use super::source::locate;
use super::string;

/// The maximum depth of nested lists and mappings. Python reaches its recursion limit at a depth below 1000.
const MAX_DEPTH: usize = 200;

/// A value that [`check_serializable`] accepts.
#[derive(Clone, Copy, Debug)]
pub struct Serializable<'h> {
    arena: &'h Arena,
    id: ValueId,
}

/// Checks that a value can be serialized.
///
/// # Errors
/// Fails if the value contains a value that JSON cannot represent, or if it is too large or nested too deeply. The
/// error points to the invalid part.
pub fn check_serializable(arena: &Arena, id: ValueId) -> Result<Serializable<'_>> {
    arena.check_size(id, "the object")?;
    check_value(arena, id, MAX_DEPTH, &mut Budget::default())?;
    Ok(Serializable { arena, id })
}

/// Checks a value at `MAX_DEPTH - depth` levels. The budget pays for the indentation of its line.
fn check_value(arena: &Arena, id: ValueId, depth: usize, budget: &mut Budget) -> Result<()> {
    let refuse = |subject: &str| {
        let error = Error::input(format!("{subject} cannot be sent to Kubernetes"));
        Err(locate(error.hint("replace it with a quoted string: Prefect fails here too"), arena.location(id)))
    };
    let Some(depth) = depth.checked_sub(1) else { return refuse("a value nested this deeply") };
    let indentation = 2 * (MAX_DEPTH - depth);
    budget.spend_bytes(indentation, "the object").map_err(|error| locate(error, arena.location(id)))?;
    match arena.get(id) {
        Value::Float(float) if !float.is_finite() => refuse("`.nan` or `.inf`"),
        Value::Unsupported(UNSUPPORTED_ESCAPE) => Err(locate(
            Error::refused(format!("unsupported syntax: {UNSUPPORTED_ESCAPE}")).hint(UNSUPPORTED_HINT),
            arena.location(id),
        )),
        Value::Bytes(_) | Value::Set(_) | Value::Complex(..) | Value::Ellipsis | Value::Unsupported(_) => {
            refuse(arena.describe_kind(id))
        }
        Value::List(items) | Value::Tuple(items) => {
            items.iter().try_for_each(|item| check_value(arena, *item, depth, budget))
        }
        Value::Dict(pairs) => pairs.iter().try_for_each(|(key, value)| match json_key(arena, *key) {
            Some(_) => check_value(arena, *value, depth, budget),
            None => Err(locate(
                Error::input(format!("{} as a key cannot be sent to Kubernetes", arena.describe_kind(*key)))
                    .hint("put the key in quotes: Prefect fails here too"),
                arena.location(*key),
            )),
        }),
        _ => Ok(()),
    }
}

/// Converts a dictionary key to a JSON key. Returns `None` if the key cannot be sent to Kubernetes.
pub fn json_key(arena: &Arena, key: ValueId) -> Option<String> {
    Some(match arena.get(key) {
        Value::Str(text) | Value::Unknown(text) => text.clone(),
        Value::None => "null".to_owned(),
        Value::Bool(boolean) => boolean.to_string(),
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
            Value::Bool(boolean) => serializer.serialize_bool(*boolean),
            // serde does not support integers of more than 128 bits, so integers are serialized as raw JSON.
            Value::Int(integer) => serde_json::value::RawValue::from_string(integer.to_string())
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

/// Formats a value as indented JSON with a final line feed.
pub fn to_json(value: Serializable<'_>) -> String {
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.push('\n');
    text
}

/// Formats a mapping as YAML in block style. Quotes the strings under the key `value`, and other strings if they need
/// quotes.
pub fn to_yaml(value: Serializable<'_>) -> String {
    let mut out = String::new();
    write_mapping(value.arena, value.arena.as_dict(value.id).unwrap_or_default(), 0, &mut out);
    out
}

fn write_mapping(arena: &Arena, pairs: &[(ValueId, ValueId)], indent: usize, out: &mut String) {
    for (position, (key, value)) in pairs.iter().enumerate() {
        if position > 0 {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(&jobplate_yaml::quote_name(&json_key(arena, *key).unwrap_or_default()));
        out.push(':');
        // A string under the key `value`, such as the value of a variable, is always quoted. Other strings are more
        // readable without quotes.
        let may_be_plain = arena.as_str(*key) != Some("value");
        match arena.get(*value) {
            Value::Dict(pairs) if !pairs.is_empty() => {
                out.push('\n');
                out.push_str(&" ".repeat(indent + 2));
                write_mapping(arena, pairs, indent + 2, out);
            }
            Value::List(items) | Value::Tuple(items) if !items.is_empty() => {
                out.push('\n');
                out.push_str(&" ".repeat(indent));
                write_sequence(arena, items, indent, out);
            }
            _ => {
                out.push(' ');
                write_scalar(arena, *value, may_be_plain, out);
                out.push('\n');
            }
        }
    }
}

fn write_sequence(arena: &Arena, items: &[ValueId], indent: usize, out: &mut String) {
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str("- ");
        match arena.get(*item) {
            Value::Dict(pairs) if !pairs.is_empty() => write_mapping(arena, pairs, indent + 2, out),
            Value::List(items) | Value::Tuple(items) if !items.is_empty() => {
                write_sequence(arena, items, indent + 2, out)
            }
            _ => {
                write_scalar(arena, *item, true, out);
                out.push('\n');
            }
        }
    }
}

fn write_scalar(arena: &Arena, id: ValueId, may_be_plain: bool, out: &mut String) {
    match arena.get(id) {
        Value::None => out.push_str("null"),
        Value::Bool(boolean) => out.push_str(if *boolean { "true" } else { "false" }),
        Value::Int(integer) => out.push_str(&integer.to_string()),
        // In YAML 1.1, `1e+16` without a decimal point is a string, so `.0` is added.
        Value::Float(float) => match string::repr_float(*float).split_once('e') {
            Some((digits, exponent)) if !digits.contains('.') => out.push_str(&format!("{digits}.0e{exponent}")),
            _ => out.push_str(&string::repr_float(*float)),
        },
        Value::Dict(_) => out.push_str("{}"),
        Value::List(_) | Value::Tuple(_) => out.push_str("[]"),
        Value::Timestamp(time) => out.push_str(&jobplate_yaml::quote_double(&time.isoformat())),
        Value::Str(text) | Value::Unknown(text) if may_be_plain => out.push_str(&jobplate_yaml::quote_name(text)),
        Value::Str(text) | Value::Unknown(text) => out.push_str(&jobplate_yaml::quote_double(text)),
        _ => {}
    }
}
