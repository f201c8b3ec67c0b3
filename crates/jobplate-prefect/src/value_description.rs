//! What a variable of a flow run is given, in words that hide it.

use jobplate_manifest::env::describe_source;

use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::environ::find_references;

/// What a variable is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueDescription {
    /// A value that may not be shown.
    Literal,
    /// The empty text, or no value at all.
    Empty,
    /// What is no text, such as a number: Kubernetes refuses it.
    NotText(&'static str),
    /// A reference, in words: `Secret gh, key token`.
    Reference(String),
    /// A value that was a reference elsewhere, and is handed on as plain text; what it was.
    ResolvedReference(String),
}

/// What a value is, without showing it.
pub fn describe_value(arena: &Arena, value: ValueId) -> ValueDescription {
    match arena.get(value) {
        Value::Str(text) if text.is_empty() => ValueDescription::Empty,
        Value::Str(_) => ValueDescription::Literal,
        Value::Unknown(text) => ValueDescription::ResolvedReference(find_references(text)),
        Value::None => ValueDescription::Empty,
        _ => ValueDescription::NotText(arena.describe_kind(value)),
    }
}

/// What an entry of a container gives, as Kubernetes reads it.
pub fn describe_entry(arena: &Arena, entry: ValueId) -> ValueDescription {
    let Some(from) = arena.dict_get(entry, "valueFrom").filter(|from| arena.is_truthy(*from)) else {
        return arena.dict_get(entry, "value").map_or(ValueDescription::Empty, |value| describe_value(arena, value));
    };
    let text = |of: ValueId, key: &str| arena.dict_get(of, key).and_then(|text| arena.as_str(text)).map(str::to_owned);
    ValueDescription::Reference(describe_source(|key| arena.dict_get(from, key), text))
}
