//! Values as Kubernetes' Python client sends them: JSON. Dates become text, keys become text.

use jobplate_diagnostic::{Error, Result};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};

use super::heap::{Data, Heap, Id};
use super::limits::NOT_FOLLOWED;
use super::literal::BEYOND;
use super::source::at;
use super::text;

/// Lists and mappings within one another that can be sent; Python itself gives up before a thousand.
const DEPTH: usize = 200;

/// Values in one: more than any object may hold, which is 1.5 MiB (etcd's own limit).
pub const MOST: usize = 1_000_000;

/// A value that can be sent.
#[derive(Clone, Copy, Debug)]
pub struct Sendable<'h> {
    heap: &'h Heap,
    id: Id,
}

/// Checks that a value can be sent.
///
/// # Errors
/// Fails, with its place, at what JSON does not have.
pub fn check(heap: &Heap, id: Id) -> Result<Sendable<'_>> {
    if heap.is_larger_than(id, MOST) {
        return Err(at(Error::input("aliases make this larger than any object can be"), heap.place(id)));
    }
    check_value(heap, id, DEPTH)?;
    Ok(Sendable { heap, id })
}

fn check_value(heap: &Heap, id: Id, depth: usize) -> Result<()> {
    let cant = |what: &str| {
        let error = Error::input(format!("{what} can't be sent to Kubernetes"));
        Err(at(error.hint("Prefect itself fails here: put text in quotes"), heap.place(id)))
    };
    let Some(depth) = depth.checked_sub(1) else { return cant("a value nested that deep") };
    match heap.get(id) {
        Data::Float(float) if !float.is_finite() => cant("a number that is none (`.nan`, `.inf`)"),
        Data::Other(BEYOND) => {
            Err(at(Error::refused(format!("{BEYOND}, stands here")).hint(NOT_FOLLOWED), heap.place(id)))
        }
        Data::Bytes(_) | Data::Set(_) | Data::Complex(..) | Data::Ellipsis | Data::Other(_) => cant(heap.kind(id)),
        Data::List(items) | Data::Tuple(items) => items.iter().try_for_each(|item| check_value(heap, *item, depth)),
        Data::Dict(pairs) => pairs.iter().try_for_each(|(key, value)| match key_text(heap, *key) {
            Some(_) => check_value(heap, *value, depth),
            None => Err(at(
                Error::input(format!("{} as a key can't be sent to Kubernetes", heap.kind(*key)))
                    .hint("Prefect itself fails here: put the key in quotes"),
                heap.place(*key),
            )),
        }),
        _ => Ok(()),
    }
}

/// A key as JSON has it.
pub fn key_text(heap: &Heap, key: Id) -> Option<String> {
    Some(match heap.get(key) {
        Data::Str(text) | Data::Unknown(text) => text.clone(),
        Data::None => "null".to_owned(),
        Data::Bool(is) => is.to_string(),
        Data::Int(_) => text::str(heap, key),
        Data::Float(float) if float.is_finite() => text::str(heap, key),
        _ => return None,
    })
}

impl Sendable<'_> {
    fn child(&self, id: Id) -> Self {
        Sendable { heap: self.heap, id }
    }
}

impl Serialize for Sendable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self.heap.get(self.id) {
            Data::None => serializer.serialize_unit(),
            Data::Bool(is) => serializer.serialize_bool(*is),
            // Of any size: its digits are the JSON.
            Data::Int(whole) => serde_json::value::RawValue::from_string(whole.to_string())
                .map_err(S::Error::custom)?
                .serialize(serializer),
            Data::Float(float) => serializer.serialize_f64(*float),
            Data::Str(text) | Data::Unknown(text) => serializer.serialize_str(text),
            Data::Time(time) => serializer.serialize_str(&time.iso()),
            Data::List(items) | Data::Tuple(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| seq.serialize_element(&self.child(*item)))?;
                seq.end()
            }
            Data::Dict(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    map.serialize_entry(&key_text(self.heap, *key).unwrap_or_default(), &self.child(*value))?;
                }
                map.end()
            }
            _ => Err(S::Error::custom("not checked")),
        }
    }
}

/// The JSON of a value, over several lines, with a line feed at its end.
pub fn json(value: Sendable<'_>) -> String {
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.push('\n');
    text
}

/// The YAML of a value: block style, texts double-quoted as everything that jobplate writes.
pub fn yaml(value: Sendable<'_>) -> String {
    let mut out = String::new();
    match value.heap.get(value.id) {
        Data::Dict(pairs) if !pairs.is_empty() => mapping(value.heap, pairs, 0, &mut out),
        Data::List(items) if !items.is_empty() => sequence(value.heap, items, 0, &mut out),
        _ => {
            scalar(value.heap, value.id, false, &mut out);
            out.push('\n');
        }
    }
    out
}

fn mapping(heap: &Heap, pairs: &[(Id, Id)], indent: usize, out: &mut String) {
    for (position, (key, value)) in pairs.iter().enumerate() {
        if position > 0 {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(&jobplate_yaml::quote_name(&key_text(heap, *key).unwrap_or_default()));
        out.push(':');
        // Whatever names something reads better without quotes; env values keep them.
        let bare = heap.str(*key) != Some("value");
        match heap.get(*value) {
            Data::Dict(pairs) if !pairs.is_empty() => {
                out.push('\n');
                out.push_str(&" ".repeat(indent + 2));
                mapping(heap, pairs, indent + 2, out);
            }
            Data::List(items) | Data::Tuple(items) if !items.is_empty() => {
                out.push('\n');
                out.push_str(&" ".repeat(indent));
                sequence(heap, items, indent, out);
            }
            _ => {
                out.push(' ');
                scalar(heap, *value, bare, out);
                out.push('\n');
            }
        }
    }
}

fn sequence(heap: &Heap, items: &[Id], indent: usize, out: &mut String) {
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str("- ");
        match heap.get(*item) {
            Data::Dict(pairs) if !pairs.is_empty() => mapping(heap, pairs, indent + 2, out),
            Data::List(items) | Data::Tuple(items) if !items.is_empty() => sequence(heap, items, indent + 2, out),
            _ => {
                scalar(heap, *item, true, out);
                out.push('\n');
            }
        }
    }
}

fn scalar(heap: &Heap, id: Id, bare: bool, out: &mut String) {
    match heap.get(id) {
        Data::None => out.push_str("null"),
        Data::Bool(is) => out.push_str(if *is { "true" } else { "false" }),
        Data::Int(whole) => out.push_str(&whole.to_string()),
        // A point, or YAML 1.1 takes `1e+16` for text.
        Data::Float(float) => match text::repr_float(*float).split_once('e') {
            Some((digits, exponent)) if !digits.contains('.') => out.push_str(&format!("{digits}.0e{exponent}")),
            _ => out.push_str(&text::repr_float(*float)),
        },
        Data::Dict(_) => out.push_str("{}"),
        Data::List(_) | Data::Tuple(_) => out.push_str("[]"),
        Data::Time(time) => out.push_str(&jobplate_yaml::quote_double(&time.iso())),
        Data::Str(text) | Data::Unknown(text) if bare => out.push_str(&jobplate_yaml::quote_name(text)),
        Data::Str(text) | Data::Unknown(text) => out.push_str(&jobplate_yaml::quote_double(text)),
        _ => {}
    }
}
