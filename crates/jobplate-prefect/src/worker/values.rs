//! Loads values, and merges dictionaries like Prefect's Python code.

use std::collections::HashSet;
use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};

use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::limits::UNSUPPORTED_HINT;
use crate::pyvalue::serialize::json_key;
use crate::pyvalue::source::{SourceFile, locate};
use crate::pyvalue::{json, yaml};

/// The maximum number of keys in the path of a dotted variable.
const MAX_PATH_LENGTH: usize = 200;

/// Returns the error for a value that makes Prefect itself fail.
pub fn prefect_error(arena: &Arena, id: ValueId, why: impl Into<String>) -> Error {
    locate(Error::input(why).hint("correct this value: Prefect fails here too"), arena.location(id))
}

/// Returns the error for a value that must be known to create the Job. `label` names what the value is for.
pub(super) fn unknown_error(arena: &Arena, id: ValueId, label: &str) -> Error {
    let error = Error::input(format!("cannot preview {label}: its value is a placeholder"));
    locate(error.hint("replace the placeholder with a value"), arena.location(id))
}

/// Returns the pairs of a mapping. Errors call the mapping `label`.
///
/// # Errors
/// Fails if the value is not a mapping, which makes Prefect itself fail.
pub(super) fn require_pairs<'h>(arena: &'h Arena, id: ValueId, label: &str) -> Result<&'h [(ValueId, ValueId)]> {
    let error = || match arena.get(id) {
        Value::Unknown(_) => unknown_error(arena, id, label),
        _ => prefect_error(arena, id, format!("{label} must be a mapping, not {}", arena.describe_kind(id))),
    };
    arena.as_dict(id).ok_or_else(error)
}

/// Loads a file as JSON if it is JSON, otherwise as YAML.
///
/// # Errors
/// Fails if the file is neither JSON nor YAML, or if its aliases repeat too many values.
pub fn load(arena: &mut Arena, source: &Rc<SourceFile>) -> Result<ValueId> {
    let root = match json::load(arena, source)? {
        Some(root) => root,
        None => yaml::load(arena, source).map_err(|error| json::invalid_json(source).unwrap_or(error))?,
    };
    spend_repetitions(arena, root, "a value that aliases repeat")?;
    Ok(root)
}

/// Pays for the values that aliases and placeholders repeat in a value: each occurrence of a value after the first.
/// `label` names what repeats them in messages.
///
/// # Errors
/// Fails if the repeated values exceed the budget of the run.
pub(crate) fn spend_repetitions(arena: &mut Arena, id: ValueId, label: &str) -> Result<()> {
    let mut seen = HashSet::new();
    spend(arena, id, label, |id| !seen.insert(id))
}

/// Pays for a copy of a value. `label` says in messages what makes the copy.
///
/// # Errors
/// Fails if the copy exceeds the budget of the run.
pub(super) fn spend_copy(arena: &mut Arena, id: ValueId, label: &str) -> Result<()> {
    spend(arena, id, label, |_| true)
}

/// Pays for each value in `id` for which `is_copy` returns true. A value in several collections is passed to `is_copy`
/// once for each collection.
fn spend(arena: &mut Arena, id: ValueId, label: &str, mut is_copy: impl FnMut(ValueId) -> bool) -> Result<()> {
    let mut budget = arena.budget;
    let mut pending = vec![id];
    while let Some(id) = pending.pop() {
        match arena.get(id) {
            Value::List(items) | Value::Tuple(items) | Value::Set(items) => pending.extend(items),
            Value::Dict(pairs) => pending.extend(pairs.iter().flat_map(|(key, value)| [*key, *value])),
            _ => {}
        }
        if is_copy(id) {
            let bytes = match arena.get(id) {
                Value::Str(text) | Value::Unknown(text) => text.len(),
                Value::Bytes(bytes) => bytes.len(),
                // A decimal digit needs more than three bits.
                Value::Int(integer) => integer.bits() as usize / 3,
                _ => 0,
            };
            let paid = budget.spend_values(1, label).and_then(|()| budget.spend_bytes(bytes, label));
            paid.map_err(|error| locate(error, arena.location(id)))?;
        }
    }
    arena.budget = budget;
    Ok(())
}

