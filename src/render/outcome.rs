//! The result of planning and editing one document.

use std::ops::Range;

use jobplate_diagnostic::Diagnostic;
use jobplate_manifest::difference::ObjectName;
use jobplate_yaml::Edited;

/// The numbers of targets and selected containers in a document.
#[derive(Debug, Default)]
pub(super) struct TargetCounts {
    /// The number of objects that are targets. An embedded document counts as one target, however many of its objects
    /// are targets.
    pub targets: usize,
    /// The number of these targets that need edits.
    pub changed: usize,
    /// The number of selected containers.
    pub containers: usize,
    /// The number of these containers that get the whole injection, not only Prefect's settings.
    pub fully_injected: usize,
}

impl TargetCounts {
    /// Adds the targets of the documents that are embedded in the document.
    pub(super) fn add(&mut self, embedded: &TargetCounts) {
        self.targets += embedded.targets;
        self.changed += embedded.changed;
        self.containers += embedded.containers;
        self.fully_injected += embedded.fully_injected;
    }
}

/// The result of planning and editing a document.
#[derive(Debug, Default)]
pub(super) struct DocumentOutcome<'e> {
    pub counts: TargetCounts,
    /// The edited document. `None` if the document needs no edits.
    pub edited: Option<Edited<'e>>,
    /// Whether the fallback parser read the document, because the scanner does not support it.
    pub by_fallback: bool,
    /// Warnings about the document, with their byte ranges in it.
    pub diagnostics: Vec<(Diagnostic, Range<usize>)>,
    /// The targets that need no edits, with their offsets in the document. Empty unless they are collected.
    pub unchanged: Vec<(ObjectName, usize)>,
}
