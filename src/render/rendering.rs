//! Plans and verifies all inputs, and then prints them. Prints no output before all inputs are planned, and only the
//! planned output.

use std::io::Write;
use std::path::Path;

use jobplate_diagnostic::{Diagnostic, Error, Result};
use jobplate_manifest::select::Target;
use jobplate_yaml::{Documents, StreamError};

use super::copier::Copier;
use super::cursor::DocumentCursor;
use super::document_planner::{DocumentPlanner, ends_in_block_scalar};
use super::edit_log::{EditLog, LogSection};
use super::errors::{input_changed_error, not_utf8_error, read_error, spool_error};
use super::faults::Faults;
use super::input_source::InputSource;
use super::outcome::DocumentOutcome;
use super::passes;
use super::planned_input::PlannedInput;
use super::unchanged::UnchangedTargets;
use crate::inject::Injection;

/// The maximum number of files that are kept open between passes. Further files are opened again for each pass.
pub const MAX_OPEN_FILES: usize = 128;

/// The planned and verified inputs, ready to be printed.
#[derive(Default)]
pub struct Rendering {
    pub(super) inputs: Vec<PlannedInput>,
    log: EditLog,
    /// The warnings and notes for the user.
    pub diagnostics: Vec<Diagnostic>,
    /// The variables set on flow runs that their Prefect 1 agent overrides.
    pub overridden: Vec<String>,
    /// The targets that match no object, if another target matches an object.
    pub unmatched_targets: Vec<Target>,
    /// The number of objects that are targets.
    pub targets: usize,
    /// The number of targets that need edits.
    pub changed_targets: usize,
    /// The number of containers that get the whole injection, not only Prefect's settings.
    pub fully_injected: usize,
    /// The number of bytes in all inputs.
    bytes: u64,
    options: PlanOptions,
    /// The targets that need no edits. `None` if they are not collected.
    unchanged: Option<UnchangedTargets>,
}

/// Options for planning.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanOptions {
    /// The maximum size of a document in bytes.
    pub max_document_size: usize,
    /// Whether the targets that need no edits are collected.
    pub collects_unchanged: bool,
}

impl Rendering {
    /// Plans and verifies the documents of all sources.
    ///
    /// # Errors
    ///
    /// Fails with the errors of all sources: if a source was not opened or cannot be read, if a document is larger than
    /// the maximum size, or if a document that may have a target cannot be parsed or safely edited.
    pub fn plan(sources: Vec<Result<InputSource>>, injection: &Injection, options: PlanOptions) -> Result<Self> {
        let mut sources = Some(sources);
        passes::repeat(injection, Rendering::default(), |rendering: Rendering, context| {
            let mut planner = DocumentPlanner::new(injection, context);
            if options.collects_unchanged {
                planner.collect_unchanged();
            }
            let planned_before = || rendering.inputs.into_iter().map(|input| Ok(input.source)).collect();
            let rendering = Rendering::plan_pass(sources.take().unwrap_or_else(planned_before), options, &mut planner)?;
            Ok((rendering, planner.into_findings()))
        })
    }

    /// Plans and verifies all inputs once.
    ///
    /// # Errors
    ///
    /// Fails with the errors of all documents and inputs.
    fn plan_pass(
        sources: Vec<Result<InputSource>>,
        options: PlanOptions,
        planner: &mut DocumentPlanner<'_>,
    ) -> Result<Self> {
        let unchanged = options.collects_unchanged.then(UnchangedTargets::default);
        let mut rendering = Rendering { options, unchanged, ..Rendering::default() };
        let mut faults = Faults::default();
        for source in sources {
            if faults.is_full() {
                faults.skip_documents();
                break;
            }
            let planned = source.and_then(|source| rendering.plan_source(source, planner, &mut faults));
            if let Err(error) = planned {
                faults.abandon_input(error);
            }
        }
        if let Some(error) = faults.take_error() {
            return Err(error);
        }
        rendering.unmatched_targets = planner.edit_planner.unmatched_targets();
        rendering.overridden = planner.edit_planner.overridden();
        rendering.diagnostics = planner.edit_planner.take_notes();
        rendering.diagnostics.extend(faults.into_warnings());
        Ok(rendering)
    }

    /// Plans and verifies the documents of an input. Adds errors and warnings about documents to `faults`.
    ///
    /// # Errors
    ///
    /// Fails if the input cannot be read, or if the temporary file cannot be written.
    fn plan_source(
        &mut self,
        mut source: InputSource,
        planner: &mut DocumentPlanner<'_>,
        faults: &mut Faults,
    ) -> Result<()> {
        let mut log_section = self.log.begin_section();
        planner.begin_stream();
        let name = source.name().to_owned();
        let (mut ends_in_open_scalar, mut targets) = (false, 0);
        {
            let mut documents = Documents::new(source.read_from_start()?, self.options.max_document_size);
            loop {
                let chunk = match documents.next() {
                    Ok(None) => break,
                    Ok(Some(_)) if faults.is_full() => {
                        faults.skip_documents();
                        break;
                    }
                    Ok(Some(chunk)) => chunk,
                    Err(StreamError::TooLarge(offset)) => {
                        let limit = self.options.max_document_size;
                        let error = Error::input(format!("a document is larger than {limit} bytes"))
                            .hint("raise --max-document-size to accept it");
                        faults.add_error(error.at(0..1), offset, "");
                        break;
                    }
                    Err(error) => return Err(read_error(&name, error)),
                };
                self.bytes += chunk.bytes.len() as u64;
                let text = match std::str::from_utf8(chunk.bytes) {
                    Ok(text) => text,
                    Err(error) => {
                        let (error, offset, text) = not_utf8_error(chunk.bytes, error.valid_up_to(), chunk.offset);
                        faults.add_error(error, offset, &text);
                        continue;
                    }
                };
                if !text.ends_with('\n') {
                    ends_in_open_scalar = ends_in_block_scalar(text);
                }
                match planner.plan_and_edit(text) {
                    Ok(outcome) => {
                        targets += outcome.counts.targets;
                        let offset = chunk.offset;
                        self.record_outcome(outcome, &mut log_section, &name, offset, text, faults)?;
                    }
                    Err(error) => faults.add_error(error, chunk.offset, text),
                }
            }
        }
        faults.finish_input(&mut source)?;
        if self.inputs.len() >= MAX_OPEN_FILES {
            source.close();
        }
        self.targets += targets;
        self.inputs.push(PlannedInput { source, log_section, ends_in_open_scalar, targets });
        Ok(())
    }

