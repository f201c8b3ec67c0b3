//! Notes about a preview or a conversion.

use jobplate_diagnostic::Message;

use crate::pyvalue::source::Location;

/// A note with the place that it is about. It is printed as `FILE:LINE: TEXT`.
#[derive(Debug)]
pub struct Note {
    /// The text: one sentence.
    pub text: Message,
    /// The place that it is about.
    pub location: Option<Location>,
}

impl Note {
    /// Returns a note about a place.
    pub fn new(text: impl Into<Message>, location: Option<&Location>) -> Self {
        Note { text: text.into(), location: location.cloned() }
    }

    /// Returns the note as it is printed: its place, then its text.
    pub fn message(&self) -> Message {
        match &self.location {
            Some(location) => Message::from(format!("{location}: ")) + self.text.clone(),
            None => self.text.clone(),
        }
    }
}
