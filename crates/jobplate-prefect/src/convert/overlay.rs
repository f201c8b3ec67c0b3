//! Overlays a Job on the Job of a base job template. Mappings are merged, and so are lists that Kubernetes merges.
//! Where the base has a placeholder, the value becomes the default of the placeholder's variable. Any other value is
//! added or overrides the base's value.

use std::collections::HashMap;

use jobplate_diagnostic::{Diagnostic, Error, Result};

use super::base::{Base, api_placeholder_error};
use super::notes::ConversionNotes;
use crate::placeholder;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::dict::DictKey;
use crate::pyvalue::source::locate;

/// The pod's lists that Kubernetes merges by a key of their items, each with its merge key.
const MERGE_KEYS: [(&str, &str); 6] = [
    ("initContainers", "name"),
    ("volumes", "name"),
    ("imagePullSecrets", "name"),
    ("hostAliases", "ip"),
    ("volumeMounts", "mountPath"),
    ("volumeDevices", "devicePath"),
];

/// Overlays `value` on `key` of the mapping `dict` in the base. `path` is the path of the mapping in the job template,
/// for messages.
///
/// # Errors
/// Fails if the schema of a variable rejects the value, or if the value cannot be written as a literal.
pub(super) fn overlay(
    arena: &mut Arena,
    base: &mut Base,
    notes: &mut ConversionNotes,
    dict: ValueId,
    key: ValueId,
    value: ValueId,
    path: &str,
) -> Result<()> {
    // Kubernetes treats a null as a missing field, so the base's value is kept.
    if *arena.get(value) == Value::None {
        return Ok(());
    }
    let name = arena.as_str(key).unwrap_or_default().to_owned();
    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
    if let Some(variable) = base.variable_at(arena, dict, key)
        && base.set_default(arena, &variable, &path, value)?
    {
        return Ok(());
    }
    let current = arena.dict_get_by_key(dict, key).map(|current| (current, arena.get(current).clone()));
    match (current, arena.get(value).clone()) {
        (Some((current, Value::Dict(_))), Value::Dict(pairs)) => {
            pairs.into_iter().try_for_each(|(key, value)| overlay(arena, base, notes, current, key, value, &path))
        }
        (Some((current, Value::List(old))), Value::List(new)) if name == "envFrom" => {
            let new = new.into_iter().map(|item| to_literal(arena, base, notes, item)).collect::<Result<Vec<_>>>()?;
            *arena.get_mut(current) = Value::List([old, new].concat());
            Ok(())
        }
        (Some((current, Value::List(old))), Value::List(new)) if MERGE_KEYS.iter().any(|(list, _)| *list == name) => {
            let merge_key = MERGE_KEYS.iter().find(|(list, _)| *list == name).map_or("name", |(_, key)| key);
            let mut items = MergedList::new(arena, old, merge_key);
            for item in new {
                let item = to_literal(arena, base, notes, item)?;
                items.replace_or_push(arena, item);
            }
            *arena.get_mut(current) = Value::List(items.items);
            Ok(())
        }
        _ => {
            let value = to_literal(arena, base, notes, value)?;
            let key = to_literal_key(arena, key)?;
            arena.dict_set(dict, key, value);
            Ok(())
        }
    }
}

/// A list that Kubernetes merges by a key of its items.
pub(super) struct MergedList<'k> {
    /// The items.
    pub(super) items: Vec<ValueId>,
    merge_key: &'k str,
    /// The index of the first item with each value of the merge key.
    indices: HashMap<DictKey, usize>,
}

impl<'k> MergedList<'k> {
    /// Returns a list of `items`, which can have the same value of `merge_key`.
    pub(super) fn new(arena: &Arena, items: Vec<ValueId>, merge_key: &'k str) -> Self {
        let mut list = MergedList { items, merge_key, indices: HashMap::new() };
        for (index, item) in list.items.iter().enumerate() {
            if let Some(key) = arena.dict_get(*item, merge_key) {
                list.indices.entry(arena.dict_key(key)).or_insert(index);
            }
        }
        list
    }

    /// Adds an item to the list, or replaces the first item that has the same value of the merge key.
    pub(super) fn replace_or_push(&mut self, arena: &Arena, item: ValueId) {
        let key = arena.dict_get(item, self.merge_key).map(|key| arena.dict_key(key));
        match key.map(|key| *self.indices.entry(key).or_insert(self.items.len())) {
            Some(index) if index < self.items.len() => self.items[index] = item,
            _ => self.items.push(item),
        }
    }
}

/// Returns the form of a value that Prefect leaves unchanged in a template. Adds a note about each string that must be
/// escaped.
///
/// # Errors
/// Fails if Prefect would replace a string or reject a key in any form.
pub(super) fn to_literal(
    arena: &mut Arena,
    base: &mut Base,
    notes: &mut ConversionNotes,
    value: ValueId,
) -> Result<ValueId> {
    let location = arena.location(value).cloned();
    let data = match arena.get(value).clone() {
        Value::Str(text) if placeholder::contains_api_placeholder(&text) => {
            return Err(locate(api_placeholder_error(), location.as_ref()));
        }
        Value::Str(text) if placeholder::is_contained_in(&text) => {
            let escaped = base.escape(arena, &text);
            let text = format!(
                "this string contains a placeholder of Prefect; it is now the default of the variable of {escaped}, which keeps it unchanged"
            );
            notes.add(Diagnostic::info("escaped-placeholder", text), location.as_ref());
            Value::Str(escaped)
        }
        Value::List(items) | Value::Tuple(items) => {
            Value::List(items.into_iter().map(|item| to_literal(arena, base, notes, item)).collect::<Result<_>>()?)
        }
        Value::Dict(pairs) => {
            let convert_pair = |(key, value)| Ok((to_literal_key(arena, key)?, to_literal(arena, base, notes, value)?));
            let pairs = pairs.into_iter().map(convert_pair).collect::<Result<Vec<_>>>()?;
            arena.new_dict(pairs)
        }
        data => data,
    };
    Ok(arena.alloc(data, location))
}

/// Returns a key unchanged. Fails if it looks like a placeholder, which the server rejects in keys.
fn to_literal_key(arena: &Arena, key: ValueId) -> Result<ValueId> {
    match arena.as_str(key).is_some_and(placeholder::is_contained_in) {
        false => Ok(key),
        true => {
            let error = Error::refused("invalid key: Prefect's server rejects keys that look like a placeholder");
            Err(locate(
                error.hint("write the key without `{{ }}`: Prefect 1 does not replace placeholders"),
                arena.location(key),
            ))
        }
    }
}
