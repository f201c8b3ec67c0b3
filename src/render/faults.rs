//! Collects errors and warnings about documents until the lines of their documents are known.

use std::ops::Range;

use jobplate_diagnostic::{Diagnostic, Error, Location, Result};

use super::input_source::InputSource;

/// The maximum number of errors, and of warnings, that a run reports.
const MAX_REPORTED: usize = 100;

/// The maximum size, in bytes, of the documents that are kept to show their lines.
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

/// The errors and warnings about the documents of all inputs.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) errors: Vec<Error>,
    pub(super) warnings: Vec<Diagnostic>,
    /// The errors and warnings about the current input.
    pending: Vec<PendingFault>,
    kept_bytes: usize,
}

/// An error or warning about a document of the current input.
struct PendingFault {
    fault: Fault,
    /// The offset of the document in the input.
    offset: u64,
    text: String,
}

enum Fault {
    Error(Error),
    /// A warning and its byte range in the document.
    Warning(Diagnostic, Range<usize>),
}

impl Faults {
    /// Returns whether no more errors can be reported, so planning can stop.
    pub(super) fn is_full(&self) -> bool {
        let pending = self.pending.iter().filter(|pending| matches!(pending.fault, Fault::Error(_))).count();
        self.errors.len() + pending >= MAX_REPORTED || self.kept_bytes >= MAX_KEPT_BYTES
    }

    /// Adds an error about the document at `offset` of the current input.
    pub(super) fn add_error(&mut self, error: Error, offset: u64, text: &str) {
        self.add(Fault::Error(error), offset, text);
    }

    /// Adds a warning about the document at `offset` of the current input, unless there are too many.
    pub(super) fn add_warning(&mut self, (warning, span): (Diagnostic, Range<usize>), offset: u64, text: &str) {
        if self.warnings.len() + self.pending.len() < MAX_REPORTED && self.kept_bytes < MAX_KEPT_BYTES {
            self.add(Fault::Warning(warning, span), offset, text);
        }
    }

    fn add(&mut self, fault: Fault, offset: u64, text: &str) {
        self.kept_bytes += text.len();
        self.pending.push(PendingFault { fault, offset, text: text.to_owned() });
    }

    /// Adds the lines of the documents to the errors and warnings about the current input.
    ///
    /// # Errors
    ///
    /// Fails if the input cannot be read again.
    pub(super) fn finish_input(&mut self, source: &mut InputSource) -> Result<()> {
        let offsets: Vec<u64> = self.pending.iter().map(|pending| pending.offset).collect();
        if offsets.is_empty() {
            return Ok(());
        }
        let lines = source.lines_at(&offsets)?;
        for (PendingFault { fault, text, .. }, line) in self.pending.drain(..).zip(lines) {
            match fault {
                Fault::Error(error) => self.errors.push(error.in_document(source.name(), line, text)),
                Fault::Warning(warning, span) => {
                    self.warnings.push(warning.at(Location::new(source.name(), line, text, span)));
                }
            }
        }
        Ok(())
    }
}
