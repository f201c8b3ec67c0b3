//! Python's objects: values, each with the location where it is written. Several collections can contain the same
//! value.
//!
//! A list or dictionary has an identity in Python. With a YAML alias, two collections contain the same object, and a
//! change to it is visible in both. So an [`Arena`] owns all values, and a [`ValueId`] identifies one of them.

use num_bigint::BigInt;

pub use super::dict::ValueId;
use super::dict::{Dict, DictKey};
use super::limits::Budget;
use super::source::Location;
use super::timestamp::Timestamp;

/// A Python value, or a placeholder for a value that is unknown or that this crate cannot represent.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`
    None,
    /// `bool`
    Bool(bool),
    /// `int`. Python does not limit its size.
    Int(BigInt),
    /// `float`
    Float(f64),
    /// `str`
    Str(String),
    /// `bytes`
    Bytes(Vec<u8>),
    /// `datetime.date` or `datetime.datetime`
    Timestamp(Timestamp),
    /// `list`
    List(Vec<ValueId>),
    /// `tuple`
    Tuple(Vec<ValueId>),
    /// `dict`
    Dict(Dict),
    /// `set`
    Set(Vec<ValueId>),
    /// The placeholder for a string that only the cluster knows, such as the value of a Secret's key.
    Unknown(String),
    /// `complex`: the real and the imaginary part.
    Complex(f64, f64),
    /// `...`
    Ellipsis,
    /// The description of a Python value that this crate cannot represent.
    Unsupported(&'static str),
}

impl Value {
    /// Returns an empty dictionary.
    pub fn empty_dict() -> Self {
        Value::Dict(Dict::default())
    }
}

/// The owner of all values of one run.
#[derive(Debug, Default)]
pub struct Arena {
    values: Vec<(Value, Option<Location>)>,
    /// What remains for copies of values and text.
    pub(crate) budget: Budget,
}

impl Arena {
    /// Adds a value and the location where it is written, if any. Returns the value's ID.
    pub fn alloc(&mut self, data: Value, location: Option<Location>) -> ValueId {
        self.values.push((data, location));
        ValueId(self.values.len() as u32 - 1)
    }

    /// Adds a string without a location. Returns the value's ID.
    pub fn alloc_str(&mut self, text: impl Into<String>) -> ValueId {
        self.alloc(Value::Str(text.into()), None)
    }

    /// Returns a dictionary of `pairs`. If several pairs have the same key, the first pair determines the key and its
    /// position, and the last pair determines the value.
    pub fn new_dict(&self, pairs: impl IntoIterator<Item = (ValueId, ValueId)>) -> Value {
        let mut dict = Dict::default();
        pairs.into_iter().for_each(|(key, value)| dict.insert(self.dict_key(key), key, value));
        Value::Dict(dict)
    }

    /// Returns the value that `id` identifies.
    pub fn get(&self, id: ValueId) -> &Value {
        &self.values[id.0 as usize].0
    }

    /// Returns a mutable reference to the value that `id` identifies.
    pub fn get_mut(&mut self, id: ValueId) -> &mut Value {
        &mut self.values[id.0 as usize].0
    }

    /// Returns the location where a value is written. `None` if the value was not read from a file.
    pub fn location(&self, id: ValueId) -> Option<&Location> {
        self.values[id.0 as usize].1.as_ref()
    }

