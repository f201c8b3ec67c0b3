//! Why a parser does not read a document.

/// A place that a parser does not read: it is not YAML, or not certain to be read alike by all readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The byte at which the parser stopped.
    pub offset: usize,
    /// What it stopped at, as a phrase: "a tab where indentation is expected".
    pub reason: &'static str,
}
