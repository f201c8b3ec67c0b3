//! Python's ways with nested dictionaries, as Prefect merges job variables with them.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};

use crate::pyvalue::heap::{Data, Heap, Id, LastOfEach};
use crate::pyvalue::limits::NOT_FOLLOWED;
use crate::pyvalue::send::{MOST, key_text};
use crate::pyvalue::source::{Text, at};
use crate::pyvalue::{json, yaml};

/// Words of a dotted variable: as deep as anything may be nested here.
const DEEPEST: usize = 200;

/// An error where Prefect fails, too.
pub fn fails(heap: &Heap, id: Id, why: impl Into<String>) -> Error {
    at(Error::input(why).hint("Prefect itself fails here"), heap.place(id))
}

/// A text as a value: JSON, if it is JSON, else YAML.
///
/// # Errors
/// Fails, with a place, where the text can't be read as either.
pub fn load(heap: &mut Heap, source: &Rc<Text>) -> Result<Id> {
    let root = match json::load(heap, source) {
        Some(root) => root,
        None => yaml::load(heap, source).map_err(|error| json::no_json(source).unwrap_or(error))?,
    };
    check_size(heap, root)?;
    Ok(root)
}

/// Refuses what aliases make larger than any object can be.
fn check_size(heap: &Heap, id: Id) -> Result<()> {
    match heap.is_larger_than(id, MOST) {
        true => Err(at(Error::input("this is larger than any object can be"), heap.place(id))),
        false => Ok(()),
    }
}

/// The value as JSON carries it: keys are texts, nothing is shared.
///
/// # Errors
/// Fails at what JSON does not have, and at what aliases make larger than any object can be.
pub fn as_json(heap: &mut Heap, id: Id) -> Result<Id> {
    check_size(heap, id)?;
    unshared(heap, id)
}

fn unshared(heap: &mut Heap, id: Id) -> Result<Id> {
    let data = match heap.get(id).clone() {
        Data::List(items) | Data::Tuple(items) => {
            Data::List(items.into_iter().map(|item| unshared(heap, item)).collect::<Result<_>>()?)
        }
        Data::Dict(pairs) => {
            let place = heap.place(id).cloned();
            let mut own = LastOfEach::default();
            for (key, value) in pairs {
                let Some(name) = key_text(heap, key) else { return Err(no_json(heap, key)) };
                let place = heap.place(key).cloned();
                let (key, value) = (heap.put(Data::Str(name.clone()), place), unshared(heap, value)?);
                own.set(name, key, value);
            }
            return Ok(heap.put(own.dict(), place));
        }
        Data::Time(_) | Data::Bytes(_) | Data::Set(_) | Data::Complex(..) | Data::Ellipsis | Data::Other(_) => {
            return Err(no_json(heap, id));
        }
        data => data,
    };
    let place = heap.place(id).cloned();
    Ok(heap.put(data, place))
}

fn no_json(heap: &Heap, id: Id) -> Error {
    let (what, hint) = match heap.get(id) {
        Data::Time(_) => ("a date".to_owned(), "put it in quotes"),
        Data::Other(what) => ((*what).to_owned(), NOT_FOLLOWED),
        _ => (heap.kind(id).to_owned(), "put it in quotes"),
    };
    at(Error::input(format!("{what} can't be sent to Prefect, which takes JSON")).hint(hint), heap.place(id))
}

/// A copy of a dictionary with the same values.
pub fn copy(heap: &mut Heap, dict: Id) -> Id {
    let (data, place) = (heap.get(dict).clone(), heap.place(dict).cloned());
    heap.put(data, place)
}

/// `one | other`, of which both must be dictionaries.
pub(super) fn union(heap: &mut Heap, one: Id, other: Id) -> Result<Id> {
    let Some(pairs) = heap.dict(other).map(<[_]>::to_vec) else {
        return Err(fails(heap, other, format!("{} cannot be merged into a mapping", heap.kind(other))));
    };
    let both = copy(heap, one);
    pairs.into_iter().for_each(|(key, value)| heap.set(both, key, value));
    Ok(both)
}

/// `dict.update(other)`: of a mapping, or of pairs. A mapping of two keys is a pair, too: Python goes through its keys.
pub(super) fn update(heap: &mut Heap, dict: Id, other: Id) -> Result<()> {
    let pairs = match heap.get(other).clone() {
        Data::Dict(pairs) => pairs,
        Data::List(items) => items.into_iter().map(|item| pair(heap, item)).collect::<Result<Vec<_>>>()?,
        Data::Str(text) if text.is_empty() => Vec::new(),
        _ => return Err(fails(heap, other, format!("{} cannot be merged into a mapping", heap.kind(other)))),
    };
    pairs.into_iter().for_each(|(key, value)| heap.set(dict, key, value));
    Ok(())
}

fn pair(heap: &mut Heap, item: Id) -> Result<(Id, Id)> {
    let parts: Vec<Id> = match heap.get(item).clone() {
        Data::List(items) => items,
        Data::Dict(pairs) => pairs.into_iter().map(|(key, _)| key).collect(),
        Data::Str(text) => text.chars().map(|c| heap.text(c)).collect(),
        _ => Vec::new(),
    };
    match parts.as_slice() {
        [key, value] if heap.is_hashable(*key) => Ok((*key, *value)),
        _ => Err(fails(heap, item, "an entry that is no pair cannot be merged into a mapping")),
    }
}

