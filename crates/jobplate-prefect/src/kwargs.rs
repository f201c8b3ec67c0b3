//! Keyword arguments of Prefect's Python classes, given as a mapping.

use jobplate_diagnostic::{Error, Result, suggest};

use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::at;
use crate::pyvalue::text;

/// A mapping whose keys are the arguments of one class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kwargs(Id);

impl Kwargs {
    /// Reads a mapping as the arguments of `class`, which accepts the `known` names.
    ///
    /// # Errors
    /// Fails at a key that the class does not accept.
    pub(crate) fn read(heap: &Heap, given: Id, known: &[&str], class: &str) -> Result<Self> {
        let Some(pairs) = heap.dict(given) else {
            let error = Error::input(format!("the arguments of {class} are {} here", heap.kind(given)));
            return Err(at(error.hint("write a mapping, such as `env: {A: b}`"), heap.place(given)));
        };
        for (key, _) in pairs {
            let name = text::str(heap, *key);
            if !known.contains(&name.as_str()) {
                let hint = suggest::did_you_mean(&name, known.iter().copied());
                let hint = hint.unwrap_or_else(|| format!("it takes {}", known.join(", ")));
                return Err(at(Error::input(format!("{class} takes no `{name}`")).hint(hint), heap.place(*key)));
            }
        }
        Ok(Kwargs(given))
    }

    /// Returns the value of an argument, unless it is missing or Python's `None`.
    pub(crate) fn get(self, heap: &Heap, name: &str) -> Option<Id> {
        heap.item(self.0, name).filter(|value| *heap.get(*value) != Data::None)
    }

    /// Returns the value of an argument if `bool(value)` is true.
    pub(crate) fn truthy(self, heap: &Heap, name: &str) -> Option<Id> {
        self.get(heap, name).filter(|value| heap.is_true(*value))
    }
}

/// Returns the first key of a mapping that is one of `names`.
pub(crate) fn first_key(heap: &Heap, given: Id, names: &[&str]) -> Option<Id> {
    let pairs = heap.dict(given).unwrap_or_default();
    pairs.iter().map(|(key, _)| *key).find(|key| heap.str(*key).is_some_and(|key| names.contains(&key)))
}

/// Returns the items over which Python iterates: items of a list, characters of a string, keys of a mapping.
///
/// # Errors
/// Fails at a value that is not iterable. `what` names it in the message.
pub(crate) fn iterate(heap: &mut Heap, id: Id, what: &str) -> Result<Vec<Id>> {
    Ok(match heap.get(id).clone() {
        Data::List(items) | Data::Tuple(items) | Data::Set(items) => items,
        Data::Dict(pairs) => pairs.into_iter().map(|(key, _)| key).collect(),
        Data::Str(text) => {
            let place = heap.place(id).cloned();
            text.chars().map(|c| heap.put(Data::Str(c.to_string()), place.clone())).collect()
        }
        Data::Bytes(bytes) => {
            let place = heap.place(id).cloned();
            bytes.into_iter().map(|byte| heap.put(Data::Int(byte.into()), place.clone())).collect()
        }
        _ => {
            let error = Error::input(format!("{what} must be a list, and is {}", heap.kind(id)));
            return Err(at(error.hint("Prefect itself fails here"), heap.place(id)));
        }
    })
}
