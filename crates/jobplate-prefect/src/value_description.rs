//! What a variable of a flow run is given, in words that hide it.

use jobplate_manifest::env::describe_source;

use crate::pyvalue::environ::references;
use crate::pyvalue::heap::{Data, Heap, Id};

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
pub fn describe_value(heap: &Heap, value: Id) -> ValueDescription {
    match heap.get(value) {
        Data::Str(text) if text.is_empty() => ValueDescription::Empty,
        Data::Str(_) => ValueDescription::Literal,
        Data::Unknown(text) => ValueDescription::ResolvedReference(references(text)),
        Data::None => ValueDescription::Empty,
        _ => ValueDescription::NotText(heap.kind(value)),
    }
}

/// What an entry of a container gives, as Kubernetes reads it.
pub fn describe_entry(heap: &Heap, entry: Id) -> ValueDescription {
    let Some(from) = heap.item(entry, "valueFrom").filter(|from| heap.is_true(*from)) else {
        return heap.item(entry, "value").map_or(ValueDescription::Empty, |value| describe_value(heap, value));
    };
    let text = |of: Id, key: &str| heap.item(of, key).and_then(|text| heap.str(text)).map(str::to_owned);
    ValueDescription::Reference(describe_source(|key| heap.item(from, key), text))
}