    /// Returns the text of a `str`, or `None` for other types.
    pub fn as_str(&self, id: ValueId) -> Option<&str> {
        match self.get(id) {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the pairs of a `dict`, or `None` for other types.
    pub fn as_dict(&self, id: ValueId) -> Option<&[(ValueId, ValueId)]> {
        match self.get(id) {
            Value::Dict(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// Returns the items of a `list`, or an empty slice for other types.
    pub fn list_items(&self, id: ValueId) -> &[ValueId] {
        match self.get(id) {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// Returns the value of a string key, or `None` if the key is missing or `dict` is not a `dict`.
    pub fn dict_get(&self, dict: ValueId, key: &str) -> Option<ValueId> {
        match self.get(dict) {
            Value::Dict(pairs) => pairs.get_str(key),
            _ => None,
        }
    }

    /// Returns the value of a key of any type, or `None` if the key is missing or `dict` is not a `dict`.
    pub fn dict_get_by_key(&self, dict: ValueId, key: ValueId) -> Option<ValueId> {
        match self.get(dict) {
            Value::Dict(pairs) => pairs.get(&self.dict_key(key)),
            _ => None,
        }
    }

    /// Sets `dict[key] = value`. Does nothing if `dict` is not a `dict`.
    pub fn dict_set(&mut self, dict: ValueId, key: ValueId, value: ValueId) {
        let dict_key = self.dict_key(key);
        if let Value::Dict(pairs) = self.get_mut(dict) {
            pairs.insert(dict_key, key, value);
        }
    }

    /// Sets `dict[key] = value` for a string key. Does nothing if `dict` is not a `dict`.
    pub fn dict_set_str(&mut self, dict: ValueId, key: &str, value: ValueId) {
        let key = self.alloc_str(key);
        self.dict_set(dict, key, value);
    }

    /// Returns the dictionary key of a value. The key of NaN, or of a value that is not hashable, is equal only to
    /// itself.
    pub fn dict_key(&self, id: ValueId) -> DictKey {
        match self.get(id) {
            Value::Str(text) => DictKey::Str(text.clone()),
            Value::Unknown(text) => DictKey::Unknown(text.clone()),
            Value::Bool(boolean) => DictKey::Int(BigInt::from(u8::from(*boolean))),
            Value::Int(integer) => DictKey::Int(integer.clone()),
            Value::Float(float) if float.is_nan() => DictKey::Identity(id),
            // Rust prints a whole number exactly and without an exponent, so the output parses as an integer.
            Value::Float(float) => match format!("{float}").parse() {
                Ok(integer) => DictKey::Int(integer),
                Err(_) => DictKey::Other(format!("{float}")),
            },
            Value::Tuple(items) => DictKey::Tuple(items.iter().map(|item| self.dict_key(*item)).collect()),
            Value::List(_) | Value::Dict(_) | Value::Set(_) => DictKey::Identity(id),
            other => DictKey::Other(format!("{other:?}")),
        }
    }

    /// Returns whether two values are the same key of a `dict`, like `1`, `1.0` and `True`. Collections, which cannot be
    /// keys, are the same if they contain the same values by identity: two empty lists are.
    pub fn is_same_key(&self, one: ValueId, other: ValueId) -> bool {
        match (self.get(one), self.get(other)) {
            (Value::Str(one), Value::Str(other)) => one == other,
            (value, other_value) => value == other_value || self.dict_key(one) == self.dict_key(other),
        }
    }

    /// Returns whether a value can be a key of a `dict`.
    pub fn is_hashable(&self, id: ValueId) -> bool {
        match self.get(id) {
            Value::List(_) | Value::Dict(_) | Value::Set(_) => false,
            Value::Tuple(items) => items.iter().all(|item| self.is_hashable(*item)),
            _ => true,
        }
    }

    /// Returns `bool(value)`.
    pub fn is_truthy(&self, id: ValueId) -> bool {
        match self.get(id) {
            Value::None => false,
            Value::Bool(boolean) => *boolean,
            Value::Int(integer) => *integer != BigInt::ZERO,
            Value::Float(float) => *float != 0.0,
            Value::Str(text) => !text.is_empty(),
            Value::Bytes(bytes) => !bytes.is_empty(),
            Value::List(items) | Value::Tuple(items) | Value::Set(items) => !items.is_empty(),
            Value::Dict(pairs) => !pairs.is_empty(),
            Value::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Value::Timestamp(_) | Value::Unknown(_) | Value::Ellipsis | Value::Unsupported(_) => true,
        }
    }

    /// Returns the description of a value's type for messages.
    pub fn describe_kind(&self, id: ValueId) -> &'static str {
        match self.get(id) {
            Value::None => "empty",
            Value::Bool(_) => "true or false",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Str(_) | Value::Unknown(_) => "text",
            Value::Bytes(_) => "binary data",
            Value::Timestamp(_) => "a date",
            Value::List(_) => "a list",
            Value::Tuple(_) => "a tuple",
            Value::Dict(_) => "a mapping",
            Value::Set(_) => "a set",
            Value::Complex(..) => "a complex number",
            Value::Ellipsis => "an ellipsis",
            Value::Unsupported(description) => description,
        }
    }

    /// Returns whether a value consists of more than `max` values. A value in several collections counts once for each
    /// collection. The keys of a `dict` do not count.
    pub fn exceeds_size(&self, id: ValueId, max: usize) -> bool {
        self.subtract_size(id, max).is_none()
    }

    /// Subtracts the number of values in `id` from `budget`. Returns the remaining budget, or `None` if the value
    /// exceeds the budget.
    fn subtract_size(&self, id: ValueId, budget: usize) -> Option<usize> {
        let budget = budget.checked_sub(1)?;
        match self.get(id) {
            Value::List(items) | Value::Tuple(items) | Value::Set(items) => {
                items.iter().try_fold(budget, |budget, item| self.subtract_size(*item, budget))
            }
            Value::Dict(pairs) => {
                pairs.iter().try_fold(budget, |budget, (_, value)| self.subtract_size(*value, budget))
            }
            _ => Some(budget),
        }
    }

    /// Copies a value. The lists and dictionaries in the copy share no values, as if the value were serialized and
    /// parsed again.
    pub fn deep_copy(&mut self, id: ValueId) -> ValueId {
        let data = match self.get(id).clone() {
            Value::List(items) => Value::List(items.into_iter().map(|item| self.deep_copy(item)).collect()),
            Value::Dict(pairs) => {
                let pairs: Vec<_> = pairs.into_iter().map(|(key, value)| (key, self.deep_copy(value))).collect();
                self.new_dict(pairs)
            }
            data => data,
        };
        let location = self.location(id).cloned();
        self.alloc(data, location)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::pyvalue::string::repr;

    #[test]
    fn equal_numbers_are_the_same_key() {
        let mut arena = Arena::default();
        let dict = arena.alloc(Value::empty_dict(), None);
        let numbers = [
            Value::Int(1.into()),
            Value::Float(1.0),
            Value::Bool(true),
            Value::Float(1e16),
            Value::Int(10_000_000_000_000_000_i64.into()),
            Value::Float(0.5),
            Value::Float(f64::NAN),
            Value::Float(f64::NAN),
            Value::Str("1".to_owned()),
        ];
        for number in numbers {
            let key = arena.alloc(number, None);
            let value = arena.alloc_str("");
            arena.dict_set(dict, key, value);
        }
        assert_eq!(repr(&arena, dict), "{1: '', 1e+16: '', 0.5: '', nan: '', nan: '', '1': ''}");
    }

    /// Sets `count` keys, then sets and reads each of them again.
    fn fill(count: usize) -> Duration {
        let start = Instant::now();
        let mut arena = Arena::default();
        let dict = arena.alloc(Value::empty_dict(), None);
        for _ in 0..2 {
            for number in 0..count {
                let value = arena.alloc(Value::None, None);
                arena.dict_set_str(dict, &number.to_string(), value);
                assert_eq!(arena.dict_get(dict, &number.to_string()), Some(value));
            }
        }
        start.elapsed()
    }

    #[test]
    fn empty_collections_are_the_same() {
        let mut arena = Arena::default();
        let mut list = || arena.alloc(Value::List(Vec::new()), None);
        let (one, other) = (list(), list());
        assert!(arena.is_same_key(one, other));
    }

    #[test]
    fn insertion_time_grows_linearly() {
        // Other processes can distort a measurement, so one linear measurement out of 20 is enough. In quadratic time,
        // twice as many keys take four times as long.
        let is_linear = |_| {
            let single = fill(4_000);
            fill(8_000) < single * 3
        };
        assert!((0..20).any(is_linear), "twice as many keys take more than three times as long");
    }
}
