//! Rendering a stream that is in memory, for tests and whoever has it there anyway.

use jobplate_diagnostic::{Error, LineIndex, Result};
use jobplate_yaml::Documents;

use super::document_planner::DocumentPlanner;
use super::errors::read_error;
use super::outcome::DocumentOutcome;
use super::passes;
use crate::inject::Injection;

/// What became of a whole stream in memory.
#[derive(Debug, Default)]
pub struct RenderedStream {
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
///
/// # Errors
///
/// Fails where a document is not what it must be for what is asked.
pub fn to_string(text: &str, injection: &Injection) -> Result<RenderedStream> {
    passes::repeat(injection, RenderedStream::default(), |_, known| {
        let mut planner = DocumentPlanner::new(injection, known);
        Ok((pass(text, &mut planner)?, planner.findings()))
    })
}

fn pass(text: &str, planner: &mut DocumentPlanner<'_>) -> Result<RenderedStream> {
    let mut rendered = RenderedStream::default();
    let mut documents = Documents::new(text.as_bytes(), usize::MAX);
    while let Some(chunk) = documents.next().map_err(|error| read_error("-", error))? {
        let document = std::str::from_utf8(chunk.bytes).map_err(|_| Error::input("not UTF-8"))?;
        let outcome = planner.document(document).map_err(|error| {
            let line = LineIndex::new(text).line(chunk.offset as usize);
            error.in_document("-", line, document)
        })?;
        let DocumentOutcome { counts, edited, by_fallback } = outcome;
        rendered.documents += 1;
        rendered.targets += usize::from(counts.targets > 0);
        rendered.containers += counts.containers;
        rendered.by_fallback += usize::from(by_fallback && counts.targets > 0);
        rendered.edited += usize::from(edited.is_some());
        rendered.text.push_str(edited.map_or(document, |edited| edited.document.text));
    }
    Ok(rendered)
}
