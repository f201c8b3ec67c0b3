//! Describes the value of a flow run's variable without revealing it.

use jobplate_manifest::env::describe_source;

use crate::pyvalue::environ::references;
use crate::pyvalue::heap::{Data, Heap, Id};

/// The description of a variable's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueDescription {
    /// A literal value, which must not be shown.
    Literal,
    /// An empty string, or no value.
    Empty,
    /// A value that is not a string, such as a number, with its type. Kubernetes rejects it.
    NotText(&'static str),
    /// A reference, such as `Secret gh, key token`.
    Reference(String),
    /// A value that is passed on as plain text, with the reference that it comes from.
    ResolvedReference(String),
}

/// Describes a value.
pub fn describe_value(heap: &Heap, value: Id) -> ValueDescription {
    match heap.get(value) {
        Data::Str(text) if text.is_empty() => ValueDescription::Empty,
        Data::Str(_) => ValueDescription::Literal,
        Data::Unknown(text) => ValueDescription::ResolvedReference(references(text)),
        Data::None => ValueDescription::Empty,
        _ => ValueDescription::NotText(heap.kind(value)),
    }
}

/// Describes the value of an entry in a container's `env`, as Kubernetes reads it.
pub fn describe_entry(heap: &Heap, entry: Id) -> ValueDescription {
    let Some(from) = heap.item(entry, "valueFrom").filter(|from| heap.is_true(*from)) else {
        return heap.item(entry, "value").map_or(ValueDescription::Empty, |value| describe_value(heap, value));
    };
    let text = |of: Id, key: &str| heap.item(of, key).and_then(|text| heap.str(text)).map(str::to_owned);
    ValueDescription::Reference(describe_source(|key| heap.item(from, key), text))
}
