//! A rendering: all inputs planned and verified, then printed. Nothing is printed before all has succeeded, and
//! nothing that is not what was planned.

use std::io::Write;
use std::path::Path;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::select::Target;
use jobplate_yaml::{Documents, StreamError};

use super::copier::Copier;
use super::cursor::DocumentCursor;
use super::document_planner::{DocumentPlanner, ends_in_block_scalar};
use super::edit_log::EditLog;
use super::errors::{changed, not_utf8, read_error, spool_error};
use super::input_source::InputSource;
use super::outcome::{DocumentOutcome, TargetCounts};
use super::passes;
use super::planned_input::PlannedInput;
use crate::inject::{Injection, Notes};

/// Files whose handles are kept between passes; others are opened again.
pub const MAX_OPEN_FILES: usize = 128;

/// Inputs whose every document is planned and verified, ready to be printed.
#[derive(Default)]
pub struct Rendering {
    pub(super) inputs: Vec<PlannedInput>,
    /// Remarks for the user.
    pub notes: Notes,
    /// Variables that flow runs get in vain, since their agent puts its own in their place.
    pub overridden: Vec<String>,
    /// Targets asked for that nothing matches, where others match something.
    pub unmatched_targets: Vec<Target>,
    /// Objects that are targets.
    pub targets: usize,
    /// Containers that get everything, not only Prefect's settings.
    pub fully_injected: usize,
    /// Bytes read.
    bytes: u64,
    limit: usize,
}

impl Rendering {
    /// Plans and verifies every document of every source; documents of more than `limit` bytes are refused.
    ///
    /// # Errors
    ///
    /// Fails where a source can't be read, and where a document is not what it must be for what is asked.
    pub fn plan(sources: Vec<InputSource>, injection: &Injection, limit: usize) -> Result<Self> {
        let inputs = sources.into_iter().map(PlannedInput::new).collect();
        let rendering = Rendering { inputs, limit, ..Rendering::default() };
        passes::repeat(injection, rendering, |rendering, known| {
            let mut planner = DocumentPlanner::new(injection, known);
            Ok((rendering.pass(&mut planner)?, planner.findings()))
        })
    }

    /// Plans and verifies everything once.
    fn pass(self, planner: &mut DocumentPlanner<'_>) -> Result<Self> {
        let mut rendering = Rendering { limit: self.limit, ..Rendering::default() };
        self.inputs.into_iter().try_for_each(|input| rendering.plan_source(input.source, planner))?;
        rendering.unmatched_targets = planner.planner.unmatched_targets();
        rendering.overridden = planner.planner.overridden();
        rendering.notes = std::mem::take(&mut planner.planner.notes);
        Ok(rendering)
    }

    fn plan_source(&mut self, mut source: InputSource, planner: &mut DocumentPlanner<'_>) -> Result<()> {
        let mut log = EditLog::new();
        planner.begin_stream();
        let name = source.name().to_owned();
        let mut failure = None;
        let mut ends_in_open_scalar = false;
        {
            let mut documents = Documents::new(source.read_from_start()?, self.limit);
            loop {
                let chunk = match documents.next() {
                    Ok(Some(chunk)) => chunk,
                    Ok(None) => break,
                    Err(StreamError::TooLarge(offset)) => {
                        let limit = self.limit;
                        let error = Error::input(format!("a document is larger than {limit} bytes"))
                            .hint("raise --max-document-size if this is what you mean");
                        failure = Some((error.at(0..1), offset, String::new()));
                        break;
                    }
                    Err(error) => return Err(read_error(&name, error)),
                };
                self.bytes += chunk.bytes.len() as u64;
                let text = match std::str::from_utf8(chunk.bytes) {
                    Ok(text) => text,
                    Err(error) => {
                        failure = Some(not_utf8(chunk.bytes, error.valid_up_to(), chunk.offset));
                        break;
                    }
                };
                if !text.ends_with('\n') {
                    ends_in_open_scalar = ends_in_block_scalar(text);
                }
                match planner.document(text) {
                    Ok(DocumentOutcome { counts, edited, .. }) => {
                        self.count(&counts);
                        if let Some(edited) = edited {
                            log.push(chunk.offset, text, edited.splices()).map_err(|error| spool_error(&error))?;
                        }
                    }
                    Err(error) => {
                        failure = Some((error, chunk.offset, text.to_owned()));
                        break;
                    }
                }
            }
        }
        if let Some((error, offset, text)) = failure {
            let line = source.line_at(offset)?;
            return Err(error.in_document(source.name(), line, text));
        }
        if self.inputs.len() >= MAX_OPEN_FILES {
            source.close();
        }
        self.inputs.push(PlannedInput { source, log, ends_in_open_scalar });
        Ok(())
    }

