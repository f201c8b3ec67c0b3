//! Corrects values of a job template: scalars that must be strings, and references to variables that were renamed.

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::env::{Segment, referenced_names, segments};

use super::notes::ConversionNotes;
use super::variable_mapping::RenamedVariables;
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::at;
use crate::pyvalue::text;

/// Converts a scalar to the string that Kubernetes requires. Prefect 1 sends it unchanged, and Kubernetes rejects it.
/// `what` names the value in messages.
///
/// # Errors
/// Fails at a list or a mapping.
pub(super) fn to_string(heap: &mut Heap, notes: &mut ConversionNotes, value: Id, what: &str) -> Result<Id> {
    let place = heap.place(value).cloned();
    let text = match heap.get(value) {
        Data::Str(_) | Data::Unknown(_) => return Ok(value),
        Data::None => String::new(),
        // Prefect sends a date as a string.
        Data::Time(time) => time.iso(),
        Data::Bool(_) | Data::Int(_) | Data::Float(_) => {
            notes.add(format!("{what} is {}, and is made text: quotes are missing", heap.kind(value)), place.as_ref());
            // `yes` and `0123` keep their spelling.
            let source = place.as_ref().map(|place| place.source.text[place.span.clone()].trim());
            match source.filter(|source| !source.is_empty() && !source.contains([' ', '!', '&', '\n'])) {
                Some(source) => source.to_owned(),
                None => text::str(heap, value),
            }
        }
        _ => {
            let error = Error::input(format!("{what} must be text, and is {}", heap.kind(value)));
            return Err(at(error.hint("put it in quotes"), heap.place(value)));
        }
    };
    Ok(heap.put(Data::Str(text), place))
}

/// Converts all values of a mapping to strings.
///
/// # Errors
/// Fails if `map` is not a mapping of scalars.
pub(super) fn values_to_strings(heap: &mut Heap, notes: &mut ConversionNotes, map: Id, what: &str) -> Result<Id> {
    let Some(pairs) = heap.dict(map).map(<[_]>::to_vec) else {
        let error = Error::input(format!("{what} must be a mapping, and is {}", heap.kind(map)));
        return Err(at(error.hint("leave an empty key out"), heap.place(map)));
    };
    let mut texts = Vec::new();
    for (key, value) in pairs {
        let name = heap.str(key).unwrap_or_default().to_owned();
        texts.push((key, to_string(heap, notes, value, &format!("`{name}` of {what}"))?));
    }
    let place = heap.place(map).cloned();
    Ok(heap.put(Data::Dict(texts), place))
}

/// Renames variables in the `$(NAME)` references of a string. Adds a note about each reference to a removed variable.
pub(super) fn rename_variables(
    heap: &mut Heap,
    notes: &mut ConversionNotes,
    value: Id,
    renamed: &RenamedVariables,
) -> Id {
    let Some(old) = heap.str(value).map(str::to_owned) else { return value };
    let place = heap.place(value).cloned();
    for (name, new) in renamed {
        if new.is_none() && referenced_names(&old).any(|used| used == name) {
            notes.add(format!("`$({name})` stands here, and that variable is left out"), place.as_ref());
        }
    }
    let new = rename_references(&old, renamed);
    if new == old { value } else { heap.put(Data::Str(new), place) }
}

/// Renames variables in all strings of a value.
pub(super) fn rename_variables_in(
    heap: &mut Heap,
    notes: &mut ConversionNotes,
    value: Id,
    renamed: &RenamedVariables,
) -> Id {
    let place = heap.place(value).cloned();
    match heap.get(value).clone() {
        Data::Str(_) => rename_variables(heap, notes, value, renamed),
        Data::List(items) => {
            let items = items.into_iter().map(|item| rename_variables_in(heap, notes, item, renamed)).collect();
            heap.put(Data::List(items), place)
        }
        Data::Dict(pairs) => {
            let pair = |(key, value)| (key, rename_variables_in(heap, notes, value, renamed));
            let pairs = pairs.into_iter().map(pair).collect();
            heap.put(Data::Dict(pairs), place)
        }
        _ => value,
    }
}

fn rename_references(text: &str, renamed: &RenamedVariables) -> String {
    let mut out = String::new();
    for part in segments(text) {
        match part {
            Segment::Text(text) => out.push_str(text),
            Segment::EscapedDollar => out.push_str("$$"),
            Segment::Reference(name) => {
                let new = renamed.iter().find(|(old, _)| old == name).and_then(|(_, new)| new.as_deref());
                out.extend(["$(", new.unwrap_or(name), ")"]);
            }
        }
    }
    out
}

/// Returns whether a string in a value contains `word`.
pub(super) fn mentions(heap: &Heap, value: Id, word: &str) -> bool {
    match heap.get(value) {
        Data::Str(text) => text.contains(word),
        Data::List(items) => items.iter().any(|item| mentions(heap, *item, word)),
        Data::Dict(pairs) => pairs.iter().any(|(_, own)| mentions(heap, *own, word)),
        _ => false,
    }
}

/// Renames a container in every `containerName` of a value.
pub(super) fn rename_container(heap: &mut Heap, value: Id, old: &str, new: &str) {
    match heap.get(value).clone() {
        Data::List(items) => items.into_iter().for_each(|item| rename_container(heap, item, old, new)),
        Data::Dict(pairs) => {
            for (key, inner) in pairs {
                if heap.str(key) == Some("containerName") && heap.str(inner) == Some(old) {
                    let name = heap.text(new);
                    heap.set(value, key, name);
                } else {
                    rename_container(heap, inner, old, new);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::rename_references;

    #[test]
    fn renames_references_as_kubernetes_parses_them() {
        let renamed = vec![("A".to_owned(), Some("B".to_owned())), ("X".to_owned(), None)];
        for (text, expected) in
            [("$(A)/$$(A)/$(C)$(A", "$(B)/$$(A)/$(C)$(A"), ("$A $(X) $", "$A $(X) $"), ("$$$(A)", "$$$(B)"), ("", "")]
        {
            assert_eq!(rename_references(text, &renamed), expected, "{text}");
        }
    }
}
