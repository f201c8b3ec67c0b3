//! Collects the notes for the user without duplicates.

use std::collections::HashSet;

use jobplate_diagnostic::Diagnostic;

/// Notes for the user, without duplicate messages, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    notes: Vec<Diagnostic>,
    messages: HashSet<String>,
}

impl Notes {
    pub(super) fn add(&mut self, note: Diagnostic) {
        if self.messages.insert(note.message().to_owned()) {
            self.notes.push(note);
        }
    }

    /// Returns the notes in the order in which they were added.
    pub(super) fn into_vec(self) -> Vec<Diagnostic> {
        self.notes
    }
}
