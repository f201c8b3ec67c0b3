//! Values of a job template that have to be put right on the way: what is to be a text, and what names variables that
//! have new names.

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::env::{Segment, referenced_names, segments};

use super::notes::Notes;
use super::variable_mapping::Renamed;
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::at;
use crate::pyvalue::text;

/// A scalar as the text that Kubernetes wants there. Prefect 1 sends it as it is, and Kubernetes refuses that.
pub(super) fn as_text(heap: &mut Heap, notes: &mut Notes, value: Id, what: &str) -> Result<Id> {
    let place = heap.place(value).cloned();
    let written = match heap.get(value) {
        Data::Str(_) | Data::Unknown(_) => return Ok(value),
        Data::None => String::new(),
        // A date is sent as a text.
        Data::Time(time) => time.iso(),
        Data::Bool(_) | Data::Int(_) | Data::Float(_) => {
            notes.add(format!("{what} is {}, and is made text: quotes are missing", heap.kind(value)), place.as_ref());
            // `yes` and `0123` are to stay what was written.
            let own = place.as_ref().map(|place| place.source.text[place.span.clone()].trim());
            match own.filter(|own| !own.is_empty() && !own.contains([' ', '!', '&', '\n'])) {
                Some(own) => own.to_owned(),
                None => text::str(heap, value),
            }
        }
        _ => {
            let error = Error::input(format!("{what} must be text, and is {}", heap.kind(value)));
            return Err(at(error.hint("put it in quotes"), heap.place(value)));
        }
    };
    Ok(heap.put(Data::Str(written), place))
}

/// The same for all values of a mapping.
pub(super) fn all_as_text(heap: &mut Heap, notes: &mut Notes, map: Id, what: &str) -> Result<Id> {
    let Some(pairs) = heap.dict(map).map(<[_]>::to_vec) else {
        let error = Error::input(format!("{what} must be a mapping, and is {}", heap.kind(map)));
        return Err(at(error.hint("leave an empty key out"), heap.place(map)));
    };
    let mut texts = Vec::new();
    for (key, value) in pairs {
        let name = heap.str(key).unwrap_or_default().to_owned();
        texts.push((key, as_text(heap, notes, value, &format!("`{name}` of {what}"))?));
    }
    let place = heap.place(map).cloned();
    Ok(heap.put(Data::Dict(texts), place))
}

/// A text, in which `$(NAME)` names variables by the names that they have now.
pub(super) fn with_names(heap: &mut Heap, notes: &mut Notes, value: Id, renamed: &Renamed) -> Id {
    let Some(old) = heap.str(value).map(str::to_owned) else { return value };
    let place = heap.place(value).cloned();
    for (name, new) in renamed {
        if new.is_none() && referenced_names(&old).any(|used| used == name) {
            notes.add(format!("`$({name})` stands here, and that variable is left out"), place.as_ref());
        }
    }
    let new = rewritten(&old, renamed);
    if new == old { value } else { heap.put(Data::Str(new), place) }
}

/// The same for each text in a value.
pub(super) fn all_with_names(heap: &mut Heap, notes: &mut Notes, value: Id, renamed: &Renamed) -> Id {
    let place = heap.place(value).cloned();
    match heap.get(value).clone() {
        Data::Str(_) => with_names(heap, notes, value, renamed),
        Data::List(items) => {
            let items = items.into_iter().map(|item| all_with_names(heap, notes, item, renamed)).collect();
            heap.put(Data::List(items), place)
        }
        Data::Dict(pairs) => {
            let pair = |(key, value)| (key, all_with_names(heap, notes, value, renamed));
            let pairs = pairs.into_iter().map(pair).collect();
            heap.put(Data::Dict(pairs), place)
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
pub(super) fn mentions(heap: &Heap, value: Id, word: &str) -> bool {
    match heap.get(value) {
        Data::Str(text) => text.contains(word),
        Data::List(items) => items.iter().any(|item| mentions(heap, *item, word)),
        Data::Dict(pairs) => pairs.iter().any(|(_, own)| mentions(heap, *own, word)),
        _ => false,
    }
}

/// Gives every `containerName` in a value that is the old name of the flow's container its new one.
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