/// Converts a value like a round trip through JSON: keys are strings, and no value is shared.
///
/// # Errors
/// Fails if JSON cannot represent the value, or if aliases and placeholders repeat too many values.
pub fn to_json(arena: &mut Arena, id: ValueId) -> Result<ValueId> {
    spend_repetitions(arena, id, "a value that aliases repeat")?;
    copy_unshared(arena, id)
}

/// Converts a value like [`to_json`]. The caller has paid for the values that are repeated in it.
///
/// # Errors
/// Fails if JSON cannot represent the value.
pub(super) fn copy_unshared(arena: &mut Arena, id: ValueId) -> Result<ValueId> {
    let data = match arena.get(id).clone() {
        Value::List(items) | Value::Tuple(items) => {
            Value::List(items.into_iter().map(|item| copy_unshared(arena, item)).collect::<Result<_>>()?)
        }
        Value::Dict(pairs) => {
            let location = arena.location(id).cloned();
            let mut json_pairs = Vec::new();
            for (key, value) in pairs {
                let Some(name) = json_key(arena, key) else { return Err(json_error(arena, key)) };
                let location = arena.location(key).cloned();
                let (key, value) = (arena.alloc(Value::Str(name), location), copy_unshared(arena, value)?);
                json_pairs.push((key, value));
            }
            let json_pairs = arena.new_dict(json_pairs);
            return Ok(arena.alloc(json_pairs, location));
        }
        Value::Timestamp(_)
        | Value::Bytes(_)
        | Value::Set(_)
        | Value::Complex(..)
        | Value::Ellipsis
        | Value::Unsupported(_) => {
            return Err(json_error(arena, id));
        }
        data => data,
    };
    let location = arena.location(id).cloned();
    Ok(arena.alloc(data, location))
}

fn json_error(arena: &Arena, id: ValueId) -> Error {
    let (description, hint) = match arena.get(id) {
        Value::Timestamp(_) => ("a date".to_owned(), "put it in quotes"),
        Value::Unsupported(description) => ((*description).to_owned(), UNSUPPORTED_HINT),
        _ => (arena.describe_kind(id).to_owned(), "put it in quotes"),
    };
    locate(
        Error::input(format!("{description} cannot be sent to Prefect, which requires JSON")).hint(hint),
        arena.location(id),
    )
}

/// Returns a shallow copy of a dictionary.
pub fn copy(arena: &mut Arena, dict: ValueId) -> ValueId {
    let (data, location) = (arena.get(dict).clone(), arena.location(dict).cloned());
    arena.alloc(data, location)
}

fn merge_error(arena: &Arena, other: ValueId) -> Error {
    if let Value::Unknown(_) = arena.get(other) {
        return unknown_error(arena, other, "a mapping");
    }
    prefect_error(arena, other, format!("{} cannot be merged into a mapping", arena.describe_kind(other)))
}

/// Merges two dictionaries: `one | other`. Values of `other` have priority.
///
/// # Errors
/// Fails if `other` is not a dictionary.
pub(super) fn union(arena: &mut Arena, one: ValueId, other: ValueId) -> Result<ValueId> {
    let Some(pairs) = arena.as_dict(other).map(<[_]>::to_vec) else { return Err(merge_error(arena, other)) };
    let merged = copy(arena, one);
    pairs.into_iter().for_each(|(key, value)| arena.dict_set(merged, key, value));
    Ok(merged)
}

/// Updates a dictionary: `dict.update(other)`. `other` is a mapping, a list of pairs, or an empty string. A mapping
/// with two keys counts as a pair of its keys, and a string of two characters as a pair of its characters.
///
/// # Errors
/// Fails if `other` is any other value, or if the first item of a pair cannot be a key.
pub(super) fn update(arena: &mut Arena, dict: ValueId, other: ValueId) -> Result<()> {
    let pairs = match arena.get(other).clone() {
        Value::Dict(pairs) => pairs.to_vec(),
        Value::List(items) => items.into_iter().map(|item| to_pair(arena, item)).collect::<Result<Vec<_>>>()?,
        Value::Str(text) if text.is_empty() => Vec::new(),
        _ => return Err(merge_error(arena, other)),
    };
    pairs.into_iter().for_each(|(key, value)| arena.dict_set(dict, key, value));
    Ok(())
}

