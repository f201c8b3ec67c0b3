//! Reads the documents of a planned rendering one at a time, each with its text before and after the edits.
//!
//! Used by commands that do more than print the documents, such as `apply` and `--diff`. Only one document at a time is
//! in memory.

use std::io::Read;
use std::ops::Range;

use jobplate_diagnostic::{Result, output_error};
use jobplate_yaml::Documents;

use super::edit_log::{EditLog, EditRecord};
use super::errors::{input_changed_error, not_utf8_error, read_error, spool_error};
use super::input_source::ChangeDetector;
use super::planned_input::PlannedInput;

/// A document before and after its edits.
#[derive(Debug)]
pub struct RenderedDocument<'c> {
    /// The input's name. Standard input is `-`.
    pub input: &'c str,
    /// The 1-based number of the document's first line in the input.
    pub line: usize,
    /// The document's text in the input.
    pub before: &'c str,
    /// The document's text after the edits.
    pub after: &'c str,
    /// Whether the document has edits.
    pub edited: bool,
    /// The byte ranges of `before` that are replaced, in ascending order, each with the length of its replacement.
    pub changes: Vec<(Range<usize>, usize)>,
}

/// A cursor over the documents of one or more inputs. It lends its buffer to each document, so it cannot implement
/// [`Iterator`].
pub struct DocumentCursor<'r> {
    remaining_inputs: std::slice::IterMut<'r, PlannedInput>,
    log: &'r mut EditLog,
    current: Option<CurrentInput<'r>>,
    max_document_size: usize,
    after: Vec<u8>,
}

/// The input that is being read.
struct CurrentInput<'r> {
    name: String,
    documents: Documents<Box<dyn Read + 'r>>,
    /// The record of the next edited document. `None` after the last one.
    record: Option<EditRecord>,
    line: usize,
    change_detector: ChangeDetector,
}

impl<'r> DocumentCursor<'r> {
    pub(super) fn new(inputs: &'r mut [PlannedInput], log: &'r mut EditLog, max_document_size: usize) -> Self {
        DocumentCursor { remaining_inputs: inputs.iter_mut(), log, current: None, max_document_size, after: Vec::new() }
    }

    /// Opens the next input. Returns `false` after the last one.
    fn open_next_input(&mut self) -> Result<bool> {
        let Some(PlannedInput { source, log_section, .. }) = self.remaining_inputs.next() else { return Ok(false) };
        let (name, change_detector) = (source.name().to_owned(), source.change_detector());
        change_detector.check_unchanged()?;
        self.log.seek(*log_section).map_err(|error| spool_error(&error))?;
        let record = self.log.read_record().map_err(|error| spool_error(&error))?;
        let documents = Documents::new(source.read_from_start()?, self.max_document_size);
        self.current = Some(CurrentInput { name, documents, record, line: 1, change_detector });
        Ok(true)
    }

    /// Returns the next document. Returns `None` after the last document of the last input.
    ///
    /// # Errors
    ///
    /// Fails if an input cannot be read again, or has changed since it was planned.
    pub fn next_document(&mut self) -> Result<Option<RenderedDocument<'_>>> {
        loop {
            if self.current.is_none() && !self.open_next_input()? {
                return Ok(None);
            }
            // The end is checked before a document is borrowed, because the borrow lasts until the call returns.
            let at_end = match &mut self.current {
                Some(current) => !current.documents.has_next().map_err(|error| read_error(&current.name, error))?,
                None => true,
            };
            if !at_end {
                break;
            }
            if let Some(current) = self.current.take() {
                if current.record.is_some() {
                    return Err(input_changed_error(&current.name));
                }
                current.change_detector.check_unchanged()?;
            }
        }
        let Some(CurrentInput { name, documents, record, line, .. }) = &mut self.current else { return Ok(None) };
        let Some(chunk) = documents.next().map_err(|error| read_error(name, error))? else { return Ok(None) };
        let first_line = *line;
        *line += memchr::memchr_iter(b'\n', chunk.bytes).count();
        let before = std::str::from_utf8(chunk.bytes).map_err(|error| {
            let (error, _, text) = not_utf8_error(chunk.bytes, error.valid_up_to(), chunk.offset);
            error.in_document(name, first_line, text)
        })?;
        let (mut after, mut changes) = (before, Vec::new());
        let edited = record.as_ref().is_some_and(|record| record.offset == chunk.offset);
        if let Some(record) = record.as_mut().filter(|_| edited) {
            if !record.matches_document(chunk.bytes) {
                return Err(input_changed_error(name));
            }
            changes = record.changes();
            self.after.clear();
            record.write_edited(chunk.bytes, &mut self.after).map_err(|error| output_error(&error))?;
            after = std::str::from_utf8(&self.after).map_err(|_| input_changed_error(name))?;
        }
        if edited {
            *record = self.log.read_record().map_err(|error| spool_error(&error))?;
        }
        Ok(Some(RenderedDocument { input: name, line: first_line, before, after, edited, changes }))
    }
}
