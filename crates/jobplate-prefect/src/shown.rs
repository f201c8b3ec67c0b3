//! What a variable of a flow run is given, in words that hide it.

use jobplate_manifest::env::describe_source;

use crate::pyvalue::environ::references;
use crate::pyvalue::heap::{Data, Heap, Id};

/// What a variable is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A value that may not be shown.
    Literal,
    /// The empty text, or no value at all.
    Empty,
    /// What is no text, such as a number: Kubernetes refuses it.
    NoText(&'static str),
    /// A reference, in words: `Secret gh, key token`.
    Reference(String),
    /// A value that was a reference elsewhere, and is handed on as plain text; what it was.
    Copied(String),
}

/// What a value is, without showing it.
pub fn of_value(heap: &Heap, value: Id) -> Shown {
    match heap.get(value) {
        Data::Str(text) if text.is_empty() => Shown::Empty,
        Data::Str(_) => Shown::Literal,
        Data::Unknown(text) => Shown::Copied(references(text)),
        Data::None => Shown::Empty,
        _ => Shown::NoText(heap.kind(value)),
    }
}

/// What an entry of a container gives, as Kubernetes reads it.
pub fn of_entry(heap: &Heap, entry: Id) -> Shown {
    let Some(from) = heap.item(entry, "valueFrom").filter(|from| heap.is_true(*from)) else {
        return heap.item(entry, "value").map_or(Shown::Empty, |value| of_value(heap, value));
    };
    let text = |of: Id, key: &str| heap.item(of, key).and_then(|text| heap.str(text)).map(str::to_owned);
    Shown::Reference(describe_source(|key| heap.item(from, key), text))
}