    /// Records the result of planning the document `text` at `offset` of the input `name`.
    fn record_outcome(
        &mut self,
        outcome: DocumentOutcome<'_>,
        log_section: &mut LogSection,
        name: &str,
        offset: u64,
        text: &str,
        faults: &mut Faults,
    ) -> Result<()> {
        let DocumentOutcome { counts, edited, diagnostics, unchanged, .. } = outcome;
        if let Some(collected) = &mut self.unchanged {
            collected.add_document(self.inputs.len(), name, text, unchanged);
        }
        self.changed_targets += counts.changed;
        self.fully_injected += counts.fully_injected;
        if let Some(edited) = edited {
            self.log.push(log_section, offset, text, edited.splices()).map_err(|error| spool_error(&error))?;
        }
        faults.add_diagnostics(diagnostics, offset, text);
        Ok(())
    }

    /// Takes the targets that need no edits, if they were collected.
    pub fn take_unchanged(&mut self) -> UnchangedTargets {
        self.unchanged.take().unwrap_or_default()
    }

    /// Returns whether an input contains a target.
    pub fn has_target(&self, input: usize) -> bool {
        self.inputs[input].targets > 0
    }

    /// Returns the number of inputs.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Returns whether the rendering has no inputs.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Returns the name of an input.
    pub fn input_name(&self, input: usize) -> &str {
        self.inputs[input].source.name()
    }

    /// Returns the path of an input. Returns `None` if it is not a regular file.
    pub fn input_path(&self, input: usize) -> Option<&Path> {
        self.inputs[input].source.path()
    }

    /// Checks that an input has not changed since it was planned.
    ///
    /// # Errors
    ///
    /// Fails if the input is a file that has been written to or replaced.
    pub fn check_unchanged(&self, input: usize) -> Result<()> {
        self.inputs[input].source.check_unchanged()
    }

    /// Checks that joining the inputs does not change their values. A line break after an open block scalar would
    /// become part of the scalar.
    ///
    /// # Errors
    ///
    /// Fails if an input other than the last one ends in an open block scalar.
    pub fn check_joinable(&self) -> Result<()> {
        let last = self.inputs.len().saturating_sub(1);
        match self.inputs[..last].iter().find(|input| input.ends_in_open_scalar) {
            None => Ok(()),
            Some(input) => {
                Err(Error::refused("ends in a block scalar without a line break, so another file cannot follow it")
                    .in_file(input.source.name())
                    .hint("end the file with a line break, or pass it last"))
            }
        }
    }

    /// Returns whether rendering changes an input.
    pub fn is_changed(&self, input: usize) -> bool {
        !self.inputs[input].log_section.is_empty()
    }

    /// Writes one input with its edits.
    ///
    /// # Errors
    ///
    /// Fails if the input cannot be read again or has changed, or if the output cannot be written.
    pub fn write_input(&mut self, input: usize, out: &mut dyn Write) -> Result<()> {
        let PlannedInput { source, log_section, .. } = &mut self.inputs[input];
        let name = source.name().to_owned();
        let mut copier = Copier { reader: source.read_from_start()?, out, position: 0, buffer: vec![0; 128 * 1024] };
        self.log.seek(*log_section).map_err(|error| spool_error(&error))?;
        let mut document = Vec::new();
        while let Some(record) = self.log.read_record().map_err(|error| spool_error(&error))? {
            copier.copy_until(Some(record.offset)).map_err(|error| error.into_error(&name))?;
            copier.read_document(&mut document, record.length).map_err(|error| error.into_error(&name))?;
            if !record.matches_document(&document) {
                return Err(input_changed_error(&name));
            }
            copier.write_edited(&document, &record).map_err(|error| error.into_error(&name))?;
        }
        copier.copy_until(None).map_err(|error| error.into_error(&name))?;
        drop(copier);
        source.check_unchanged()?;
        if input >= MAX_OPEN_FILES {
            source.close();
        }
        Ok(())
    }

    /// Returns a cursor over the documents of one input, or of all inputs if `input` is `None`.
    pub fn documents(&mut self, input: Option<usize>) -> DocumentCursor<'_> {
        let range = input.map_or(0..self.inputs.len(), |input| input..input + 1);
        DocumentCursor::new(&mut self.inputs[range], &mut self.log, self.options.max_document_size)
    }

    /// Returns whether all inputs are empty.
    pub fn has_no_bytes(&self) -> bool {
        self.bytes == 0
    }
}
