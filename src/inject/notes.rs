//! Collects the notes for the user without duplicates.

use std::ops::Range;

use indexmap::{IndexMap, IndexSet};
use jobplate_diagnostic::Diagnostic;

/// The maximum number of variables that one note names.
const MAX_NAMES: usize = 20;

/// The maximum number of diagnostics with a location that are collected for a document. A run reports fewer.
const MAX_LOCATED: usize = 1000;

/// Notes for the user, without duplicate messages, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    /// The notes, keyed by message.
    notes: IndexMap<String, Diagnostic>,
    /// The variables whose literals are replaced by references to Secrets.
    replaced_literals: IndexSet<String>,
    /// Diagnostics about the current document, with their byte ranges in it.
    located: Vec<(Diagnostic, Range<usize>)>,
}

impl Notes {
    pub(super) fn add(&mut self, note: Diagnostic) {
        self.notes.entry(note.message().to_owned()).or_insert(note);
    }

    /// Adds a diagnostic about a byte range of the current document, unless there are too many.
    pub(super) fn add_at(&mut self, diagnostic: Diagnostic, span: Range<usize>) {
        if self.located.len() < MAX_LOCATED {
            self.located.push((diagnostic, span));
        }
    }

    /// Removes and returns the diagnostics about the current document.
    pub(super) fn take_located(&mut self) -> Vec<(Diagnostic, Range<usize>)> {
        std::mem::take(&mut self.located)
    }

    /// Adds a variable whose literal is replaced by a reference to a Secret. One note names all these variables.
    pub(super) fn add_replaced_literal(&mut self, name: &str) {
        self.replaced_literals.insert(name.to_owned());
    }

    /// Returns the notes in the order in which they were added.
    pub(super) fn into_vec(self) -> Vec<Diagnostic> {
        let Notes { notes, replaced_literals, .. } = self;
        let mut notes: Vec<Diagnostic> = notes.into_values().collect();
        if !replaced_literals.is_empty() {
            let mut names: Vec<String> =
                replaced_literals.iter().take(MAX_NAMES).map(|name| format!("`{name}`")).collect();
            if let more @ 1.. = replaced_literals.len() - names.len() {
                names.push(format!("{more} more"));
            }
            let text = format!("references replace the plain-text values of {}", names.join(", "));
            let help = "rotate each value that is a secret: Git, backups and earlier Jobs and pods still have it";
            notes.push(Diagnostic::info("replaced-secret", text).help(help));
        }
        notes
    }
}
