//! Collects errors and warnings about documents until the lines of their documents are known.

use std::ops::Range;
use std::sync::Arc;

use jobplate_diagnostic::{Diagnostic, Error, Location, Result, Severity};

use super::input_source::InputSource;

/// The maximum number of errors, and of warnings, that a run reports.
const MAX_REPORTED: usize = 100;

/// The maximum size, in bytes, of the documents that are kept to show their lines.
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

/// The errors and warnings about the documents of all inputs.
#[derive(Default)]
pub(super) struct Faults {
    errors: Vec<Error>,
    warnings: Vec<Diagnostic>,
    /// The errors and warnings about the current input.
    pending: Vec<PendingFault>,
    /// How many errors, and how many bytes of their documents, are kept.
    kept_errors: Budget,
    /// The same for warnings.
    kept_warnings: Budget,
    /// The same for notes. Many of them leave out no warning.
    kept_notes: Budget,
    /// Whether documents were not checked because of too many errors.
    skips_documents: bool,
    /// Whether a warning was left out.
    lacks_warnings: bool,
}

/// A number of errors or warnings, and the bytes of their documents.
#[derive(Default)]
struct Budget {
    count: usize,
    bytes: usize,
}

impl Budget {
    fn is_used_up(&self) -> bool {
        self.count >= MAX_REPORTED || self.bytes >= MAX_KEPT_BYTES
    }

    fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// An error or warning about a document of the current input.
struct PendingFault {
    fault: Fault,
    /// The offset of the document in the input.
    offset: u64,
    text: Arc<str>,
}

enum Fault {
    Error(Error),
    /// A diagnostic that does not stop the run, and its byte range in the document.
    Diagnostic(Diagnostic, Range<usize>),
}

impl Faults {
    /// Returns whether no more errors can be reported, so planning can stop. Warnings never stop it.
    pub(super) fn is_full(&self) -> bool {
        self.kept_errors.is_used_up()
    }

    /// Notes that documents are not checked, because [`Faults::is_full`] is true.
    pub(super) fn skip_documents(&mut self) {
        self.skips_documents = true;
    }

    /// Adds an error about the document at `offset` of the current input.
    pub(super) fn add_error(&mut self, error: Error, offset: u64, text: &str) {
        self.kept_errors.add(text.len());
        self.pending.push(PendingFault { fault: Fault::Error(error), offset, text: text.into() });
    }

    /// Adds diagnostics about the document at `offset` of the current input, unless there are too many.
    pub(super) fn add_diagnostics(&mut self, found: Vec<(Diagnostic, Range<usize>)>, offset: u64, text: &str) {
        // The diagnostics share the document.
        let mut document: Option<Arc<str>> = None;
        for (diagnostic, span) in found {
            let is_note = diagnostic.severity() == Severity::Info;
            let kept = if is_note { &mut self.kept_notes } else { &mut self.kept_warnings };
            if kept.is_used_up() {
                self.lacks_warnings = true;
                continue;
            }
            kept.add(if document.is_none() { text.len() } else { 0 });
            let text = Arc::clone(document.get_or_insert_with(|| text.into()));
            self.pending.push(PendingFault { fault: Fault::Diagnostic(diagnostic, span), offset, text });
        }
    }

    /// Adds an error about the current input, which cannot be read further.
    pub(super) fn abandon_input(&mut self, error: Error) {
        self.pending.clear();
        self.kept_errors.add(0);
        self.errors.push(error);
    }

    /// Returns all errors, combined.
    pub(super) fn take_error(&mut self) -> Option<Error> {
        if self.skips_documents {
            self.errors.push(Error::input("too many errors: the remaining documents were not checked"));
        }
        Error::combine(std::mem::take(&mut self.errors))
    }

    /// Returns all warnings.
    pub(super) fn into_warnings(mut self) -> Vec<Diagnostic> {
        if self.lacks_warnings {
            self.warnings.push(Diagnostic::info("incomplete-check", "too many warnings; others are not reported"));
        }
        self.warnings
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
                Fault::Diagnostic(diagnostic, span) => {
                    self.warnings.push(diagnostic.at(Location::new(source.name(), line, text, span)));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning() -> (Diagnostic, Range<usize>) {
        (Diagnostic::warning("some-code", "text"), 0..1)
    }

    #[test]
    fn only_errors_stop_planning() {
        let mut faults = Faults::default();
        for _ in 0..2 * MAX_REPORTED {
            faults.add_diagnostics(vec![warning(), warning()], 0, "text");
        }
        faults.add_diagnostics(vec![warning()], 0, &"x".repeat(1_000_000));
        assert!(!faults.is_full() && faults.lacks_warnings);
        for _ in 0..MAX_REPORTED {
            assert!(!faults.is_full());
            faults.add_error(Error::input("x"), 0, "text");
        }
        assert!(faults.is_full());
    }

    #[test]
    fn notes_leave_out_no_warnings() {
        let mut faults = Faults::default();
        for _ in 0..2 * MAX_REPORTED {
            faults.add_diagnostics(vec![(Diagnostic::info("some-code", "text"), 0..1)], 0, "text");
        }
        faults.add_diagnostics(vec![warning()], 0, "text");
        let is_warning = |fault: &PendingFault| matches!(&fault.fault, Fault::Diagnostic(diagnostic, _) if diagnostic.severity() == Severity::Warning);
        assert!(faults.lacks_warnings && faults.pending.iter().any(is_warning));
    }

    #[test]
    fn says_that_errors_and_warnings_are_left_out() {
        let mut faults = Faults::default();
        (0..MAX_REPORTED).for_each(|_| faults.abandon_input(Error::input("x")));
        faults.skip_documents();
        let error = faults.take_error().unwrap();
        assert_eq!(error.all().count(), MAX_REPORTED + 1);
        assert!(error.all().last().unwrap().message().starts_with("too many errors"));
        let faults = Faults { lacks_warnings: true, ..Faults::default() };
        assert_eq!(faults.into_warnings()[0].code(), "incomplete-check");
    }
}
