//! Describes the value of a flow run's variable.

use jobplate_manifest::env::describe_source;

use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::environ::find_references;

/// The description of a variable's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueDescription<'h> {
    /// A literal value, which may be sensitive.
    Literal(&'h str),
    /// An empty string, or no value.
    Empty,
    /// A value that is not a string, such as a number. The API server rejects such a value.
    NotString(ValueId),
    /// A reference, such as `Secret gh, key token`.
    Reference(String),
    /// The reference that a value comes from, if the value is passed on as plain text.
    ResolvedReference(String),
}

/// Describes a value that is set directly, without `valueFrom`.
pub fn describe_value(arena: &Arena, value: ValueId) -> ValueDescription<'_> {
    match arena.get(value) {
        Value::Str(text) if text.is_empty() => ValueDescription::Empty,
        Value::Str(text) => ValueDescription::Literal(text),
        Value::Unknown(text) => match find_references(text) {
            from if from.is_empty() => ValueDescription::Literal(text),
            from => ValueDescription::ResolvedReference(from),
        },
        Value::None => ValueDescription::Empty,
        _ => ValueDescription::NotString(value),
    }
}

/// Describes the value of an entry in a container's `env`, as Kubernetes reads it.
pub fn describe_entry(arena: &Arena, entry: ValueId) -> ValueDescription<'_> {
    let Some(from) = arena.dict_get(entry, "valueFrom").filter(|from| arena.is_truthy(*from)) else {
        return arena.dict_get(entry, "value").map_or(ValueDescription::Empty, |value| describe_value(arena, value));
    };
    let read_text = |mapping: ValueId, key: &str| {
        arena.dict_get(mapping, key).and_then(|text| arena.as_str(text)).map(str::to_owned)
    };
    ValueDescription::Reference(describe_source(|key| arena.dict_get(from, key), read_text))
}
