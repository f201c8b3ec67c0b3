//! Overlays a Job on that of a base job template: mappings are merged, a value that the base has as a placeholder becomes
//! the default of its variable, and everything else is added.

use jobplate_diagnostic::{Error, Result};

use super::base::{Base, api_placeholder_error};
use super::notes::ConversionNotes;
use crate::placeholder;
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::at;

/// The lists of a pod that Kubernetes merges by a key of their items, with that key.
const MERGE_KEYS: [(&str, &str); 6] = [
    ("initContainers", "name"),
    ("volumes", "name"),
    ("imagePullSecrets", "name"),
    ("hostAliases", "ip"),
    ("volumeMounts", "mountPath"),
    ("volumeDevices", "devicePath"),
];

/// Overlays a value on the key of a mapping in the base. `path` is the path of the mapping, for messages.
///
/// # Errors
/// Fails if the schema of a variable rejects the value, or if the value cannot be written as a literal.
pub(super) fn overlay(
    heap: &mut Heap,
    base: &mut Base,
    notes: &mut ConversionNotes,
    dict: Id,
    key: Id,
    value: Id,
    path: &str,
) -> Result<()> {
    // Kubernetes treats a null as a missing field.
    if *heap.get(value) == Data::None {
        return Ok(());
    }
    let name = heap.str(key).unwrap_or_default().to_owned();
    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
    if let Some(variable) = base.variable_at(heap, dict, key)
        && base.set_default(heap, &variable, &path, value)?
    {
        return Ok(());
    }
    let current = heap.item_of(dict, key).map(|current| (current, heap.get(current).clone()));
    match (current, heap.get(value).clone()) {
        (Some((current, Data::Dict(_))), Data::Dict(pairs)) => {
            pairs.into_iter().try_for_each(|(key, value)| overlay(heap, base, notes, current, key, value, &path))
        }
        (Some((current, Data::List(old))), Data::List(new)) if name == "envFrom" => {
            let new = new.into_iter().map(|item| literal(heap, base, notes, item)).collect::<Result<Vec<_>>>()?;
            *heap.get_mut(current) = Data::List([old, new].concat());
            Ok(())
        }
        (Some((current, Data::List(old))), Data::List(new)) if MERGE_KEYS.iter().any(|(list, _)| *list == name) => {
            let merge_key = MERGE_KEYS.iter().find(|(list, _)| *list == name).map_or("name", |(_, key)| key);
            let mut items = old;
            for item in new {
                let item = literal(heap, base, notes, item)?;
                replace_or_push(heap, &mut items, merge_key, item);
            }
            *heap.get_mut(current) = Data::List(items);
            Ok(())
        }
        _ => {
            let value = literal(heap, base, notes, value)?;
            let key = literal_key(heap, key)?;
            heap.set(dict, key, value);
            Ok(())
        }
    }
}

/// Puts an item into a list. It replaces the item with the same value of `merge_key`.
pub(super) fn replace_or_push(heap: &Heap, items: &mut Vec<Id>, merge_key: &str, item: Id) {
    let name = heap.item(item, merge_key);
    let same = items.iter().position(|own| match (heap.item(*own, merge_key), name) {
        (Some(own), Some(name)) => heap.equal(own, name),
        _ => false,
    });
    match same {
        Some(position) => items[position] = item,
        None => items.push(item),
    }
}

/// Returns a value as a template must hold it so that Prefect leaves it unchanged.
///
/// # Errors
/// Fails at strings and keys that Prefect would replace or reject in any case.
pub(super) fn literal(heap: &mut Heap, base: &mut Base, notes: &mut ConversionNotes, value: Id) -> Result<Id> {
    let place = heap.place(value).cloned();
    let data = match heap.get(value).clone() {
        Data::Str(text) if placeholder::contains_api_placeholder(&text) => {
            return Err(at(api_placeholder_error(), place.as_ref()));
        }
        Data::Str(text) if placeholder::is_contained_in(&text) => {
            let own = base.escape(heap, &text);
            notes.add(
                format!("this text looks like a placeholder of Prefect, and stays a text: as the default of the variable of {own}"),
                place.as_ref(),
            );
            Data::Str(own)
        }
        Data::List(items) | Data::Tuple(items) => {
            Data::List(items.into_iter().map(|item| literal(heap, base, notes, item)).collect::<Result<_>>()?)
        }
        Data::Dict(pairs) => {
            let pair = |(key, value)| Ok((literal_key(heap, key)?, literal(heap, base, notes, value)?));
            Data::Dict(pairs.into_iter().map(pair).collect::<Result<_>>()?)
        }
        data => data,
    };
    Ok(heap.put(data, place))
}

/// Returns a key, unless it looks like a placeholder, which the server rejects in keys.
fn literal_key(heap: &Heap, key: Id) -> Result<Id> {
    match heap.str(key).is_some_and(placeholder::is_contained_in) {
        false => Ok(key),
        true => {
            let error = Error::refused("this key looks like a placeholder of Prefect, whose server would refuse it");
            Err(at(error.hint("a job template has no placeholders: write the key out"), heap.place(key)))
        }
    }
}
