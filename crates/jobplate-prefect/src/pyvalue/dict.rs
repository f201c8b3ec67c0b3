//! Python's `dict`: pairs in insertion order. Equal Python values are the same key.

use std::hash::{Hash, Hasher};
use std::ops::Deref;

use indexmap::{Equivalent, IndexSet};
use num_bigint::BigInt;

/// The identity of a value in an [`Arena`](super::arena::Arena).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ValueId(pub(super) u32);

/// A dictionary key with Python's equality and hash: `1`, `1.0` and `True` are the same key.
///
/// [`Arena::dict_key`](super::arena::Arena::dict_key) returns the key of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DictKey {
    /// A `str`.
    Str(String),
    /// An `int`, a `bool`, or a `float` without a fraction.
    Int(BigInt),
    /// A `tuple`.
    Tuple(Vec<DictKey>),
    /// The placeholder for a string that only the cluster knows.
    Unknown(String),
    /// The debug format of any other value.
    Other(String),
    /// A value that is equal only to itself, such as NaN.
    Identity(ValueId),
}

impl Hash for DictKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            DictKey::Str(text) => StrKey(text).hash(state),
            DictKey::Int(integer) => (1_u8, integer).hash(state),
            DictKey::Tuple(items) => (2_u8, items).hash(state),
            DictKey::Unknown(text) | DictKey::Other(text) => (3_u8, text).hash(state),
            DictKey::Identity(id) => (4_u8, id).hash(state),
        }
    }
}

/// A borrowed [`DictKey::Str`] with the same hash, for lookups without an allocation.
struct StrKey<'t>(&'t str);

impl Hash for StrKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (0_u8, self.0).hash(state);
    }
}

impl Equivalent<DictKey> for StrKey<'_> {
    fn equivalent(&self, key: &DictKey) -> bool {
        matches!(key, DictKey::Str(text) if text == self.0)
    }
}

/// The key-value pairs of a `dict`, in insertion order. Dereferences to a slice of the pairs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dict {
    /// The key of each pair, at the same index as the pair.
    keys: IndexSet<DictKey>,
    pairs: Vec<(ValueId, ValueId)>,
}

impl Dict {
    /// Returns the value of a string key, or `None` if the key is missing.
    pub(super) fn get_str(&self, key: &str) -> Option<ValueId> {
        Some(self.pairs[self.keys.get_index_of(&StrKey(key))?].1)
    }

    /// Returns the value of a key, or `None` if the key is missing.
    pub(super) fn get(&self, key: &DictKey) -> Option<ValueId> {
        Some(self.pairs[self.keys.get_index_of(key)?].1)
    }

    /// Sets the value of a key. Like in Python, an existing key keeps its position and its form: `True` does not
    /// replace the key `1`.
    pub(super) fn insert(&mut self, key: DictKey, id: ValueId, value: ValueId) {
        match self.keys.insert_full(key) {
            (position, false) => self.pairs[position].1 = value,
            (_, true) => self.pairs.push((id, value)),
        }
    }
}

impl Deref for Dict {
    type Target = [(ValueId, ValueId)];

    fn deref(&self) -> &Self::Target {
        &self.pairs
    }
}

impl<'d> IntoIterator for &'d Dict {
    type Item = &'d (ValueId, ValueId);
    type IntoIter = std::slice::Iter<'d, (ValueId, ValueId)>;

    fn into_iter(self) -> Self::IntoIter {
        self.pairs.iter()
    }
}

impl IntoIterator for Dict {
    type Item = (ValueId, ValueId);
    type IntoIter = std::vec::IntoIter<(ValueId, ValueId)>;

    fn into_iter(self) -> Self::IntoIter {
        self.pairs.into_iter()
    }
}
