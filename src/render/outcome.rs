//! The result of planning and editing one document.

use jobplate_yaml::Edited;

/// The numbers of targets and selected containers in a document.
#[derive(Debug, Default)]
pub(super) struct TargetCounts {
    /// The number of objects that are targets. An embedded document counts as one target, however many of its objects
    /// are targets.
    pub targets: usize,
    /// The number of selected containers.
    pub containers: usize,
    /// The number of these containers that get the whole injection, not only Prefect's settings.
    pub fully_injected: usize,
}

/// The result of planning and editing a document.
#[derive(Debug, Default)]
pub(super) struct DocumentOutcome<'e> {
    pub counts: TargetCounts,
    /// The edited document. `None` if the document needs no edits.
    pub edited: Option<Edited<'e>>,
    /// Whether the fallback parser read the document, because the scanner does not support it.
    pub by_fallback: bool,
}
