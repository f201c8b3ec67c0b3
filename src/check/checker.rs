//! Checks the documents of an input, with only a part of the input in memory at a time.

use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use jobplate_diagnostic::{Error, Result};
use jobplate_yaml::{Documents, StreamError};

use super::add_ignore::add_comments;
use super::batch::{Batch, InputDocument};
use super::described_run::DescribedRun;
use super::document_checker::{CheckCounts, CheckMemory, CheckSettings, DocumentChecker, DocumentFindings, Previews};
use super::finding::{Finding, OccurrenceCounter};
use super::findings::FindingFilter;
use super::fix::{FixOutcome, FixedDocument, Fixer};
use super::prefect::Previewer;
use super::rule::Rule;
use super::secret_references::SecretReferences;
use crate::render::{InputSource, not_utf8_error, read_error};

/// Checks inputs, and reuses its memory.
pub struct Checker<'p> {
    settings: CheckSettings,
    previewer: Option<&'p mut dyn Previewer>,
    memory: CheckMemory,
    /// The maximum size of a document in bytes.
    max_document_size: usize,
    counts: CheckCounts,
    occurrences: OccurrenceCounter,
}

/// The errors of an input, each with the line on which its document begins.
type DocumentErrors = Vec<(usize, Error)>;

/// Returns the findings in the text of a document.
type CheckText<'c> = dyn FnMut(&str) -> Result<Vec<Finding>> + 'c;

fn count_lines(text: &str) -> usize {
    memchr::memchr_iter(b'\n', text.as_bytes()).count()
}

impl<'p> Checker<'p> {
    /// Creates a checker for the rules. Without a previewer, the Jobs that Prefect creates are not examined.
    pub fn new(rules: Vec<&'static Rule>, previewer: Option<&'p mut dyn Previewer>, max_document_size: usize) -> Self {
        let run = previewer.as_deref().map_or_else(DescribedRun::default, Previewer::run);
        let settings = CheckSettings {
            rules,
            filter: FindingFilter::default(),
            has_baseline: false,
            honors_ignores: true,
            places_comments: false,
            references: Arc::default(),
            run,
        };
        let (memory, counts, occurrences) = (CheckMemory::default(), CheckCounts::default(), <_>::default());
        Checker { settings, previewer, memory, max_document_size, counts, occurrences }
    }

    /// Sets the references with which fixes replace secrets in plain text. By default, there are no references.
    pub fn set_references(&mut self, references: Arc<SecretReferences>) {
        self.settings.references = references;
    }

    /// Sets whether comments suppress findings. The default is that they do.
    pub fn honor_ignores(&mut self, honors_ignores: bool) {
        self.settings.honors_ignores = honors_ignores;
    }

    /// Sets whether a baseline may hide findings. The default is that none does.
    pub fn expect_baseline(&mut self, has_baseline: bool) {
        self.settings.has_baseline = has_baseline;
    }

    /// Sets the findings of the next inputs that are reported. The default is all of them. The others are passed on, too,
    /// but they do not count as left out.
    pub fn set_filter(&mut self, filter: FindingFilter) {
        self.settings.filter = filter;
    }

    /// Returns the numbers of what was checked so far.
    pub fn counts(&self) -> CheckCounts {
        self.counts
    }

    /// Sets the numbers of what was checked, before an input is checked again.
    pub fn set_counts(&mut self, counts: CheckCounts) {
        self.counts = counts;
    }

    /// Checks all documents of an input, in several threads if it is large. Calls `report` with the findings of each
    /// document, in document order.
    ///
    /// # Errors
    ///
    /// Fails with the errors of all documents that cannot be read or parsed, after the other documents are checked. Fails
    /// at once if the input cannot be read.
    pub fn check_source(&mut self, source: &mut InputSource, report: &mut dyn FnMut(Vec<Finding>)) -> Result<()> {
        let mut errors = DocumentErrors::new();
        let mut batch = Batch::default();
        let read = self.read_documents(source, &mut errors, &mut |checker, document, errors| {
            if !batch.has_room_for(document.text) {
                checker.check_batch(&mut batch, errors, report);
            }
            if batch.has_room_for(document.text) {
                batch.push(document);
            } else {
                let checked = checker.check_document(document);
                checker.report(document, checked, errors, report);
            }
        });
        self.check_batch(&mut batch, &mut errors, report);
        read?;
        combine(errors)
    }

