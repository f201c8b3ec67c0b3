//! Python's objects: values that know where they were written, and that several places can hold at once.
//!
//! A list or dictionary is a thing of its own in Python: with a YAML alias two containers hold the same one, and
//! what changes it in one place changes it in the other. So values are kept in a heap and named by an [`ValueId`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use num_bigint::BigInt;

use super::source::Location;
use super::timestamp::Timestamp;

/// A value of a [`Arena`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ValueId(u32);

/// What a value is. Names are Python's.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`
    None,
    /// `bool`
    Bool(bool),
    /// `int`: of any size.
    Int(BigInt),
    /// `float`
    Float(f64),
    /// `str`
    Str(String),
    /// `bytes`
    Bytes(Vec<u8>),
    /// `datetime.date` and `datetime.datetime`
    Timestamp(Timestamp),
    /// `list`
    List(Vec<ValueId>),
    /// `tuple`
    Tuple(Vec<ValueId>),
    /// `dict`: keys and values, in the order in which the keys came.
    Dict(Vec<(ValueId, ValueId)>),
    /// `set`
    Set(Vec<ValueId>),
    /// A text that only the cluster knows, such as a key of a Secret; what stands for it.
    Unknown(String),
    /// `complex`: its real and its imaginary part.
    Complex(f64, f64),
    /// `...`
    Ellipsis,
    /// What Python has and this does not; its name.
    Unsupported(&'static str),
}

/// A dictionary in the making, of texts as keys. A key that comes again has the value that came last.
#[derive(Default)]
pub struct DictBuilder {
    pairs: Vec<(ValueId, ValueId)>,
    positions: HashMap<String, usize>,
}

impl DictBuilder {
    /// Sets a key, whose text is `name`.
    pub fn set(&mut self, name: String, key: ValueId, value: ValueId) {
        match self.positions.entry(name) {
            Entry::Occupied(own) => self.pairs[*own.get()].1 = value,
            Entry::Vacant(own) => {
                own.insert(self.pairs.len());
                self.pairs.push((key, value));
            }
        }
    }

    /// The dictionary.
    pub fn dict(self) -> Value {
        Value::Dict(self.pairs)
    }
}

/// All values of a program.
#[derive(Debug, Default)]
pub struct Arena {
    values: Vec<(Value, Option<Location>)>,
}

impl Arena {
    /// A new value, and where it was written.
    pub fn alloc(&mut self, data: Value, location: Option<Location>) -> ValueId {
        self.values.push((data, location));
        ValueId(self.values.len() as u32 - 1)
    }

    /// A new text that was written nowhere.
    pub fn alloc_str(&mut self, text: impl Into<String>) -> ValueId {
        self.alloc(Value::Str(text.into()), None)
    }

    /// What a value is.
    pub fn get(&self, id: ValueId) -> &Value {
        &self.values[id.0 as usize].0
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: ValueId) -> &mut Value {
        &mut self.values[id.0 as usize].0
    }

    /// Where it was written.
    pub fn location(&self, id: ValueId) -> Option<&Location> {
        self.values[id.0 as usize].1.as_ref()
    }

