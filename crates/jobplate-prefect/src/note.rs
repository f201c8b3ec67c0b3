//! Notes about a preview or a conversion.

use jobplate_diagnostic::Message;

use crate::pyvalue::source::Place;

/// A note with the place that it is about. It is printed as `FILE:LINE: TEXT`.
#[derive(Debug)]
pub struct Note {
    /// The text: one sentence.
    pub text: Message,
    /// The place that it is about.
    pub place: Option<Place>,
}

impl Note {
    /// Returns a note about a place.
    pub fn new(text: impl Into<Message>, place: Option<&Place>) -> Self {
        Note { text: text.into(), place: place.cloned() }
    }

    /// Returns the note as it is printed: its place, then its text.
    pub fn message(&self) -> Message {
        match &self.place {
            Some(place) => Message::from(format!("{place}: ")) + self.text.clone(),
            None => self.text.clone(),
        }
    }
}
