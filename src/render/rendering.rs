//! Rendering: inputs to edited output in several passes, in the memory of the largest document.
//!
//! The first pass plans and verifies every document of every input and writes down the splices. Where it finds
//! out what counts for documents before, too (an agent is there, a ConfigMap changes), planning begins anew with
//! that. Only when all has succeeded does the last pass print, copying the input's bytes around the splices.
//! Knows files and streams, but no flags and nothing of YAML's inside.

mod copy;
mod cursor;
mod document;
mod join;
mod log;
mod open;
mod outcome;
mod seen;
mod source;
mod texts;

use std::io::{self, Write};
use std::path::Path;

use self::copy::Copier;
pub use self::cursor::{Cursor, Pair};
use self::document::Engine;
pub use self::join::Joined;
use self::log::EditLog;
use self::outcome::{Counts, Outcome};
pub use self::seen::{Seen, SeenText, each_object};
pub use self::source::Source;
use jobplate_diagnostic::{Error, LineIndex, Result, io_reason};
use jobplate_manifest::select::Target;
use jobplate_yaml::{Documents, StreamError};

use crate::inject::{Injection, Known, Notes};

/// Files whose handles are kept between passes; others are opened again.
pub const OPEN_FILES: usize = 128;

/// Passes of planning: whether an agent is there, which ConfigMaps then change, and what uses them.
const MOST_PASSES: usize = 3;

/// What became of a whole stream in memory.
#[derive(Debug, Default)]
pub struct Rendered {
    /// The output.
    pub text: String,
    /// Documents in the stream.
    pub documents: usize,
    /// Documents with a target.
    pub targets: usize,
    /// Containers that were selected.
    pub containers: usize,
    /// Documents that were edited.
    pub edited: usize,
    /// Documents with a target that needed the fallback parser.
    pub by_fallback: usize,
}

/// Renders a stream that is in memory. That nothing matches is no error here.
pub fn to_string(text: &str, injection: &Injection) -> Result<Rendered> {
    let mut known = Known::at_first(injection);
    for _ in 0..MOST_PASSES {
        let mut engine = Engine::new(injection, known);
        let rendered = pass_in_memory(text, &mut engine)?;
        match engine.end_pass() {
            None => return Ok(rendered),
            Some(found) => known = found,
        }
    }
    Err(unsettled())
}

fn pass_in_memory(text: &str, engine: &mut Engine<'_>) -> Result<Rendered> {
    let mut rendered = Rendered::default();
    let mut documents = Documents::new(text.as_bytes(), usize::MAX);
    while let Some(chunk) = documents.next().map_err(|error| read_error("-", error))? {
        let document = std::str::from_utf8(chunk.bytes).map_err(|_| Error::input("not UTF-8"))?;
        let outcome = engine.document(document).map_err(|error| {
            let line = LineIndex::new(text).line(chunk.offset as usize);
            error.in_document("-", line, document)
        })?;
        let Outcome { counts, edited, by_fallback } = outcome;
        rendered.documents += 1;
        rendered.targets += usize::from(counts.targets > 0);
        rendered.containers += counts.containers;
        rendered.by_fallback += usize::from(by_fallback && counts.targets > 0);
        rendered.edited += usize::from(edited.is_some());
        rendered.text.push_str(edited.map_or(document, |edited| edited.document.text));
    }
    Ok(rendered)
}

/// Inputs whose every document is planned and verified, ready to be printed.
#[derive(Default)]
pub struct Rendering {
    inputs: Vec<Planned>,
    /// Remarks for the user.
    pub notes: Notes,
    /// Variables that flow runs get in vain, since their agent puts its own in their place.
    pub in_vain: Vec<String>,
    /// Targets asked for that nothing matches, where others match something.
    pub unmatched: Vec<Target>,
    /// Objects that are targets.
    pub targets: usize,
    /// Containers that get everything, not only Prefect's settings.
    pub complete: usize,
    /// Bytes read.
    bytes: u64,
    limit: usize,
}

struct Planned {
    source: Source,
    log: EditLog,
    /// It ends in a block scalar without a line break: one more byte would change its value.
    ends_in_open_scalar: bool,
}

impl Rendering {
    /// Plans and verifies every document of every source; documents of more than `limit` bytes are refused.
    ///
    /// All is planned once more where something is found out that counts for documents before it, too.
    pub fn plan(sources: Vec<Source>, injection: &Injection, limit: usize) -> Result<Self> {
        let (mut known, mut sources) = (Known::at_first(injection), sources);
        for _ in 0..MOST_PASSES {
            let mut engine = Engine::new(injection, known);
            let mut rendering = Rendering::pass(sources, &mut engine, limit)?;
            let Some(found) = engine.end_pass() else {
                rendering.unmatched = engine.planner.unmatched();
                rendering.in_vain = engine.planner.in_vain();
                rendering.notes.extend(std::mem::take(&mut engine.planner.notes));
                return Ok(rendering);
            };
            known = found;
            sources = rendering.inputs.into_iter().map(|input| input.source).collect();
        }
        Err(unsettled())
    }