    /// The text of a `str`.
    pub fn as_str(&self, id: ValueId) -> Option<&str> {
        match self.get(id) {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Keys and values of a `dict`; none for others.
    pub fn as_dict(&self, id: ValueId) -> Option<&[(ValueId, ValueId)]> {
        match self.get(id) {
            Value::Dict(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The items of a `list`; none for others.
    pub fn list_items(&self, id: ValueId) -> &[ValueId] {
        match self.get(id) {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The value under a text key of a `dict`; none where there is none, and for what is no `dict`.
    pub fn dict_get(&self, dict: ValueId, key: &str) -> Option<ValueId> {
        self.as_dict(dict)?.iter().find(|(own, _)| self.as_str(*own) == Some(key)).map(|(_, value)| *value)
    }

    /// The value under any key.
    pub fn dict_get_by_key(&self, dict: ValueId, key: ValueId) -> Option<ValueId> {
        self.as_dict(dict)?.iter().find(|(own, _)| self.is_same_key(*own, key)).map(|(_, value)| *value)
    }

    /// `dict[key] = value`: an equal key stays where and as it is. Nothing for what is no `dict`.
    pub fn dict_set(&mut self, dict: ValueId, key: ValueId, value: ValueId) {
        let position = self.as_dict(dict).unwrap_or_default().iter().position(|(own, _)| self.is_same_key(*own, key));
        if let Value::Dict(pairs) = self.get_mut(dict) {
            match position {
                Some(position) => pairs[position].1 = value,
                None => pairs.push((key, value)),
            }
        }
    }

    /// `dict[key] = value`
    pub fn dict_set_str(&mut self, dict: ValueId, key: &str, value: ValueId) {
        let key = self.alloc_str(key);
        self.dict_set(dict, key, value);
    }

    /// Whether two values are the same key of a `dict`: `1`, `1.0` and `True` are.
    pub fn is_same_key(&self, one: ValueId, other: ValueId) -> bool {
        let number = |id: ValueId| match self.get(id) {
            Value::Bool(is) => Some(BigInt::from(u8::from(*is))),
            Value::Int(whole) => Some(whole.clone()),
            Value::Float(float) if float.fract() == 0.0 && float.abs() < 1e15 => Some(BigInt::from(*float as i64)),
            _ => None,
        };
        match (self.get(one), self.get(other)) {
            (Value::Str(one), Value::Str(other)) => one == other,
            (Value::Tuple(one), Value::Tuple(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| self.is_same_key(*one, *other))
            }
            (one_data, other_data) => match (number(one), number(other)) {
                (Some(one), Some(other)) => one == other,
                _ => one_data == other_data,
            },
        }
    }

    /// Whether it can be a key of a `dict`.
    pub fn is_hashable(&self, id: ValueId) -> bool {
        match self.get(id) {
            Value::List(_) | Value::Dict(_) | Value::Set(_) => false,
            Value::Tuple(items) => items.iter().all(|item| self.is_hashable(*item)),
            _ => true,
        }
    }

    /// `bool(value)`
    pub fn is_truthy(&self, id: ValueId) -> bool {
        match self.get(id) {
            Value::None => false,
            Value::Bool(is) => *is,
            Value::Int(whole) => *whole != BigInt::ZERO,
            Value::Float(float) => *float != 0.0,
            Value::Str(text) => !text.is_empty(),
            Value::Bytes(bytes) => !bytes.is_empty(),
            Value::List(items) | Value::Tuple(items) | Value::Set(items) => !items.is_empty(),
            Value::Dict(pairs) => !pairs.is_empty(),
            Value::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Value::Timestamp(_) | Value::Unknown(_) | Value::Ellipsis | Value::Unsupported(_) => true,
        }
    }

    /// What a value is, for people.
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
            Value::Unsupported(name) => name,
        }
    }

    /// Whether a value is more than this many, all that its aliases repeat counted each time.
    pub fn exceeds_size(&self, id: ValueId, most: usize) -> bool {
        self.count(id, most).is_none()
    }

    /// What is left of so many when a value is counted; none where it is more.
    fn count(&self, id: ValueId, left: usize) -> Option<usize> {
        let left = left.checked_sub(1)?;
        match self.get(id) {
            Value::List(items) | Value::Tuple(items) | Value::Set(items) => {
                items.iter().try_fold(left, |left, item| self.count(*item, left))
            }
            Value::Dict(pairs) => pairs.iter().try_fold(left, |left, (_, value)| self.count(*value, left)),
            _ => Some(left),
        }
    }

    /// A copy in which nothing is shared: what becomes of a value that was written down and read again.
    pub fn deep_copy(&mut self, id: ValueId) -> ValueId {
        let data = match self.get(id).clone() {
            Value::List(items) => Value::List(items.into_iter().map(|item| self.deep_copy(item)).collect()),
            Value::Dict(pairs) => {
                Value::Dict(pairs.into_iter().map(|(key, value)| (key, self.deep_copy(value))).collect())
            }
            data => data,
        };
        let location = self.location(id).cloned();
        self.alloc(data, location)
    }
}
