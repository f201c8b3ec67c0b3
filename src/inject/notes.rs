//! Collects the notes for the user without duplicates.

use indexmap::IndexSet;

/// Notes for the user, without duplicates, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Notes(IndexSet<String>);

impl Notes {
    pub(super) fn add(&mut self, note: String) {
        self.0.insert(note);
    }

    /// Returns the notes in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}
