//! Edits by what they mean: which node changes, and to what. No text, no offsets.
//!
//! `layout` decides how an edit looks, `verify` whether the edited text means what was asked; both read
//! the same [`Edit`]s, and neither reads the other.

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

/// A key to be written: most are known beforehand, and cost nothing.
pub(super) type Key = Cow<'static, str>;

/// Something new to be written. Cheap to clone: the same value goes into many documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string that is a name, key or path: quoted only when it must be.
    Name(Rc<str>),
    /// Any other string: always double-quoted.
    String(Rc<str>),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
    /// A mapping.
    Map(Rc<[(Key, Value)]>),
    /// A sequence.
    Seq(Rc<[Value]>),
}

impl Value {
    /// A name.
    pub fn name(text: &str) -> Self {
        Value::Name(text.into())
    }

    /// A string that is quoted.
    pub fn string(text: &str) -> Self {
        Value::String(text.into())
    }

    /// A mapping.
    pub fn map<K: Into<Key>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// A sequence.
    pub fn seq(items: impl IntoIterator<Item = Value>) -> Self {
        Value::Seq(items.into_iter().collect())
    }
}

/// A new child of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Child {
    /// An item of a sequence.
    Item(Value),
    /// An entry of a mapping.
    Entry(Key, Value),
}

impl Child {
    /// An entry of a mapping.
    pub fn entry(key: impl Into<Key>, value: Value) -> Self {
        Child::Entry(key.into(), value)
    }

    pub(super) fn into_item(self) -> Option<Value> {
        if let Child::Item(value) = self { Some(value) } else { None }
    }

    pub(super) fn into_entry(self) -> Option<(Key, Value)> {
        if let Child::Entry(key, value) = self { Some((key, value)) } else { None }
    }
}

/// What happens to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A scalar, null or empty collection becomes something else.
    Replace(Value),
    /// The text of a quoted or block scalar changes; its style stays.
    Text {
        /// Spans of the text as it is decoded, ascending, and what takes their place.
        splices: Rc<[(Range<usize>, Rc<str>)]>,
        /// The text that it then is.
        text: Rc<str>,
    },
    /// Children of a collection go and come. Positions count its items, or its key-value pairs, as they
    /// were. In a mapping, an entry inserted where one is removed takes its place.
    Children {
        /// Positions of those that go, ascending.
        remove: Vec<usize>,
        /// Those that come, each with the position that it is put before, ascending.
        insert: Vec<(usize, Child)>,
    },
}

/// One change to one node of a document, made by an [`Editable`](super::Editable). A node takes one edit; edits stand in the order of their nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Its [`Node::index`](super::Node::index).
    pub(super) node: u32,
    /// What happens to it.
    pub(super) change: Change,
}

impl Edit {
    /// The [`index`](super::Node::index) of the node that it changes.
    pub fn node(&self) -> u32 {
        self.node
    }
}
