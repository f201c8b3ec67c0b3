//! Corrects values of a job template: scalars that must be strings, and references to renamed variables.

use std::collections::{BTreeMap, HashSet};

use jobplate_diagnostic::{Diagnostic, Error, Result};
use jobplate_manifest::env::{Segment, referenced_names, segments};

use super::notes::ConversionNotes;
use super::variable_mapping::RenamedVariables;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate;
use crate::pyvalue::string;

/// Converts a scalar to the string that the API server requires. Prefect 1 sends the scalar unchanged, and the API
/// server rejects a number or boolean. Adds a note about such a value. `label` names the value in messages.
///
/// # Errors
/// Fails if the value is a list or a mapping.
pub(super) fn to_string(
    arena: &mut Arena,
    notes: &mut ConversionNotes,
    value: ValueId,
    label: &str,
) -> Result<ValueId> {
    let location = arena.location(value).cloned();
    let text = match arena.get(value) {
        Value::Str(_) | Value::Unknown(_) => return Ok(value),
        Value::None => String::new(),
        // Prefect also sends a date as a string, so no note is needed.
        Value::Timestamp(time) => time.isoformat(),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
            let text = format!("{label} is {}, not a string; it is converted to a string", arena.describe_kind(value));
            notes.add(Diagnostic::warning("non-string-value", text).help("quote the value"), location.as_ref());
            // Keeps the spelling in the source, such as `yes` or `0123`.
            let source = location.as_ref().map(|location| location.source.text[location.span.clone()].trim());
            match source.filter(|source| !source.is_empty() && !source.contains([' ', '!', '&', '\n'])) {
                Some(source) => source.to_owned(),
                None => string::str(arena, value),
            }
        }
        _ => {
            let error = Error::input(format!("{label} must be a string, not {}", arena.describe_kind(value)));
            return Err(locate(error.hint("write a string"), arena.location(value)));
        }
    };
    Ok(arena.alloc(Value::Str(text), location))
}

/// Converts all values of a mapping to strings.
///
/// # Errors
/// Fails if `map` is not a mapping of scalars.
pub(super) fn values_to_strings(
    arena: &mut Arena,
    notes: &mut ConversionNotes,
    map: ValueId,
    label: &str,
) -> Result<ValueId> {
    let Some(pairs) = arena.as_dict(map).map(<[_]>::to_vec) else {
        let error = Error::input(format!("{label} must be a mapping, not {}", arena.describe_kind(map)));
        return Err(locate(error.hint("write a mapping, or remove the key"), arena.location(map)));
    };
    let mut texts = Vec::new();
    for (key, value) in pairs {
        let name = arena.as_str(key).unwrap_or_default().to_owned();
        texts.push((key, to_string(arena, notes, value, &format!("`{name}` of {label}"))?));
    }
    let location = arena.location(map).cloned();
    let texts = arena.new_dict(texts);
    Ok(arena.alloc(texts, location))
}

/// Renames variables in the `$(NAME)` references of a string. Adds a note about each reference to a removed variable.
pub(super) fn rename_variables(
    arena: &mut Arena,
    notes: &mut ConversionNotes,
    value: ValueId,
    renamed: &RenamedVariables,
) -> ValueId {
    let Some(old) = arena.as_str(value).map(str::to_owned) else { return value };
    let location = arena.location(value).cloned();
    let removed = |name: &str| renamed.get_full(name).filter(|(_, _, new)| new.is_none());
    let removed: BTreeMap<usize, &String> =
        referenced_names(&old).filter_map(removed).map(|(index, name, _)| (index, name)).collect();
    for name in removed.values() {
        let text = format!("`$({name})` refers to a variable that is removed");
        let help = format!("replace `$({name})` with a value, or remove it");
        notes.add(Diagnostic::warning("undefined-variable", text).help(help), location.as_ref());
    }
    let new = rename_references(&old, renamed);
    if new == old { value } else { arena.alloc(Value::Str(new), location) }
}

/// Renames variables in the `$(NAME)` references in all strings of a value.
pub(super) fn rename_variables_in(
    arena: &mut Arena,
    notes: &mut ConversionNotes,
    value: ValueId,
    renamed: &RenamedVariables,
) -> ValueId {
    let location = arena.location(value).cloned();
    match arena.get(value).clone() {
        Value::Str(_) => rename_variables(arena, notes, value, renamed),
        Value::List(items) => {
            let items = items.into_iter().map(|item| rename_variables_in(arena, notes, item, renamed)).collect();
            arena.alloc(Value::List(items), location)
        }
        Value::Dict(pairs) => {
            let convert_pair = |(key, value)| (key, rename_variables_in(arena, notes, value, renamed));
            let pairs: Vec<_> = pairs.into_iter().map(convert_pair).collect();
            let pairs = arena.new_dict(pairs);
            arena.alloc(pairs, location)
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
                let new = renamed.get(name).and_then(Option::as_deref);
                out.extend(["$(", new.unwrap_or(name), ")"]);
            }
        }
    }
    out
}

/// Returns whether a string in a value contains `word`.
pub(super) fn mentions(arena: &Arena, value: ValueId, word: &str) -> bool {
    match arena.get(value) {
        Value::Str(text) => text.contains(word),
        Value::List(items) => items.iter().any(|item| mentions(arena, *item, word)),
        Value::Dict(pairs) => pairs.iter().any(|(_, value)| mentions(arena, *value, word)),
        _ => false,
    }
}

/// Returns the names of the `$(NAME)` references in all strings of a value.
pub(super) fn collect_references(arena: &Arena, value: ValueId) -> HashSet<String> {
    let mut names = HashSet::new();
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        match arena.get(value) {
            Value::Str(text) => names.extend(referenced_names(text).map(str::to_owned)),
            Value::List(items) => pending.extend(items),
            Value::Dict(pairs) => pending.extend(pairs.iter().map(|(_, value)| *value)),
            _ => {}
        }
    }
    names
}

/// Renames the container `old` to `new` in every `containerName` of a value.
pub(super) fn rename_container(arena: &mut Arena, value: ValueId, old: &str, new: &str) {
    match arena.get(value).clone() {
        Value::List(items) => items.into_iter().for_each(|item| rename_container(arena, item, old, new)),
        Value::Dict(pairs) => {
            for (key, inner) in pairs {
                if arena.as_str(key) == Some("containerName") && arena.as_str(inner) == Some(old) {
                    let name = arena.alloc_str(new);
                    arena.dict_set(value, key, name);
                } else {
                    rename_container(arena, inner, old, new);
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
        let renamed = [("A".to_owned(), Some("B".to_owned())), ("X".to_owned(), None)].into();
        for (text, expected) in
            [("$(A)/$$(A)/$(C)$(A", "$(B)/$$(A)/$(C)$(A"), ("$A $(X) $", "$A $(X) $"), ("$$$(A)", "$$$(B)"), ("", "")]
        {
            assert_eq!(rename_references(text, &renamed), expected, "{text}");
        }
    }
}
