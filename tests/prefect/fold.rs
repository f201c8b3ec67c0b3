//! Describes a Job by its differences from another Job. Names replace the parts that are equal.
//!
//! | in the folded Job | meaning |
//! |---|---|
//! | a key `FIRST .. LAST` | the keys of the other Job from the first to the last, with their values |
//! | a value `=` | the mapping or list at the same path of the other Job |
//! | a string `NAME`, or `FIRST .. LAST`, among variables | the variables of the other Job with these names |

use crate::json::Json;

/// The separator between the first and the last of several consecutive parts.
const RANGE: &str = " .. ";

/// The replacement for an equal mapping or list.
const SAME: &str = "=";

/// Folds a value relative to `other`, the value at the same path of the other Job.
pub(crate) fn fold(own: &Json, other: &Json) -> Json {
    match (own, other) {
        (Json::Map(own), Json::Map(other)) => Json::Map(fold_map(own, other)),
        (Json::List(own), Json::List(other)) if are_variables(other) => Json::List(fold_variables(own, other)),
        (Json::List(own), Json::List(other)) => {
            let item = |(place, own): (usize, &Json)| match other.get(place) {
                Some(other) => fold(own, other),
                None => own.clone(),
            };
            Json::List(own.iter().enumerate().map(item).collect())
        }
        _ => own.clone(),
    }
}

type Pair = (Vec<u16>, Json);

fn fold_map(own: &[Pair], other: &[Pair]) -> Vec<Pair> {
    let are_same = |(one, other): &(&Pair, &Pair)| one.0 == other.0 && is_same(&one.1, &other.1);
    let mut folded = Vec::new();
    let mut rest = own;
    while let [first, ..] = rest {
        let start = other.iter().position(|pair| pair.0 == first.0);
        let count = start.map_or(0, |start| rest.iter().zip(&other[start..]).take_while(are_same).count());
        match (start, count) {
            (None, _) => folded.push(first.clone()),
            (Some(start), 0) => folded.push((first.0.clone(), fold(&first.1, &other[start].1))),
            (_, 1) if is_collection(&first.1) => folded.push((first.0.clone(), Json::text(SAME))),
            (_, 1) => folded.push(first.clone()),
            _ => {
                let key: Vec<u16> = [&first.0[..], &to_utf16(RANGE), &rest[count - 1].0].concat();
                folded.push((key, Json::Null));
            }
        }
        rest = &rest[count.max(1)..];
    }
    folded
}

fn fold_variables(own: &[Json], other: &[Json]) -> Vec<Json> {
    let mut folded = Vec::new();
    let mut rest = own;
    while let [first, ..] = rest {
        let start = other.iter().position(|entry| is_same(entry, first));
        let row = start.map_or(&[][..], |start| &other[start..]);
        let count = row.iter().zip(rest).take_while(|(other, own)| is_same(other, own)).count();
        match row[..count].iter().filter_map(name_of).collect::<Vec<_>>().as_slice() {
            [] => folded.push(first.clone()),
            [name] => folded.push(Json::text(name)),
            [first, .., last] => folded.push(Json::text(&format!("{first}{RANGE}{last}"))),
        }
        rest = &rest[count.max(1)..];
    }
    folded
}

/// Restores a folded value. Fails if `other` does not have a part that the folded value names.
pub(crate) fn unfold(folded: &Json, other: &Json) -> Result<Json, String> {
    match (folded, other) {
        (folded, other) if is_collection(other) && folded.as_text().as_deref() == Some(SAME) => Ok(other.clone()),
        (Json::Map(pairs), Json::Map(other)) => unfold_map(pairs, other).map(Json::Map),
        (Json::List(items), Json::List(other)) if are_variables(other) => {
            unfold_variables(items, other).map(Json::List)
        }
        (Json::List(items), Json::List(other)) => {
            let item = |(place, item): (usize, &Json)| match other.get(place) {
                Some(other) => unfold(item, other),
                None => Ok(item.clone()),
            };
            items.iter().enumerate().map(item).collect::<Result<_, _>>().map(Json::List)
        }
        _ => Ok(folded.clone()),
    }
}

