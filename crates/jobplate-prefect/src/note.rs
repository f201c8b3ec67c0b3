//! Notes about a preview or a conversion.

use jobplate_diagnostic::Message;

use crate::pyvalue::source::Location;

/// A note and the location that it is about, printed as `FILE:LINE: TEXT`.
#[derive(Debug)]
pub struct Note {
    /// The text: one sentence.
    pub text: Message,
    /// The location that the note is about, if any.
    pub location: Option<Location>,
}

impl Note {
    /// Returns a note with the text `text` about `location`, if there is one.
    pub fn new(text: impl Into<Message>, location: Option<&Location>) -> Self {
        Note { text: text.into(), location: location.cloned() }
    }

    /// Returns the printed form of the note: its location, then its text.
    pub fn message(&self) -> Message {
        match &self.location {
            Some(location) => Message::from(format!("{location}: ")) + self.text.clone(),
            None => self.text.clone(),
        }
    }
}