/// Prefect's `deep_merge`: mappings within one another are merged, all else is replaced.
pub fn deep_merge(heap: &mut Heap, one: Id, other: Id) -> Id {
    let merged = copy(heap, one);
    for (key, value) in heap.dict(other).unwrap_or_default().to_vec() {
        let value = match heap.item_of(merged, key) {
            Some(own) if heap.dict(own).is_some() && heap.dict(value).is_some() => deep_merge(heap, own, value),
            _ => value,
        };
        heap.set(merged, key, value);
    }
    merged
}

/// The words of a path such as `a.b[0]`.
fn words(path: &str) -> Vec<String> {
    path.replace('[', ".").replace(']', "").split('.').map(str::to_owned).collect()
}

/// Prefect's `set_in_dict`: makes mappings on the way.
pub(super) fn set_in_dict(heap: &mut Heap, dict: Id, path: Id, value: Id) -> Result<()> {
    let words = words(heap.str(path).unwrap_or_default());
    if words.len() > DEEPEST {
        let error = Error::input(format!("a variable of more than {DEEPEST} words with dots between them"));
        return Err(at(error, heap.place(path)));
    }
    let Some((last, way)) = words.split_last() else { return Ok(()) };
    let mut dict = dict;
    for word in way {
        dict = match heap.item(dict, word) {
            Some(inner) if heap.dict(inner).is_some() => inner,
            Some(_) => {
                return Err(fails(heap, path, "a dotted variable that leads through a value that is no mapping"));
            }
            None => {
                let place = heap.place(path).cloned();
                let inner = heap.put(Data::Dict(Vec::new()), place);
                heap.set_item(dict, word, inner);
                inner
            }
        };
    }
    let place = heap.place(path).cloned();
    let key = heap.put(Data::Str(last.clone()), place);
    heap.set(dict, key, value);
    Ok(())
}

/// Prefect's `get_from_dict`: none where the path leads nowhere. Whole numbers are positions in lists and texts,
/// negative ones from their end, and never keys that are text.
pub fn get_from_dict(heap: &mut Heap, dict: Id, path: &str) -> Option<Id> {
    words(path).iter().try_fold(dict, |at, word| {
        let Some(number) = whole_number(word) else { return heap.item(at, word) };
        let position = |count: usize| {
            let number = if number < 0 { number.checked_add(i64::try_from(count).ok()?)? } else { number };
            usize::try_from(number).ok()
        };
        match heap.get(at) {
            Data::List(items) => items.get(position(items.len())?).copied(),
            Data::Str(text) => {
                let letter = text.chars().nth(position(text.chars().count())?)?;
                Some(heap.text(letter))
            }
            _ => None,
        }
    })
}

/// `int(text)`, as far as it can be a position.
fn whole_number(text: &str) -> Option<i64> {
    let digits = text.trim();
    let digits =
        digits.strip_prefix('+').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(digits);
    let is_grouped = digits.split('_').all(|group| !group.is_empty() && group != "-");
    if !is_grouped { None } else { digits.replace('_', "").parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pyvalue::text;

    fn load(heap: &mut Heap, text: &str) -> Id {
        yaml::load(heap, &Text::manifest("t", text)).unwrap()
    }

    #[test]
    fn paths_lead_into_values() {
        let mut heap = Heap::default();
        let values = load(&mut heap, "{a: {b: [1, {c: d}], '1': no}, s: text, '0': zero}");
        for (path, wanted) in [
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
            let found = get_from_dict(&mut heap, values, path);
            assert_eq!(found.map(|id| text::str(&heap, id)).as_deref(), wanted, "{path}");
        }
    }

    #[test]
    fn dotted_variables_make_mappings() {
        let mut heap = Heap::default();
        let dict = load(&mut heap, "{a: {b: c}, s: text}");
        for (path, works) in [("a.x.y", true), ("n[0].m", true), ("s.x", false), ("plain", true)] {
            let (path_id, value) = (heap.text(path), heap.text("v"));
            assert_eq!(set_in_dict(&mut heap, dict, path_id, value).is_ok(), works, "{path}");
        }
        let repr = text::repr(&heap, dict);
        assert_eq!(repr, "{'a': {'b': 'c', 'x': {'y': 'v'}}, 's': 'text', 'n': {'0': {'m': 'v'}}, 'plain': 'v'}");
    }

    #[test]
    fn a_list_over_a_mapping_is_one_of_pairs() {
        for (list, wanted) in [
            ("[{name: a, value: b}]", Some("{'k': 'v', 'name': 'value'}")),
            ("[[k, w], xy]", Some("{'k': 'w', 'x': 'y'}")),
            ("[{name: a}]", None),
            ("'x'", None),
            ("''", Some("{'k': 'v'}")),
            ("~", None),
            ("3", None),
        ] {
            let mut heap = Heap::default();
            let (dict, other) = (load(&mut heap, "{k: v}"), load(&mut heap, list));
            let done = update(&mut heap, dict, other).ok().map(|()| text::repr(&heap, dict));
            assert_eq!(done.as_deref(), wanted, "{list}");
        }
    }
}
