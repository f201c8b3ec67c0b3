//! The documents of a planned rendering, one at a time: each as it was and as it is printed.
//!
//! For whoever does something else with them than print them all. Memory is that of one document.

use std::io::Read;
use std::ops::Range;

use jobplate_diagnostic::{Result, output_error};
use jobplate_yaml::Documents;

use super::edit_log::{EditLog, EditRecord};
use super::errors::{changed, not_utf8, read_error, spool_error};
use super::input_source::ChangeDetector;
use super::planned_input::PlannedInput;

/// A document of an input.
#[derive(Debug)]
pub struct RenderedDocument<'c> {
    /// The input's name; `-` is standard input.
    pub input: &'c str,
    /// The line of its first byte in that input, from 1.
    pub line: usize,
    /// As it stands in the input.
    pub before: &'c str,
    /// As it is printed.
    pub after: &'c str,
    /// Whether the two differ.
    pub edited: bool,
    /// The bytes of `before` that are replaced, ascending, and how many take their place.
    pub changes: Vec<(Range<usize>, usize)>,
}

/// Walks through the documents of some inputs.
pub struct DocumentCursor<'r> {
    rest: std::slice::IterMut<'r, PlannedInput>,
    current: Option<Current<'r>>,
    limit: usize,
    after: Vec<u8>,
}

struct Current<'r> {
    name: String,
    documents: Documents<Box<dyn Read + 'r>>,
    log: &'r mut EditLog,
    /// The next edit, if there is one.
    record: Option<EditRecord>,
    line: usize,
    change_detector: ChangeDetector,
}

impl<'r> DocumentCursor<'r> {
    pub(super) fn new(inputs: &'r mut [PlannedInput], limit: usize) -> Self {
        DocumentCursor { rest: inputs.iter_mut(), current: None, limit, after: Vec::new() }
    }

    fn open(&mut self) -> Result<bool> {
        let Some(PlannedInput { source, log, .. }) = self.rest.next() else { return Ok(false) };
        let (name, change_detector) = (source.name().to_owned(), source.change_detector());
        change_detector.check()?;
        log.rewind().map_err(|error| spool_error(&error))?;
        let record = log.read().map_err(|error| spool_error(&error))?;
        let documents = Documents::new(source.read_from_start()?, self.limit);
        self.current = Some(Current { name, documents, log, record, line: 1, change_detector });
        Ok(true)
    }

    /// The next document; none behind the last of the last input.
    ///
    /// # Errors
    ///
    /// Fails if an input cannot be read again, or has changed since it was planned.
    pub fn next_document(&mut self) -> Result<Option<RenderedDocument<'_>>> {
        loop {
            if self.current.is_none() && !self.open()? {
                return Ok(None);
            }
            // Looked at before it is lent: the borrow of what is lent lasts to the end of the call.
            let at_end = match &mut self.current {
                Some(current) => !current.documents.has_next().map_err(|error| read_error(&current.name, error))?,
                None => true,
            };
            if !at_end {
                break;
            }
            if let Some(current) = self.current.take() {
                if current.record.is_some() {
                    return Err(changed(&current.name));
                }
                current.change_detector.check()?;
            }
        }
        let Some(Current { name, documents, log, record, line, .. }) = &mut self.current else { return Ok(None) };
        let Some(chunk) = documents.next().map_err(|error| read_error(name, error))? else { return Ok(None) };
        let first_line = *line;
        *line += memchr::memchr_iter(b'\n', chunk.bytes).count();
        let before = std::str::from_utf8(chunk.bytes).map_err(|error| {
            let (error, _, text) = not_utf8(chunk.bytes, error.valid_up_to(), chunk.offset);
            error.in_document(name, first_line, text)
        })?;
        let (mut after, mut changes) = (before, Vec::new());
        let edited = record.as_ref().is_some_and(|record| record.offset == chunk.offset);
        if let Some(record) = record.as_mut().filter(|_| edited) {
            if !record.matches_document(chunk.bytes) {
                return Err(changed(name));
            }
            changes = record.changes();
            self.after.clear();
            record.write(chunk.bytes, &mut self.after).map_err(|error| output_error(&error))?;
            after = std::str::from_utf8(&self.after).map_err(|_| changed(name))?;
        }
        if edited {
            *record = log.read().map_err(|error| spool_error(&error))?;
        }
        Ok(Some(RenderedDocument { input: name, line: first_line, before, after, edited, changes }))
    }
}
