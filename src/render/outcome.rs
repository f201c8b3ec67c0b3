//! What became of a document.

use jobplate_yaml::Edited;

/// What a document holds.
#[derive(Debug, Default)]
pub(super) struct TargetCounts {
    /// Objects in it that are targets; a text that is a document of its own counts as one.
    pub targets: usize,
    /// Containers selected in them.
    pub containers: usize,
    /// Those that get everything, not only Prefect's settings.
    pub fully_injected: usize,
}

/// What became of a document.
#[derive(Debug, Default)]
pub(super) struct DocumentOutcome<'e> {
    pub counts: TargetCounts,
    /// The document with its edits, if it needs any.
    pub edited: Option<Edited<'e>>,
    /// Whether the scanner stepped back and the fallback read it.
    pub by_fallback: bool,
}
