//! Remarks on a preview or a conversion.

use std::fmt;

use crate::pyvalue::heap::Place;

/// One remark, and what it is about. Shown as `FILE:LINE: TEXT`.
#[derive(Debug)]
pub struct Note {
    /// One sentence.
    pub text: String,
    /// Where it is written.
    pub place: Option<Place>,
}

impl Note {
    /// A remark on what stands at a place.
    pub fn new(text: impl Into<String>, place: Option<&Place>) -> Self {
        Note { text: text.into(), place: place.cloned() }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}