fn to_pair(arena: &mut Arena, item: ValueId) -> Result<(ValueId, ValueId)> {
    let parts: Vec<ValueId> = match arena.get(item).clone() {
        Value::List(items) => items,
        Value::Dict(pairs) => pairs.into_iter().map(|(key, _)| key).collect(),
        Value::Str(text) => text.chars().map(|c| arena.alloc_str(c)).collect(),
        _ => Vec::new(),
    };
    match parts.as_slice() {
        [key, value] if arena.is_hashable(*key) => Ok((*key, *value)),
        _ => Err(prefect_error(arena, item, "an entry that is not a pair cannot be merged into a mapping")),
    }
}

/// Merges nested mappings. If the two values of a key are not both mappings, the value of `other` has priority
/// (Prefect's `deep_merge`).
pub fn deep_merge(arena: &mut Arena, one: ValueId, other: ValueId) -> ValueId {
    let merged = copy(arena, one);
    for (key, value) in arena.as_dict(other).unwrap_or_default().to_vec() {
        let value = match arena.dict_get_by_key(merged, key) {
            Some(current) if arena.as_dict(current).is_some() && arena.as_dict(value).is_some() => {
                deep_merge(arena, current, value)
            }
            _ => value,
        };
        arena.dict_set(merged, key, value);
    }
    merged
}

/// Splits a path such as `a.b[0]` into its keys.
fn split_path(path: &str) -> Vec<String> {
    path.replace('[', ".").replace(']', "").split('.').map(str::to_owned).collect()
}

/// Sets a value at a path, and adds missing mappings (Prefect's `set_in_dict`).
///
/// # Errors
/// Fails if the path leads through a value that is not a mapping, or if the path is too long.
pub(super) fn set_in_dict(arena: &mut Arena, dict: ValueId, path: ValueId, value: ValueId) -> Result<()> {
    let keys = split_path(arena.as_str(path).unwrap_or_default());
    if keys.len() > MAX_PATH_LENGTH {
        let error = Error::input(format!("a job variable has more than {MAX_PATH_LENGTH} parts separated by dots"));
        return Err(locate(error, arena.location(path)));
    }
    let Some((last, parents)) = keys.split_last() else { return Ok(()) };
    let mut dict = dict;
    for key in parents {
        dict = match arena.dict_get(dict, key) {
            Some(inner) if arena.as_dict(inner).is_some() => inner,
            Some(_) => {
                return Err(prefect_error(
                    arena,
                    path,
                    "cannot set a job variable with dots: a value on its path is not a mapping",
                ));
            }
            None => {
                let location = arena.location(path).cloned();
                let inner = arena.alloc(Value::empty_dict(), location);
                arena.dict_set_str(dict, key, inner);
                inner
            }
        };
    }
    let location = arena.location(path).cloned();
    let key = arena.alloc(Value::Str(last.clone()), location);
    arena.dict_set(dict, key, value);
    Ok(())
}

/// Returns the value at a path, if there is one (Prefect's `get_from_dict`). An integer in the path is an index into a
/// list or string, counted from the end if it is negative. It is never a key of a mapping.
///
/// # Errors
/// Fails if too many characters of strings must be counted to find an index.
pub(super) fn get_from_dict(arena: &mut Arena, dict: ValueId, path: &str) -> Result<Option<ValueId>> {
    let mut found = dict;
    for word in split_path(path) {
        let value = match parse_position(&word) {
            Some(position) => get_item(arena, found, position, path)?,
            None => arena.dict_get(found, &word),
        };
        let Some(value) = value else { return Ok(None) };
        found = value;
    }
    Ok(Some(found))
}