    fn count(&mut self, counts: &TargetCounts) {
        self.targets += counts.targets;
        self.fully_injected += counts.fully_injected;
    }

    /// The number of inputs.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there are no inputs.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// The name of an input.
    pub fn input_name(&self, input: usize) -> &str {
        self.inputs[input].source.name()
    }

    /// The file that an input is; none for a pipe.
    pub fn input_path(&self, input: usize) -> Option<&Path> {
        self.inputs[input].source.path()
    }

    /// Checks that an input is still what was planned.
    ///
    /// # Errors
    ///
    /// Fails if the file was written to or replaced.
    pub fn check_unchanged(&self, input: usize) -> Result<()> {
        self.inputs[input].source.check_unchanged()
    }

    /// Fails where joining the inputs would change one: a line break after an open block scalar is part of its value.
    ///
    /// # Errors
    ///
    /// Refuses to join an input other than the last that ends in an open block scalar.
    pub fn check_joinable(&self) -> Result<()> {
        let but_last = self.inputs.len().saturating_sub(1);
        match self.inputs[..but_last].iter().find(|input| input.ends_in_open_scalar) {
            None => Ok(()),
            Some(input) => {
                Err(Error::refused("ends in a block scalar without a line break, which joining would add to it")
                    .in_file(input.source.name())
                    .hint("end the file with a line break, or name it last"))
            }
        }
    }

    /// Whether rendering changes an input.
    pub fn is_changed(&self, input: usize) -> bool {
        !self.inputs[input].log.is_empty()
    }

    /// Prints one input: its bytes with the splices made.
    ///
    /// # Errors
    ///
    /// Fails if the input cannot be read again or has changed, or if the output cannot be written.
    pub fn write_input(&mut self, input: usize, out: &mut dyn Write) -> Result<()> {
        let PlannedInput { source, log, .. } = &mut self.inputs[input];
        let name = source.name().to_owned();
        let mut copier = Copier { reader: source.read_from_start()?, out, position: 0, buffer: vec![0; 128 * 1024] };
        log.rewind().map_err(|error| spool_error(&error))?;
        let mut document = Vec::new();
        while let Some(record) = log.read().map_err(|error| spool_error(&error))? {
            copier.copy_until(Some(record.offset)).map_err(|error| error.report(&name))?;
            copier.read(&mut document, record.length).map_err(|error| error.report(&name))?;
            if !record.matches_document(&document) {
                return Err(changed(&name));
            }
            copier.splice(&document, &record).map_err(|error| error.report(&name))?;
        }
        copier.copy_until(None).map_err(|error| error.report(&name))?;
        drop(copier);
        source.check_unchanged()?;
        if input >= MAX_OPEN_FILES {
            source.close();
        }
        Ok(())
    }

    /// The documents of all inputs, or of one, as they are and as they are printed.
    pub fn documents(&mut self, input: Option<usize>) -> DocumentCursor<'_> {
        let range = input.map_or(0..self.inputs.len(), |input| input..input + 1);
        DocumentCursor::new(&mut self.inputs[range], self.limit)
    }

    /// Whether there is not one byte in the inputs.
    pub fn has_no_bytes(&self) -> bool {
        self.bytes == 0
    }
}