fn unfold_map(pairs: &[Pair], other: &[Pair]) -> Result<Vec<Pair>, String> {
    let position = |key: &str| {
        let position = other.iter().position(|pair| pair.0 == to_utf16(key));
        position.ok_or_else(|| format!("nothing is called {key:?}"))
    };
    let mut unfolded = Vec::new();
    for (key, value) in pairs {
        let text = String::from_utf16_lossy(key);
        match (text.split_once(RANGE), value) {
            (Some((first, last)), Json::Null) => {
                unfolded.extend_from_slice(other.get(position(first)?..=position(last)?).ok_or("a run backwards")?);
            }
            _ => match other.iter().find(|pair| pair.0 == *key) {
                Some((_, other)) => unfolded.push((key.clone(), unfold(value, other)?)),
                None => unfolded.push((key.clone(), value.clone())),
            },
        }
    }
    Ok(unfolded)
}

fn unfold_variables(items: &[Json], other: &[Json]) -> Result<Vec<Json>, String> {
    let position = |own: &str| {
        let position = other.iter().position(|entry| name_of(entry).is_some_and(|name| name == own));
        position.ok_or_else(|| format!("no variable is called {own:?}"))
    };
    let mut unfolded = Vec::new();
    for item in items {
        let Some(names) = item.as_text() else {
            unfolded.push(item.clone());
            continue;
        };
        let (first, last) = names.split_once(RANGE).unwrap_or((&names, &names));
        unfolded.extend_from_slice(other.get(position(first)?..=position(last)?).ok_or("a run backwards")?);
    }
    Ok(unfolded)
}

/// Returns whether the items are entries of `env` with only `name` and `value`.
fn are_variables(items: &[Json]) -> bool {
    let is_variable = |item: &Json| match item {
        Json::Map(pairs) => pairs.iter().all(|(key, _)| ["name", "value"].iter().any(|name| to_utf16(name) == *key)),
        _ => false,
    };
    !items.is_empty() && items.iter().all(is_variable)
}

/// Returns whether two values have the same JSON text. The texts of 0 and 0.0 differ.
fn is_same(own: &Json, other: &Json) -> bool {
    own.to_text() == other.to_text()
}

fn is_collection(value: &Json) -> bool {
    matches!(value, Json::Map(_) | Json::List(_))
}

fn name_of(entry: &Json) -> Option<String> {
    entry.get("name")?.as_text()
}

fn to_utf16(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

#[test]
fn folded_jobs_unfold() {
    let other =
        Json::parse(r#"{"a":1,"b":{"x":1},"c":[{"name":"A","value":"1"},{"name":"B"}],"d":[{"e":[],"f":2}],"g":3}"#)
            .unwrap();
    for (own, folded) in [
        (r#"{"a":1,"b":{"x":1},"c":[],"d":[{"e":[],"f":2}]}"#, r#"{"a .. b":null,"c":[],"d":"="}"#),
        (r#"{"c":[{"name":"A","value":"1"},{"name":"B"},{"name":"A"}]}"#, r#"{"c":["A .. B",{"name":"A"}]}"#),
        (r#"{"b":{"x":2,"y":0},"d":[{"f":2},5],"a":1}"#, r#"{"b":{"x":2,"y":0},"d":[{"f":2},5],"a":1}"#),
        (r#"{"d":[{"e":[],"f":3}],"g":{}}"#, r#"{"d":[{"e":"=","f":3}],"g":{}}"#),
    ] {
        let own = Json::parse(own).unwrap();
        assert_eq!(fold(&own, &other).to_text(), folded);
        assert_eq!(unfold(&fold(&own, &other), &other).unwrap().to_text(), own.to_text());
    }
}
