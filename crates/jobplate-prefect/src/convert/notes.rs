//! Collects the notes of a conversion.

use jobplate_diagnostic::Message;

use crate::note::Note;
use crate::pyvalue::source::Location;

/// The notes of a conversion, in the order in which it adds them.
#[derive(Default)]
pub(super) struct ConversionNotes(Vec<Note>);

impl ConversionNotes {
    /// Adds a note with the text `text` about `location`, if there is one.
    pub(super) fn add(&mut self, text: impl Into<Message>, location: Option<&Location>) {
        self.0.push(Note::new(text, location));
    }

    /// Returns the notes sorted by location. Notes without a location come last.
    pub(super) fn into_sorted(mut self) -> Vec<Note> {
        self.0.sort_by_key(|note| note.location.as_ref().map_or(usize::MAX, |location| location.span.start));
        self.0
    }
}
