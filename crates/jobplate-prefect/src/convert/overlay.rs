//! A Job laid over that of a base job template: what is the same in both is merged, a placeholder gets the Job's value
//! as the default of its variable, and everything else of the Job is put beside what is there.

use jobplate_diagnostic::{Error, Result};

use super::base::{Base, of_the_api};
use super::notes::Notes;
use crate::placeholder;
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::at;

/// Lists of a pod whose items have a name, by which one replaces another; and the key of that name.
const BY_NAME: [(&str, &str); 6] = [
    ("initContainers", "name"),
    ("volumes", "name"),
    ("imagePullSecrets", "name"),
    ("hostAliases", "ip"),
    ("volumeMounts", "mountPath"),
    ("volumeDevices", "devicePath"),
];

/// Puts a value under a key of a mapping of the base. `way`: the keys to it, for errors.
pub(super) fn lay(
    heap: &mut Heap,
    base: &mut Base,
    notes: &mut Notes,
    dict: Id,
    key: Id,
    value: Id,
    way: &str,
) -> Result<()> {
    // To Kubernetes, a null is nothing.
    if *heap.get(value) == Data::None {
        return Ok(());
    }
    let name = heap.str(key).unwrap_or_default().to_owned();
    let way = if way.is_empty() { name.clone() } else { format!("{way}.{name}") };
    if let Some(variable) = base.variable_at(heap, dict, key)
        && base.set_default(heap, &variable, &way, value)?
    {
        return Ok(());
    }
    let there = heap.item_of(dict, key).map(|there| (there, heap.get(there).clone()));
    match (there, heap.get(value).clone()) {
        (Some((there, Data::Dict(_))), Data::Dict(pairs)) => {
            pairs.into_iter().try_for_each(|(key, value)| lay(heap, base, notes, there, key, value, &way))
        }
        (Some((there, Data::List(old))), Data::List(new)) if name == "envFrom" => {
            let new = new.into_iter().map(|item| literal(heap, base, notes, item)).collect::<Result<Vec<_>>>()?;
            *heap.get_mut(there) = Data::List([old, new].concat());
            Ok(())
        }
        (Some((there, Data::List(old))), Data::List(new)) if BY_NAME.iter().any(|(list, _)| *list == name) => {
            let of = BY_NAME.iter().find(|(list, _)| *list == name).map_or("name", |(_, of)| of);
            let mut items = old;
            for item in new {
                let item = literal(heap, base, notes, item)?;
                put_named(heap, &mut items, of, item);
            }
            *heap.get_mut(there) = Data::List(items);
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

/// Puts an item into a list, in the place of the one that has its name.
pub(super) fn put_named(heap: &Heap, items: &mut Vec<Id>, of: &str, item: Id) {
    let name = heap.item(item, of);
    let same = items.iter().position(|own| match (heap.item(*own, of), name) {
        (Some(own), Some(name)) => heap.equal(own, name),
        _ => false,
    });
    match same {
        Some(position) => items[position] = item,
        None => items.push(item),
    }
}

/// A value as it has to stand in a template to come out as it is.
pub(super) fn literal(heap: &mut Heap, base: &mut Base, notes: &mut Notes, value: Id) -> Result<Id> {
    let place = heap.place(value).cloned();
    let data = match heap.get(value).clone() {
        Data::Str(text) if placeholder::contains_api_placeholder(&text) => {
            return Err(at(of_the_api(), place.as_ref()));
        }
        Data::Str(text) if placeholder::is_contained_in(&text) => {
            let own = base.behind_variable(heap, &text);
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

/// A key, in which the server does not take a placeholder for a text.
fn literal_key(heap: &Heap, key: Id) -> Result<Id> {
    match heap.str(key).is_some_and(placeholder::is_contained_in) {
        false => Ok(key),
        true => {
            let error = Error::refused("this key looks like a placeholder of Prefect, whose server would refuse it");
            Err(at(error.hint("a job template has no placeholders: write the key out"), heap.place(key)))
        }
    }
}
