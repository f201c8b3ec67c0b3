//! Python's objects: values that know where they were written, and that several places can hold at once.
//!
//! A list or dictionary is a thing of its own in Python: with a YAML alias two containers hold the same one, and
//! what changes it in one place changes it in the other. So values are kept in a heap and named by an [`Id`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use num_bigint::BigInt;

use super::source::Place;
use super::time::Time;

/// A value of a [`Heap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(u32);

/// What a value is. Names are Python's.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
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
    Time(Time),
    /// `list`
    List(Vec<Id>),
    /// `tuple`
    Tuple(Vec<Id>),
    /// `dict`: keys and values, in the order in which the keys came.
    Dict(Vec<(Id, Id)>),
    /// `set`
    Set(Vec<Id>),
    /// A text that only the cluster knows, such as a key of a Secret; what stands for it.
    Unknown(String),
    /// `complex`: its real and its imaginary part.
    Complex(f64, f64),
    /// `...`
    Ellipsis,
    /// What Python has and this does not; its name.
    Other(&'static str),
}

/// A dictionary in the making, of texts as keys. A key that comes again has the value that came last.
#[derive(Default)]
pub struct LastOfEach {
    pairs: Vec<(Id, Id)>,
    positions: HashMap<String, usize>,
}

impl LastOfEach {
    /// Sets a key, whose text is `name`.
    pub fn set(&mut self, name: String, key: Id, value: Id) {
        match self.positions.entry(name) {
            Entry::Occupied(own) => self.pairs[*own.get()].1 = value,
            Entry::Vacant(own) => {
                own.insert(self.pairs.len());
                self.pairs.push((key, value));
            }
        }
    }

    /// The dictionary.
    pub fn dict(self) -> Data {
        Data::Dict(self.pairs)
    }
}

/// All values of a program.
#[derive(Debug, Default)]
pub struct Heap {
    values: Vec<(Data, Option<Place>)>,
}

impl Heap {
    /// A new value, and where it was written.
    pub fn put(&mut self, data: Data, place: Option<Place>) -> Id {
        self.values.push((data, place));
        Id(self.values.len() as u32 - 1)
    }

    /// A new text that was written nowhere.
    pub fn text(&mut self, text: impl Into<String>) -> Id {
        self.put(Data::Str(text.into()), None)
    }

    /// What a value is.
    pub fn get(&self, id: Id) -> &Data {
        &self.values[id.0 as usize].0
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: Id) -> &mut Data {
        &mut self.values[id.0 as usize].0
    }

    /// Where it was written.
    pub fn place(&self, id: Id) -> Option<&Place> {
        self.values[id.0 as usize].1.as_ref()
    }

