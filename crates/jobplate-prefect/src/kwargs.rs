//! Keyword arguments of Prefect's Python classes, written as a mapping.

use jobplate_diagnostic::{Error, Result, suggest};

use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate;
use crate::pyvalue::string;

/// A mapping whose keys are the arguments of one class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kwargs(ValueId);

impl Kwargs {
    /// Reads a mapping as the arguments of `class`, which accepts the `known` names.
    ///
    /// # Errors
    /// Fails if the value is not a mapping, or if the class does not accept a key.
    pub(crate) fn read(arena: &Arena, mapping: ValueId, known: &[&str], class: &str) -> Result<Self> {
        let Some(pairs) = arena.as_dict(mapping) else {
            let error = Error::input(format!(
                "the arguments of {class} must be a mapping, not {}",
                arena.describe_kind(mapping)
            ));
            let hint = match class {
                "KubernetesRun" => {
                    "write the arguments of KubernetesRun as YAML, such as `image: IMAGE` and `env: {NAME: VALUE}`"
                        .to_owned()
                }
                _ => format!("write a mapping with keys such as `{}`", known[0]),
            };
            return Err(locate(error.hint(hint), arena.location(mapping)));
        };
        for (key, _) in pairs {
            let name = string::str(arena, *key);
            if !known.contains(&name.as_str()) {
                let hint = suggest::did_you_mean(&name, known.iter().copied());
                let hint = hint.unwrap_or_else(|| format!("use one of {}", known.join(", ")));
                return Err(locate(
                    Error::input(format!("unknown argument {} of {class}", suggest::quote_key(&name))).hint(hint),
                    arena.location(*key),
                ));
            }
        }
        Ok(Kwargs(mapping))
    }

    /// Returns the value of the argument `name`, unless it is missing or Python's `None`.
    pub(crate) fn get(self, arena: &Arena, name: &str) -> Option<ValueId> {
        arena.dict_get(self.0, name).filter(|value| *arena.get(*value) != Value::None)
    }

    /// Returns the value of the argument `name` if it is set and `bool(value)` is true.
    pub(crate) fn truthy(self, arena: &Arena, name: &str) -> Option<ValueId> {
        self.get(arena, name).filter(|value| arena.is_truthy(*value))
    }
}

/// Returns the first key of a mapping that is one of `names`.
pub(crate) fn first_key(arena: &Arena, mapping: ValueId, names: &[&str]) -> Option<ValueId> {
    let pairs = arena.as_dict(mapping).unwrap_or_default();
    pairs.iter().map(|(key, _)| *key).find(|key| arena.as_str(*key).is_some_and(|key| names.contains(&key)))
}

/// Returns the items that Python yields when it iterates over a value: the items of a list, tuple or set, the
/// characters of a string, the bytes of a bytes object, and the keys of a mapping.
///
/// # Errors
/// Fails if the value is not iterable. `label` names the value in the message.
pub(crate) fn iterate(arena: &mut Arena, id: ValueId, label: &str) -> Result<Vec<ValueId>> {
    Ok(match arena.get(id).clone() {
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => items,
        Value::Dict(pairs) => pairs.into_iter().map(|(key, _)| key).collect(),
        Value::Str(text) => {
            let location = arena.location(id).cloned();
            text.chars().map(|c| arena.alloc(Value::Str(c.to_string()), location.clone())).collect()
        }
        Value::Bytes(bytes) => {
            let location = arena.location(id).cloned();
            bytes.into_iter().map(|byte| arena.alloc(Value::Int(byte.into()), location.clone())).collect()
        }
        _ => {
            let error = Error::input(format!("{label} must be a list, not {}", arena.describe_kind(id)));
            return Err(locate(error.hint("correct this value: Prefect fails here too"), arena.location(id)));
        }
    })
}
