//! The notes of a conversion, in the order in which they come up.

use jobplate_diagnostic::Message;

use crate::note::Note;
use crate::pyvalue::source::Location;

/// Notes as they come up.
#[derive(Default)]
pub(super) struct Notes(Vec<Note>);

impl Notes {
    pub(super) fn add(&mut self, text: impl Into<Message>, location: Option<&Location>) {
        self.0.push(Note::new(text, location));
    }

    /// Returns the notes in the order of the lines that they are about. Those about no line come last.
    pub(super) fn sorted(mut self) -> Vec<Note> {
        self.0.sort_by_key(|note| note.location.as_ref().map_or(usize::MAX, |location| location.span.start));
        self.0
    }
}
