//! A Job laid over that of a base job template: what is the same in both is merged, a placeholder gets the Job's value
//! as the default of its variable, and everything else of the Job is put beside what is there.

use jobplate_diagnostic::{Error, Result};

use super::base::{Base, of_the_api};
use super::notes::Notes;
use crate::placeholder;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate;

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
    arena: &mut Arena,
    base: &mut Base,
    notes: &mut Notes,
    dict: ValueId,
    key: ValueId,
    value: ValueId,
    way: &str,
) -> Result<()> {
    // To Kubernetes, a null is nothing.
    if *arena.get(value) == Value::None {
        return Ok(());
    }
    let name = arena.as_str(key).unwrap_or_default().to_owned();
    let way = if way.is_empty() { name.clone() } else { format!("{way}.{name}") };
    if let Some(variable) = base.variable_at(arena, dict, key)
        && base.set_default(arena, &variable, &way, value)?
    {
        return Ok(());
    }
    let there = arena.dict_get_by_key(dict, key).map(|there| (there, arena.get(there).clone()));
    match (there, arena.get(value).clone()) {
        (Some((there, Value::Dict(_))), Value::Dict(pairs)) => {
            pairs.into_iter().try_for_each(|(key, value)| lay(arena, base, notes, there, key, value, &way))
        }
        (Some((there, Value::List(old))), Value::List(new)) if name == "envFrom" => {
            let new = new.into_iter().map(|item| literal(arena, base, notes, item)).collect::<Result<Vec<_>>>()?;
            *arena.get_mut(there) = Value::List([old, new].concat());
            Ok(())
        }
        (Some((there, Value::List(old))), Value::List(new)) if BY_NAME.iter().any(|(list, _)| *list == name) => {
            let of = BY_NAME.iter().find(|(list, _)| *list == name).map_or("name", |(_, of)| of);
            let mut items = old;
            for item in new {
                let item = literal(arena, base, notes, item)?;
                put_named(arena, &mut items, of, item);
            }
            *arena.get_mut(there) = Value::List(items);
            Ok(())
        }
        _ => {
            let value = literal(arena, base, notes, value)?;
            let key = literal_key(arena, key)?;
            arena.dict_set(dict, key, value);
            Ok(())
        }
    }
}

/// Puts an item into a list, in the place of the one that has its name.
pub(super) fn put_named(arena: &Arena, items: &mut Vec<ValueId>, of: &str, item: ValueId) {
    let name = arena.dict_get(item, of);
    let same = items.iter().position(|own| match (arena.dict_get(*own, of), name) {
        (Some(own), Some(name)) => arena.is_same_key(own, name),
        _ => false,
    });
    match same {
        Some(position) => items[position] = item,
        None => items.push(item),
    }
}

/// A value as it has to stand in a template to come out as it is.
pub(super) fn literal(arena: &mut Arena, base: &mut Base, notes: &mut Notes, value: ValueId) -> Result<ValueId> {
    let location = arena.location(value).cloned();
    let data = match arena.get(value).clone() {
        Value::Str(text) if placeholder::contains_api_placeholder(&text) => {
            return Err(locate(of_the_api(), location.as_ref()));
        }
        Value::Str(text) if placeholder::is_contained_in(&text) => {
            let own = base.behind_variable(arena, &text);
            notes.add(
                format!("this text looks like a placeholder of Prefect, and stays a text: as the default of the variable of {own}"),
                location.as_ref(),
            );
            Value::Str(own)
        }
        Value::List(items) | Value::Tuple(items) => {
            Value::List(items.into_iter().map(|item| literal(arena, base, notes, item)).collect::<Result<_>>()?)
        }
        Value::Dict(pairs) => {
            let pair = |(key, value)| Ok((literal_key(arena, key)?, literal(arena, base, notes, value)?));
            let pairs = pairs.into_iter().map(pair).collect::<Result<Vec<_>>>()?;
            arena.new_dict(pairs)
        }
        data => data,
    };
    Ok(arena.alloc(data, location))
}

/// A key, in which the server does not take a placeholder for a text.
fn literal_key(arena: &Arena, key: ValueId) -> Result<ValueId> {
    match arena.as_str(key).is_some_and(placeholder::is_contained_in) {
        false => Ok(key),
        true => {
            let error = Error::refused("this key looks like a placeholder of Prefect, whose server would refuse it");
            Err(locate(error.hint("a job template has no placeholders: write the key out"), arena.location(key)))
        }
    }
}
