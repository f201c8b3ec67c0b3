//! Why a parser rejects a document.

/// The position at which a parser stopped, and why.
///
/// Either the text is not YAML, or YAML readers may disagree about what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The byte offset at which the parser stopped.
    pub offset: usize,
    /// What the parser found there, as a phrase: "a tab where indentation is expected".
    pub reason: &'static str,
}