    /// The text of a `str`.
    pub fn str(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Data::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Keys and values of a `dict`; none for others.
    pub fn dict(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Data::Dict(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The items of a `list`; none for others.
    pub fn items(&self, id: Id) -> &[Id] {
        match self.get(id) {
            Data::List(items) => items,
            _ => &[],
        }
    }

    /// The value under a text key of a `dict`; none where there is none, and for what is no `dict`.
    pub fn item(&self, dict: Id, key: &str) -> Option<Id> {
        self.dict(dict)?.iter().find(|(own, _)| self.str(*own) == Some(key)).map(|(_, value)| *value)
    }

    /// The value under any key.
    pub fn item_of(&self, dict: Id, key: Id) -> Option<Id> {
        self.dict(dict)?.iter().find(|(own, _)| self.equal(*own, key)).map(|(_, value)| *value)
    }

    /// `dict[key] = value`: an equal key stays where and as it is. Nothing for what is no `dict`.
    pub fn set(&mut self, dict: Id, key: Id, value: Id) {
        let position = self.dict(dict).unwrap_or_default().iter().position(|(own, _)| self.equal(*own, key));
        if let Data::Dict(pairs) = self.get_mut(dict) {
            match position {
                Some(position) => pairs[position].1 = value,
                None => pairs.push((key, value)),
            }
        }
    }

    /// `dict[key] = value`
    pub fn set_item(&mut self, dict: Id, key: &str, value: Id) {
        let key = self.text(key);
        self.set(dict, key, value);
    }

    /// Whether two values are the same key of a `dict`: `1`, `1.0` and `True` are.
    pub fn equal(&self, one: Id, other: Id) -> bool {
        let number = |id: Id| match self.get(id) {
            Data::Bool(is) => Some(BigInt::from(u8::from(*is))),
            Data::Int(whole) => Some(whole.clone()),
            Data::Float(float) if float.fract() == 0.0 && float.abs() < 1e15 => Some(BigInt::from(*float as i64)),
            _ => None,
        };
        match (self.get(one), self.get(other)) {
            (Data::Str(one), Data::Str(other)) => one == other,
            (Data::Tuple(one), Data::Tuple(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| self.equal(*one, *other))
            }
            (one_data, other_data) => match (number(one), number(other)) {
                (Some(one), Some(other)) => one == other,
                _ => one_data == other_data,
            },
        }
    }

    /// Whether it can be a key of a `dict`.
    pub fn is_hashable(&self, id: Id) -> bool {
        match self.get(id) {
            Data::List(_) | Data::Dict(_) | Data::Set(_) => false,
            Data::Tuple(items) => items.iter().all(|item| self.is_hashable(*item)),
            _ => true,
        }
    }

    /// `bool(value)`
    pub fn is_true(&self, id: Id) -> bool {
        match self.get(id) {
            Data::None => false,
            Data::Bool(is) => *is,
            Data::Int(whole) => *whole != BigInt::ZERO,
            Data::Float(float) => *float != 0.0,
            Data::Str(text) => !text.is_empty(),
            Data::Bytes(bytes) => !bytes.is_empty(),
            Data::List(items) | Data::Tuple(items) | Data::Set(items) => !items.is_empty(),
            Data::Dict(pairs) => !pairs.is_empty(),
            Data::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Data::Time(_) | Data::Unknown(_) | Data::Ellipsis | Data::Other(_) => true,
        }
    }

    /// What a value is, for people.
    pub fn kind(&self, id: Id) -> &'static str {
        match self.get(id) {
            Data::None => "empty",
            Data::Bool(_) => "true or false",
            Data::Int(_) | Data::Float(_) => "a number",
            Data::Str(_) | Data::Unknown(_) => "text",
            Data::Bytes(_) => "binary data",
            Data::Time(_) => "a date",
            Data::List(_) => "a list",
            Data::Tuple(_) => "a tuple",
            Data::Dict(_) => "a mapping",
            Data::Set(_) => "a set",
            Data::Complex(..) => "a complex number",
            Data::Ellipsis => "an ellipsis",
            Data::Other(name) => name,
        }
    }

    /// Whether a value is more than this many, all that its aliases repeat counted each time.
    pub fn is_larger_than(&self, id: Id, most: usize) -> bool {
        self.count(id, most).is_none()
    }

    /// What is left of so many when a value is counted; none where it is more.
    fn count(&self, id: Id, left: usize) -> Option<usize> {
        let left = left.checked_sub(1)?;
        match self.get(id) {
            Data::List(items) | Data::Tuple(items) | Data::Set(items) => {
                items.iter().try_fold(left, |left, item| self.count(*item, left))
            }
            Data::Dict(pairs) => pairs.iter().try_fold(left, |left, (_, value)| self.count(*value, left)),
            _ => Some(left),
        }
    }

    /// A copy in which nothing is shared: what becomes of a value that was written down and read again.
    pub fn deep_copy(&mut self, id: Id) -> Id {
        let data = match self.get(id).clone() {
            Data::List(items) => Data::List(items.into_iter().map(|item| self.deep_copy(item)).collect()),
            Data::Dict(pairs) => {
                Data::Dict(pairs.into_iter().map(|(key, value)| (key, self.deep_copy(value))).collect())
            }
            data => data,
        };
        let place = self.place(id).cloned();
        self.put(data, place)
    }
}