    fn pass(sources: Vec<Source>, engine: &mut Engine<'_>, limit: usize) -> Result<Self> {
        let mut rendering = Rendering { inputs: Vec::new(), limit, ..Rendering::default() };
        sources.into_iter().try_for_each(|source| rendering.plan_source(source, engine))?;
        Ok(rendering)
    }

    fn plan_source(&mut self, mut source: Source, engine: &mut Engine<'_>) -> Result<()> {
        let mut log = EditLog::new();
        engine.begin_stream();
        let name = source.name().to_owned();
        let mut failure = None;
        let mut ends_in_open_scalar = false;
        {
            let mut documents = Documents::new(source.rewind()?, self.limit);
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
                    ends_in_open_scalar = document::ends_in_block_scalar(text);
                }
                match engine.document(text) {
                    Ok(Outcome { counts, edited, .. }) => {
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
            return Err(error.in_document(source.name(), line, &text));
        }
        if self.inputs.len() >= OPEN_FILES {
            source.rest();
        }
        self.inputs.push(Planned { source, log, ends_in_open_scalar });
        Ok(())
    }

    fn count(&mut self, counts: &Counts) {
        self.targets += counts.targets;
        self.complete += counts.complete;
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
    pub fn name(&self, input: usize) -> &str {
        self.inputs[input].source.name()
    }

    /// The file that an input is; none for a pipe.
    pub fn path(&self, input: usize) -> Option<&Path> {
        self.inputs[input].source.path()
    }

    /// Fails if an input is not what was planned any more.
    pub fn check_unchanged(&self, input: usize) -> Result<()> {
        self.inputs[input].source.check_unchanged()
    }

    /// Fails where joining the inputs would change one: a line break behind an open block scalar is text.
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
    pub fn changes(&self, input: usize) -> bool {
        !self.inputs[input].log.is_empty()
    }

    /// Prints one input: its bytes with the splices made.
    pub fn write(&mut self, input: usize, out: &mut dyn Write) -> Result<()> {
        let Planned { source, log, .. } = &mut self.inputs[input];
        let name = source.name().to_owned();
        let mut copier = Copier { reader: source.rewind()?, out, position: 0, buffer: vec![0; 128 * 1024] };
        log.rewind().map_err(|error| spool_error(&error))?;
        let mut document = Vec::new();
        while let Some(record) = log.read().map_err(|error| spool_error(&error))? {
            copier.copy_until(Some(record.offset)).map_err(|error| error.report(&name))?;
            copier.read(&mut document, record.length).map_err(|error| error.report(&name))?;
            if !record.seals(&document) {
                return Err(changed(&name));
            }
            copier.splice(&document, &record).map_err(|error| error.report(&name))?;
        }
        copier.copy_until(None).map_err(|error| error.report(&name))?;
        drop(copier);
        source.check_unchanged()?;
        if input >= OPEN_FILES {
            source.rest();
        }
        Ok(())
    }

    /// The documents of all inputs, or of one, as they are and as they are printed.
    pub fn documents(&mut self, input: Option<usize>) -> Cursor<'_> {
        let range = input.map_or(0..self.inputs.len(), |input| input..input + 1);
        Cursor::new(&mut self.inputs[range], self.limit)
    }

    /// Whether there is not one byte in the inputs.
    pub fn is_all_empty(&self) -> bool {
        self.bytes == 0
    }
}

/// The last pass has found out something else than the one before it, from the same bytes.
fn unsettled() -> Error {
    Error::input("an input changed while it was read").hint("run again when nothing writes to it")
}

fn read_error(name: &str, error: StreamError) -> Error {
    match error {
        StreamError::Io(error) => Error::input(format!("can't be read: {}", io_reason(&error))).in_file(name),
        StreamError::TooLarge(_) => Error::input("a document is too large").in_file(name),
    }
}

fn spool_error(error: &io::Error) -> Error {
    Error::input(format!("the temporary file can't be used: {}", io_reason(error)))
        .hint("set TMPDIR to a folder that can be written to")
}

fn changed(name: &str) -> Error {
    Error::input("changed while it was read").in_file(name).hint("run again when nothing writes to it")
}

/// Where a document stops being UTF-8: the error, the document's offset, and what can be read of it.
fn not_utf8(bytes: &[u8], valid: usize, offset: u64) -> (Error, u64, String) {
    // The whole document, so that the masker knows what the line belongs to.
    let readable = String::from_utf8_lossy(bytes).into_owned();
    let error = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Error::input("UTF-16 text, not UTF-8").hint("save the file as UTF-8"),
        _ => Error::input("a byte that is not UTF-8").hint("save the file as UTF-8"),
    };
    (error.at(valid..valid), offset, readable)
}
