//! What a node is, and the flags that the parsers note with it.

/// The kind of a node; each scalar style is a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A mapping, block or flow.
    Map,
    /// A sequence, block or flow.
    Seq,
    /// An unquoted scalar.
    Plain,
    /// `'...'`
    SingleQuoted,
    /// `"..."`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
    /// `*name`
    Alias,
    /// No text at all where a node could stand: null.
    Empty,
}

/// A flow collection (`{}`, `[]`).
pub(super) const FLOW: u8 = 1;
/// Has an anchor or a tag, in the tape's `properties`.
pub(super) const PROPERTIES: u8 = 2;
/// A plain or quoted scalar over several lines.
pub(super) const MULTILINE: u8 = 4;
/// A quoted scalar with a backslash or a doubled quote in it.
pub(super) const ESCAPED: u8 = 8;
