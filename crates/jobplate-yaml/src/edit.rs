//! Edits: the changed nodes and their new content, independent of text and byte offsets.
//!
//! `layout` writes an [`Edit`], and `verify` checks that the edited text means what was requested. Both work from the
//! same edits and neither uses the other, so they cannot share a mistake.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use jobplate_diagnostic::Error;

/// The maximum size, in MiB, of what the edits of a document may add to it. A small value can be added to thousands of
/// places, and each line repeats its indentation.
const MAX_NEW_TEXT_MEBIBYTES: usize = 16;

/// The maximum size of what the edits of a document may add to it, in bytes.
pub const MAX_NEW_TEXT: usize = MAX_NEW_TEXT_MEBIBYTES << 20;

/// Returns the error for edits that add more than [`MAX_NEW_TEXT`] bytes to a document.
pub fn new_text_error() -> Error {
    Error::refused(format!("the edits of a document exceed the limit of {MAX_NEW_TEXT_MEBIBYTES} MiB of new text"))
        .hint("split the document, or set fewer variables")
}

/// The maximum indentation of edited lines in columns, and the maximum gap between children of a flow collection in
/// bytes. Each new line repeats them, so without a limit the edited text could be much larger than the document.
pub(super) const MAX_INDENTATION: usize = 1000;

/// A new key. Most keys are constants and need no allocation.
pub(super) type Key = Cow<'static, str>;

/// A new value. Values are cheap to clone because the same value is inserted into many documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A name, key or path: a string that is quoted only if a reader could otherwise resolve it to another type.
    Name(Arc<str>),
    /// Any other string, which is always double-quoted.
    String(Arc<str>),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
    /// A mapping.
    Map(Arc<[(Key, Value)]>),
    /// A sequence.
    Seq(Arc<[Value]>),
}

impl Value {
    /// Returns a [`Value::Name`].
    pub fn name(text: &str) -> Self {
        Value::Name(text.into())
    }

    /// Returns a [`Value::String`], which is always double-quoted.
    pub fn string(text: &str) -> Self {
        Value::String(text.into())
    }

    /// Returns a mapping with these entries.
    pub fn map<K: Into<Key>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// Returns a sequence of these items.
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
    /// Returns an entry of a mapping.
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

/// The operation that an edit performs on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Replaces a scalar, a null or an empty collection.
    Replace(Value),
    /// Changes the content of a quoted or block scalar and keeps its style.
    Text {
        /// Ranges of the decoded content with their replacements, in ascending order.
        splices: Arc<[(Range<usize>, Arc<str>)]>,
        /// The decoded content after the change.
        text: Arc<str>,
    },
    /// Removes and inserts children of a collection. Indices are 0-based and refer to the items or key-value pairs
    /// before the edit. In a mapping, an entry that is inserted at the index of a removed entry replaces the removed
    /// entry.
    Children {
        /// The indices of the removed children, in ascending order.
        remove: Vec<usize>,
        /// The new children in ascending order of index. Each is inserted before the existing child with its index, or
        /// at the end if there is no such child.
        insert: Vec<(usize, Child)>,
    },
}

/// A change to one node of a document, made by an [`Editable`](super::Editable).
///
/// The edits of a document are sorted by node, with at most one edit per node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The [`Node::index`](super::Node::index) of the node.
    pub(super) node: u32,
    /// The change to the node.
    pub(super) change: Change,
}

/// The memory that a new node needs in addition to its text.
const NODE_SIZE: usize = 32;

impl Value {
    /// Returns the approximate size of the value in an edited document.
    fn size(&self) -> usize {
        NODE_SIZE
            + match self {
                Value::Name(text) | Value::String(text) => text.len(),
                Value::Bool(_) | Value::Null => 0,
                Value::Map(entries) => entries.iter().map(|(key, value)| key.len() + value.size()).sum(),
                Value::Seq(items) => items.iter().map(Value::size).sum(),
            }
    }
}

impl Edit {
    /// Returns the approximate size of what the edit adds to the document, in bytes.
    pub fn added_size(&self) -> usize {
        match &self.change {
            Change::Replace(value) => value.size(),
            Change::Text { splices, .. } => splices.iter().map(|(_, text)| text.len()).sum(),
            Change::Children { insert, .. } => {
                let size = |(_, child): &(usize, Child)| match child {
                    Child::Item(value) => value.size(),
                    Child::Entry(key, value) => key.len() + value.size(),
                };
                insert.iter().map(size).sum()
            }
        }
    }

    /// Returns the indices of the children that the edit removes, if it changes nothing else.
    pub fn removed_children(&self) -> Option<&[usize]> {
        match &self.change {
            Change::Children { remove, insert } if insert.is_empty() => Some(remove),
            _ => None,
        }
    }

    /// Returns the edit that removes children of a node and changes nothing else. `node` is the node's
    /// [`index`](super::Node::index), and `indices` are the 0-based indices of the children, in ascending order.
    pub fn remove_children(node: u32, indices: impl IntoIterator<Item = usize>) -> Edit {
        Edit { node, change: Change::Children { remove: indices.into_iter().collect(), insert: Vec::new() } }
    }

    /// Returns the [`index`](super::Node::index) of the node that the edit changes.
    pub fn node(&self) -> u32 {
        self.node
    }
}
