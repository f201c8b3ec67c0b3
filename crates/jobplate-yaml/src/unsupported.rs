//! The error of a parser that rejects a document.

/// The position at which a parser stopped, and the reason.
///
/// Either the text is not valid YAML, or YAML readers may disagree about its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The byte offset at which the parser stopped.
    pub offset: usize,
    /// A description of the input at the offset, such as "a tab where indentation is expected".
    pub reason: &'static str,
}
