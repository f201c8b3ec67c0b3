//! Collects the notes of a conversion.

use jobplate_diagnostic::Message;

use crate::note::Note;
use crate::pyvalue::source::Place;

/// The notes of a conversion, in the order in which it adds them.
#[derive(Default)]
pub(super) struct ConversionNotes(Vec<Note>);

impl ConversionNotes {
    /// Adds a note about a place, if there is one.
    pub(super) fn add(&mut self, text: impl Into<Message>, place: Option<&Place>) {
        self.0.push(Note::new(text, place));
    }

    /// Returns the notes in the order of their places. Notes without a place come last.
    pub(super) fn into_sorted(mut self) -> Vec<Note> {
        self.0.sort_by_key(|note| note.place.as_ref().map_or(usize::MAX, |place| place.span.start));
        self.0
    }
}
