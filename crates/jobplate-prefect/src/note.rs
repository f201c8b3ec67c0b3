//! Remarks on a preview or a conversion.

use jobplate_diagnostic::Message;

use crate::pyvalue::source::Location;

/// One remark, and what it is about. Shown as `FILE:LINE: TEXT`.
#[derive(Debug)]
pub struct Note {
    /// One sentence.
    pub text: Message,
    /// Where it is written.
    pub location: Option<Location>,
}

impl Note {
    /// A remark on what stands at a place.
    pub fn new(text: impl Into<Message>, location: Option<&Location>) -> Self {
        Note { text: text.into(), location: location.cloned() }
    }
}

impl Note {
    /// Returns the text, after the place.
    pub fn message(&self) -> Message {
        match &self.location {
            Some(location) => Message::from(format!("{location}: ")) + self.text.clone(),
            None => self.text.clone(),
        }
    }
}
