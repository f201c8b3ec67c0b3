//! Values of a job template that have to be put right on the way: what is to be a text, and what names variables that
//! have new names.

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::env::{Segment, referenced_names, segments};

use super::notes::Notes;
use super::variable_mapping::Renamed;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate;
use crate::pyvalue::string;

/// A scalar as the text that Kubernetes wants there. Prefect 1 sends it as it is, and Kubernetes refuses that.
pub(super) fn as_text(arena: &mut Arena, notes: &mut Notes, value: ValueId, what: &str) -> Result<ValueId> {
    let location = arena.location(value).cloned();
    let written = match arena.get(value) {
        Value::Str(_) | Value::Unknown(_) => return Ok(value),
        Value::None => String::new(),
        // A date is sent as a text.
        Value::Timestamp(time) => time.isoformat(),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
            notes.add(
                format!("{what} is {}, and is made text: quotes are missing", arena.describe_kind(value)),
                location.as_ref(),
            );
            // `yes` and `0123` are to stay what was written.
            let own = location.as_ref().map(|location| location.source.text[location.span.clone()].trim());
            match own.filter(|own| !own.is_empty() && !own.contains([' ', '!', '&', '\n'])) {
                Some(own) => own.to_owned(),
                None => string::str(arena, value),
            }
        }
        _ => {
            let error = Error::input(format!("{what} must be text, and is {}", arena.describe_kind(value)));
            return Err(locate(error.hint("put it in quotes"), arena.location(value)));
        }
    };
    Ok(arena.alloc(Value::Str(written), location))
}

/// The same for all values of a mapping.
pub(super) fn all_as_text(arena: &mut Arena, notes: &mut Notes, map: ValueId, what: &str) -> Result<ValueId> {
    let Some(pairs) = arena.as_dict(map).map(<[_]>::to_vec) else {
        let error = Error::input(format!("{what} must be a mapping, and is {}", arena.describe_kind(map)));
        return Err(locate(error.hint("leave an empty key out"), arena.location(map)));
    };
    let mut texts = Vec::new();
    for (key, value) in pairs {
        let name = arena.as_str(key).unwrap_or_default().to_owned();
        texts.push((key, as_text(arena, notes, value, &format!("`{name}` of {what}"))?));
    }
    let location = arena.location(map).cloned();
    let texts = arena.new_dict(texts);
    Ok(arena.alloc(texts, location))
}

/// A text, in which `$(NAME)` names variables by the names that they have now.
pub(super) fn with_names(arena: &mut Arena, notes: &mut Notes, value: ValueId, renamed: &Renamed) -> ValueId {
    let Some(old) = arena.as_str(value).map(str::to_owned) else { return value };
    let location = arena.location(value).cloned();
    for (name, new) in renamed {
        if new.is_none() && referenced_names(&old).any(|used| used == name) {
            notes.add(format!("`$({name})` stands here, and that variable is left out"), location.as_ref());
        }
    }
    let new = rewritten(&old, renamed);
    if new == old { value } else { arena.alloc(Value::Str(new), location) }
}

/// The same for each text in a value.
pub(super) fn all_with_names(arena: &mut Arena, notes: &mut Notes, value: ValueId, renamed: &Renamed) -> ValueId {
    let location = arena.location(value).cloned();
    match arena.get(value).clone() {
        Value::Str(_) => with_names(arena, notes, value, renamed),
        Value::List(items) => {
            let items = items.into_iter().map(|item| all_with_names(arena, notes, item, renamed)).collect();
            arena.alloc(Value::List(items), location)
        }
        Value::Dict(pairs) => {
            let pair = |(key, value)| (key, all_with_names(arena, notes, value, renamed));
            let pairs: Vec<_> = pairs.into_iter().map(pair).collect();
            let pairs = arena.new_dict(pairs);
            arena.alloc(pairs, location)
        }
        _ => value,
    }
}

fn rewritten(text: &str, renamed: &Renamed) -> String {
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

/// Whether a text in a value has a word in it.
pub(super) fn mentions(arena: &Arena, value: ValueId, word: &str) -> bool {
    match arena.get(value) {
        Value::Str(text) => text.contains(word),
        Value::List(items) => items.iter().any(|item| mentions(arena, *item, word)),
        Value::Dict(pairs) => pairs.iter().any(|(_, own)| mentions(arena, *own, word)),
        _ => false,
    }
}

/// Gives every `containerName` in a value that is the old name of the flow's container its new one.
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
    use super::rewritten;

    #[test]
    fn names_are_rewritten_where_kubernetes_reads_them() {
        let renamed = vec![("A".to_owned(), Some("B".to_owned())), ("X".to_owned(), None)];
        for (text, wanted) in
            [("$(A)/$$(A)/$(C)$(A", "$(B)/$$(A)/$(C)$(A"), ("$A $(X) $", "$A $(X) $"), ("$$$(A)", "$$$(B)"), ("", "")]
        {
            assert_eq!(rewritten(text, &renamed), wanted, "{text}");
        }
    }
}
