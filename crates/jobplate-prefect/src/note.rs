//! Remarks on a preview or a conversion.

use jobplate_diagnostic::Message;

use crate::pyvalue::source::Place;

/// One remark, and what it is about. Shown as `FILE:LINE: TEXT`.
#[derive(Debug)]
pub struct Note {
    /// One sentence.
    pub text: Message,
    /// Where it is written.
    pub place: Option<Place>,
}

impl Note {
    /// A remark on what stands at a place.
    pub fn new(text: impl Into<Message>, place: Option<&Place>) -> Self {
        Note { text: text.into(), place: place.cloned() }
    }
}

impl Note {
    /// Returns the text, after the place.
    pub fn message(&self) -> Message {
        match &self.place {
            Some(place) => Message::from(format!("{place}: ")) + self.text.clone(),
            None => self.text.clone(),
        }
    }
}