    /// Checks the documents of a batch, and empties it.
    fn check_batch(&mut self, batch: &mut Batch, errors: &mut DocumentErrors, report: &mut dyn FnMut(Vec<Finding>)) {
        // Asking for the number of processors reads files.
        let parts = batch.split(|| thread::available_parallelism().map_or(1, NonZero::get));
        if let [documents] = &*parts {
            for document in documents {
                let checked = self.check_document(*document);
                self.report(*document, checked, errors, report);
            }
        } else {
            for (counts, part) in check_in_threads(&self.settings, self.previewer.is_some(), &parts) {
                self.counts += counts;
                for (document, checked) in part {
                    let is_deferred = checked.as_ref().is_ok_and(|checked| checked.is_deferred);
                    let checked = if is_deferred { self.check_document(document) } else { checked };
                    self.report(document, checked, errors, report);
                }
            }
        }
        batch.clear();
    }

    /// Passes on the results of a document.
    fn report(
        &mut self,
        document: InputDocument<'_>,
        checked: Result<DocumentFindings>,
        errors: &mut DocumentErrors,
        report: &mut dyn FnMut(Vec<Finding>),
    ) {
        let InputDocument { file, first_line, text } = document;
        match checked {
            Ok(DocumentFindings { mut findings, errors: embedded, .. }) => {
                self.occurrences.number(&mut findings);
                self.occurrences.end_document();
                errors.extend(embedded.into_iter().map(|error| (first_line, error)));
                if !findings.is_empty() {
                    report(findings);
                }
            }
            Err(error) => errors.push((first_line, error.in_document(file, first_line, text))),
        }
    }

    /// Checks a document in this thread.
    fn check_document(&mut self, document: InputDocument<'_>) -> Result<DocumentFindings> {
        let previews = match self.previewer.as_deref_mut() {
            Some(previewer) => Previews::Previewer(previewer),
            None => Previews::None,
        };
        let mut checker = DocumentChecker::new(&self.settings, previews, &mut self.memory);
        let checked = checker.check(document.file, document.first_line, document.text);
        self.counts += checker.counts;
        checked
    }

