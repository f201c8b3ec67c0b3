//! Python's objects: values, each with the location where it is written. Several collections can contain the same
//! value.
//!
//! A list or dictionary has an identity in Python. With a YAML alias, two collections contain the same object, and a
//! change to it is visible in both. So an [`Arena`] owns all values, and a [`ValueId`] identifies one of them.

// Over 400 lines: a third of the file is tests.

use std::collections::HashSet;

use jobplate_diagnostic::Result;
use num_bigint::BigInt;

pub use super::dict::ValueId;
use super::dict::{Dict, DictKey};
use super::duplicate_keys::DuplicateKeys;
use super::limits::Budget;
use super::source::{Location, locate};
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
    /// The keys that are dropped because their mapping has them again.
    pub duplicate_keys: DuplicateKeys,
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

    /// Removes a string key. Does nothing if the key is missing or `dict` is not a `dict`.
    pub fn dict_remove_str(&mut self, dict: ValueId, key: &str) {
        if let Value::Dict(pairs) = self.get(dict) {
            let others = pairs.iter().copied().filter(|(name, _)| self.as_str(*name) != Some(key));
            let others = self.new_dict(others);
            *self.get_mut(dict) = others;
        }
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

    /// Returns whether two values are the same key of a `dict`, like `1`, `1.0` and `True`.
    pub fn is_same_key(&self, one: ValueId, other: ValueId) -> bool {
        match (self.get(one), self.get(other)) {
            (Value::Str(one), Value::Str(other)) => one == other,
            _ => self.dict_key(one) == self.dict_key(other),
        }
    }

    /// Returns whether `one == other`, also for collections. Values that are too large to compare are not equal.
    pub fn equals(&self, one: ValueId, other: ValueId) -> bool {
        self.equals_within(one, other, &mut Budget::default())
    }

    fn equals_within(&self, one: ValueId, other: ValueId, budget: &mut Budget) -> bool {
        if one == other {
            return true;
        }
        if budget.spend_values(1, "").is_err() {
            return false;
        }
        match (self.get(one), self.get(other)) {
            (Value::List(items), Value::List(others)) | (Value::Tuple(items), Value::Tuple(others)) => {
                let mut pairs = items.iter().zip(others);
                items.len() == others.len() && pairs.all(|(one, other)| self.equals_within(*one, *other, budget))
            }
            (Value::Dict(pairs), Value::Dict(others)) => {
                let is_in_others = |(key, value): &(ValueId, ValueId)| {
                    let other = others.get(&self.dict_key(*key));
                    other.is_some_and(|other| self.equals_within(*value, other, budget))
                };
                pairs.len() == others.len() && pairs.iter().all(is_in_others)
            }
            (Value::Set(items), Value::Set(others)) => {
                let others: HashSet<DictKey> = others.iter().map(|item| self.dict_key(*item)).collect();
                items.len() == others.len() && items.iter().all(|item| others.contains(&self.dict_key(*item)))
            }
            _ => self.is_same_key(one, other),
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

    /// Returns whether a value contains other values.
    pub fn is_collection(&self, id: ValueId) -> bool {
        matches!(self.get(id), Value::List(_) | Value::Tuple(_) | Value::Dict(_) | Value::Set(_))
    }

    /// Returns the description of a value's type for messages.
    pub fn describe_kind(&self, id: ValueId) -> &'static str {
        match self.get(id) {
            Value::None => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Str(_) | Value::Unknown(_) => "a string",
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

    /// Checks that a value with all its aliases expanded fits in one [`Budget`]. A value in several collections counts
    /// once for each collection. Errors call the value `subject`.
    ///
    /// # Errors
    /// Fails if aliases make the value too large.
    pub fn check_size(&self, id: ValueId, subject: &str) -> Result<()> {
        self.spend_size(id, subject, &mut Budget::default()).map_err(|error| locate(error, self.location(id)))
    }

    fn spend_size(&self, id: ValueId, subject: &str, budget: &mut Budget) -> Result<()> {
        budget.spend_values(1, subject)?;
        match self.get(id) {
            Value::Str(text) | Value::Unknown(text) => budget.spend_bytes(text.len(), subject),
            Value::Bytes(bytes) => budget.spend_bytes(bytes.len(), subject),
            Value::List(items) | Value::Tuple(items) | Value::Set(items) => {
                items.iter().try_for_each(|item| self.spend_size(*item, subject, budget))
            }
            Value::Dict(pairs) => pairs.iter().try_for_each(|(key, value)| {
                budget.spend_bytes(self.as_str(*key).map_or(0, str::len), subject)?;
                self.spend_size(*value, subject, budget)
            }),
            _ => Ok(()),
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
    use super::*;
    use crate::pyvalue::literal;
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
    fn fill(count: &usize) {
        let mut arena = Arena::default();
        let dict = arena.alloc(Value::empty_dict(), None);
        for _ in 0..2 {
            for number in 0..*count {
                let value = arena.alloc(Value::None, None);
                arena.dict_set_str(dict, &number.to_string(), value);
                assert_eq!(arena.dict_get(dict, &number.to_string()), Some(value));
            }
        }
    }

    #[test]
    fn compares_values_like_python() {
        // The expected results are those of `==` in Python 3.11.
        for (one, other, expected) in [
            ("[]", "[]", true),
            ("[1, 'a', {2: [3]}]", "[True, 'a', {2.0: [3]}]", true),
            ("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", true),
            ("{'a': 1}", "{'a': 2}", false),
            ("{'a': 1}", "{'a': 1, 'b': 1}", false),
            ("{1, 2}", "{2, 1}", true),
            ("{1, 2}", "{1, 3}", false),
            ("[1]", "(1,)", false),
            ("(1, (2,))", "(1, (2,))", true),
            ("[1]", "[1, 2]", false),
            ("'1'", "1", false),
            ("None", "0", false),
            ("b'a'", "b'a'", true),
        ] {
            let mut arena = Arena::default();
            let [one, other] = [one, other].map(|text| literal::eval(&mut arena, text, None).unwrap().unwrap());
            assert_eq!(arena.equals(one, other), expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn compares_and_measures_shared_values_in_bounded_time() {
        let mut arena = Arena::default();
        let [one, other] = [0, 1].map(|_| {
            let mut list = arena.alloc(Value::List(Vec::new()), None);
            for _ in 0..100 {
                list = arena.alloc(Value::List(vec![list, list]), None);
            }
            list
        });
        assert!(!arena.equals(one, other));
        assert_eq!(arena.check_size(one, "this").unwrap_err().message(), "this exceeds the limit of 80000 values");
        let text = arena.alloc_str("x".repeat(1 << 20));
        let list = arena.alloc(Value::List(vec![text; 9]), None);
        assert_eq!(arena.check_size(list, "this").unwrap_err().message(), "this exceeds the limit of 8 MiB of text");
    }

    #[test]
    fn insertion_time_grows_linearly() {
        jobplate_growth::assert_linear(16_000, |count| count, fill);
    }
}