/// Returns the item of a list, or the character of a string, at a position of `path`.
fn get_item(arena: &mut Arena, id: ValueId, position: i64, path: &str) -> Result<Option<ValueId>> {
    let skipped = usize::try_from(if position < 0 { -1 - position } else { position }).unwrap_or(usize::MAX);
    let letter = match arena.get(id) {
        Value::List(items) if position < 0 => return Ok(items.iter().rev().nth(skipped).copied()),
        Value::List(items) => return Ok(items.get(skipped).copied()),
        Value::Str(text) if position < 0 => text.chars().rev().nth(skipped),
        Value::Str(text) => text.chars().nth(skipped),
        _ => return Ok(None),
    };
    let length = arena.as_str(id).map_or(0, str::len);
    arena.budget.spend_bytes(skipped.min(length), format_args!("the position in `{path}`"))?;
    Ok(letter.map(|letter| arena.alloc_str(letter)))
}

/// Parses an index like Python's `int(text)`. Returns `None` if `text` is not an integer.
fn parse_position(text: &str) -> Option<i64> {
    let digits = text.trim();
    let is_grouped = digits.split('_').all(|group| !["", "-", "+"].contains(&group));
    if !is_grouped { None } else { digits.replace('_', "").parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pyvalue::string;

    fn load(arena: &mut Arena, text: &str) -> ValueId {
        yaml::load(arena, &SourceFile::new_manifest("t", text)).unwrap()
    }

    #[test]
    fn parses_positions_like_pythons_int() {
        for (text, expected) in [("+1_0", Some(10)), (" -1 ", Some(-1)), ("+_1", None), ("1__0", None), ("_1", None)] {
            assert_eq!(parse_position(text), expected, "{text:?}");
        }
    }

    #[test]
    fn gets_values_at_paths() {
        let mut arena = Arena::default();
        let values = load(&mut arena, "{a: {b: [1, {c: d}], '1': no}, s: text, '0': zero}");
        for (path, expected) in [
            ("a.b[1].c", Some("d")),
            ("a.b.1.c", Some("d")),
            ("a.b[-1].c", Some("d")),
            ("a.b[0]", Some("1")),
            ("a.b[2]", None),
            ("a.1", None),
            ("0", None),
            ("s[0]", Some("t")),
            ("s[-1]", Some("t")),
            ("s.x", None),
            ("a.", None),
            ("nope", None),
        ] {
            let found = get_from_dict(&mut arena, values, path).expect("a small position");
            assert_eq!(found.map(|id| string::str(&arena, id)).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn sets_values_at_paths() {
        let mut arena = Arena::default();
        let dict = load(&mut arena, "{a: {b: c}, s: text}");
        for (path, works) in [("a.x.y", true), ("n[0].m", true), ("s.x", false), ("plain", true)] {
            let (path_id, value) = (arena.alloc_str(path), arena.alloc_str("v"));
            assert_eq!(set_in_dict(&mut arena, dict, path_id, value).is_ok(), works, "{path}");
        }
        let repr = string::repr(&arena, dict);
        assert_eq!(repr, "{'a': {'b': 'c', 'x': {'y': 'v'}}, 's': 'text', 'n': {'0': {'m': 'v'}}, 'plain': 'v'}");
    }

    #[test]
    fn updates_a_mapping_with_a_list_of_pairs() {
        for (list, expected) in [
            ("[{name: a, value: b}]", Some("{'k': 'v', 'name': 'value'}")),
            ("[[k, w], xy]", Some("{'k': 'w', 'x': 'y'}")),
            ("[{name: a}]", None),
            ("'x'", None),
            ("''", Some("{'k': 'v'}")),
            ("~", None),
            ("3", None),
        ] {
            let mut arena = Arena::default();
            let (dict, other) = (load(&mut arena, "{k: v}"), load(&mut arena, list));
            let done = update(&mut arena, dict, other).ok().map(|()| string::repr(&arena, dict));
            assert_eq!(done.as_deref(), expected, "{list}");
        }
    }
}