    /// Checks all documents of an input, and applies the fixes of the findings that `accepts` accepts. Calls `visit` with
    /// each document, in order, also with those that do not change.
    ///
    /// # Errors
    ///
    /// Fails like [`Checker::check_source`], and with the errors of `visit`.
    pub fn fix_source(
        &mut self,
        source: &mut InputSource,
        accepts: &dyn Fn(&Finding) -> bool,
        visit: &mut dyn FnMut(FixedDocument<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut fixer = Fixer::default();
        self.change_source(source, visit, &mut |text, check| fixer.fix(text, accepts, check))
    }

    /// Checks all documents of an input, and adds comments that suppress the findings that `accepts` accepts, as far as
    /// there is a place for them. Calls `visit` like [`Checker::fix_source`].
    ///
    /// # Errors
    ///
    /// Fails like [`Checker::fix_source`].
    pub fn ignore_source(
        &mut self,
        source: &mut InputSource,
        reason: &str,
        accepts: &dyn Fn(&Finding) -> bool,
        visit: &mut dyn FnMut(FixedDocument<'_>) -> Result<()>,
    ) -> Result<()> {
        self.settings.places_comments = true;
        let result = self.change_source(source, visit, &mut |text, check| add_comments(text, reason, accepts, check));
        self.settings.places_comments = false;
        result
    }

    /// Changes all documents of an input. `change` gets the text of a document, and a function that checks it.
    fn change_source(
        &mut self,
        source: &mut InputSource,
        visit: &mut dyn FnMut(FixedDocument<'_>) -> Result<()>,
        change: &mut dyn FnMut(&str, &mut CheckText<'_>) -> Result<FixOutcome>,
    ) -> Result<()> {
        let mut added_lines: isize = 0;
        let mut errors = DocumentErrors::new();
        self.read_documents(source, &mut errors, &mut |checker, document, errors| {
            let InputDocument { file, first_line, text } = document;
            let changed = checker.change_document(document, &mut added_lines, visit, change);
            checker.occurrences.end_document();
            errors.extend(changed.map_err(|error| (first_line, error.in_document(file, first_line, text))).err());
        })?;
        combine(errors)
    }

    /// Changes a document. `added_lines` is the number of lines that were added to the documents before it.
    fn change_document(
        &mut self,
        document: InputDocument<'_>,
        added_lines: &mut isize,
        visit: &mut dyn FnMut(FixedDocument<'_>) -> Result<()>,
        change: &mut dyn FnMut(&str, &mut CheckText<'_>) -> Result<FixOutcome>,
    ) -> Result<()> {
        let InputDocument { file, first_line, text } = document;
        let new_first_line = first_line.saturating_add_signed(*added_lines);
        let counts = self.counts;
        let mut check = |text: &str| {
            self.counts = counts;
            let document = InputDocument { file, first_line: new_first_line, text };
            let DocumentFindings { mut findings, errors, .. } = self.check_document(document)?;
            self.occurrences.number(&mut findings);
            Error::combine(errors).map_or(Ok(findings), Err)
        };
        let FixOutcome { text: new_text, findings, fixed } = change(text, &mut check)?;
        let after = new_text.as_deref().unwrap_or(text);
        *added_lines += count_lines(after) as isize - count_lines(text) as isize;
        visit(FixedDocument { first_line, new_first_line, before: text, after, findings, fixed })
    }

    /// Calls `visit` with each document of an input. Adds the errors of the documents that cannot be read to `errors`.
    fn read_documents(
        &mut self,
        source: &mut InputSource,
        errors: &mut DocumentErrors,
        visit: &mut dyn FnMut(&mut Self, InputDocument<'_>, &mut DocumentErrors),
    ) -> Result<()> {
        let name = source.name().to_owned();
        let mut documents = Documents::new(source.read_from_start()?, self.max_document_size);
        self.occurrences = OccurrenceCounter::default();
        let mut first_line = 1;
        loop {
            let chunk = match documents.next() {
                Ok(None) => break,
                Ok(Some(chunk)) => chunk,
                Err(StreamError::TooLarge(_)) => {
                    let message = format!("a document is larger than {} bytes", self.max_document_size);
                    let error = Error::input(message).hint("raise --max-document-size to accept it");
                    errors.push((first_line, error.at(0..1).in_document(&name, first_line, "")));
                    break;
                }
                Err(error) => return Err(read_error(&name, error)),
            };
            self.counts.documents += 1;
            match std::str::from_utf8(chunk.bytes) {
                Ok(text) => visit(self, InputDocument { file: &name, first_line, text }, errors),
                Err(error) => {
                    let (error, _, text) = not_utf8_error(chunk.bytes, error.valid_up_to(), chunk.offset);
                    errors.push((first_line, error.in_document(&name, first_line, text)));
                }
            }
            first_line += memchr::memchr_iter(b'\n', chunk.bytes).count();
        }
        Ok(())
    }
}

/// Fails with the errors of an input, in document order.
fn combine(mut errors: DocumentErrors) -> Result<()> {
    errors.sort_by_key(|(first_line, _)| *first_line);
    Error::combine(errors.into_iter().map(|(_, error)| error)).map_or(Ok(()), Err)
}

/// The results of a part of a batch.
type CheckedPart<'b> = (CheckCounts, Vec<(InputDocument<'b>, Result<DocumentFindings>)>);

/// Checks the parts of a batch, each in a thread of its own, the last one in this thread. Returns the results in the order
/// of the parts. A part whose thread cannot be started is checked in this thread.
fn check_in_threads<'b>(
    settings: &CheckSettings,
    has_previewer: bool,
    parts: &[Vec<InputDocument<'b>>],
) -> Vec<CheckedPart<'b>> {
    let check = |part: &[InputDocument<'b>]| {
        let mut memory = CheckMemory::default();
        let previews = if has_previewer { Previews::Deferred } else { Previews::None };
        let mut checker = DocumentChecker::new(settings, previews, &mut memory);
        let results =
            part.iter().map(|document| (*document, checker.check(document.file, document.first_line, document.text)));
        let results = results.collect();
        (checker.counts, results)
    };
    let Some((last, others)) = parts.split_last() else { return Vec::new() };
    thread::scope(|scope| {
        let check = &check;
        let start = |part| (part, thread::Builder::new().spawn_scoped(scope, move || check(part)));
        let threads: Vec<_> = others.iter().map(|part| start(part)).collect();
        let last = check(last);
        let results = threads.into_iter().map(|(part, thread)| match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => check(part),
        });
        results.chain([last]).collect()
    })
}
