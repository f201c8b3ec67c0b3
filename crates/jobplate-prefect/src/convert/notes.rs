//! Collects the notes of a conversion.

use jobplate_diagnostic::Diagnostic;

use crate::pyvalue::source::{Location, locate_diagnostic};

/// The notes of a conversion, in the order in which it adds them.
#[derive(Default)]
pub(super) struct ConversionNotes(Vec<Diagnostic>);

impl ConversionNotes {
    /// Adds a note about `location`, if there is one.
    pub(super) fn add(&mut self, note: Diagnostic, location: Option<&Location>) {
        self.0.push(locate_diagnostic(note, location));
    }

    /// Returns the notes sorted by location. Notes without a location come last.
    pub(super) fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.0.sort_by_key(|note| note.location().map_or(usize::MAX, |location| location.span.start));
        self.0
    }
}
