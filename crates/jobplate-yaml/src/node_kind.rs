//! The kinds of nodes, and the flags that a parser sets on a node.

/// The kind of a node. Each scalar style is a separate kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A mapping, in block or flow style.
    Map,
    /// A sequence, in block or flow style.
    Seq,
    /// A plain scalar.
    Plain,
    /// A single-quoted scalar: `'...'`.
    SingleQuoted,
    /// A double-quoted scalar: `"..."`.
    DoubleQuoted,
    /// A literal block scalar: `|`.
    Literal,
    /// A folded block scalar: `>`.
    Folded,
    /// An alias: `*name`.
    Alias,
    /// An empty node, such as the value of `key:`. It is null.
    Empty,
}

/// Set for a flow collection (`{}`, `[]`).
pub(super) const FLOW: u8 = 1;
/// Set for a node with an anchor or a tag, which the arena stores in `properties`.
pub(super) const PROPERTIES: u8 = 2;
/// Set for a plain or quoted scalar on several lines.
pub(super) const MULTILINE: u8 = 4;
/// Set for a quoted scalar that contains a backslash or a doubled quote.
pub(super) const ESCAPED: u8 = 8;
