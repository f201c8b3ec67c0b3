//! Renders a stream in memory, for tests and benchmarks.

use jobplate_diagnostic::{Error, LineIndex, Result};
use jobplate_yaml::Documents;

use super::document_planner::DocumentPlanner;
use super::errors::read_error;
use super::outcome::DocumentOutcome;
use super::passes;
use crate::inject::Injection;

/// The result of rendering a stream in memory.
#[derive(Debug, Default)]
pub struct RenderedStream {
    /// The output.
    pub text: String,
    /// The number of documents in the stream.
    pub documents: usize,
    /// The number of documents with a target.
    pub targets: usize,
    /// The number of selected containers.
    pub containers: usize,
    /// The number of edited documents.
    pub edited: usize,
    /// The number of documents with a target that were parsed by the fallback parser.
    pub by_fallback: usize,
}

/// Renders a stream in memory. Succeeds even if no target matches.
///
/// # Errors
///
/// Fails if the stream is not UTF-8, or if a document that may have a target cannot be parsed or safely edited.
pub fn to_string(text: &str, injection: &Injection) -> Result<RenderedStream> {
    passes::repeat(injection, RenderedStream::default(), |_, context| {
        let mut planner = DocumentPlanner::new(injection, context);
        Ok((run_pass(text, &mut planner)?, planner.into_findings()))
    })
}

fn run_pass(text: &str, planner: &mut DocumentPlanner<'_>) -> Result<RenderedStream> {
    let mut rendered = RenderedStream::default();
    let mut documents = Documents::new(text.as_bytes(), usize::MAX);
    while let Some(chunk) = documents.next().map_err(|error| read_error("-", error))? {
        let document = std::str::from_utf8(chunk.bytes).map_err(|_| Error::input("not UTF-8"))?;
        let outcome = planner.plan_and_edit(document).map_err(|error| {
            let line = LineIndex::new(text).line(chunk.offset as usize);
            error.in_document("-", line, document)
        })?;
        let DocumentOutcome { counts, edited, by_fallback, .. } = outcome;
        rendered.documents += 1;
        rendered.targets += usize::from(counts.targets > 0);
        rendered.containers += counts.containers;
        rendered.by_fallback += usize::from(by_fallback && counts.targets > 0);
        rendered.edited += usize::from(edited.is_some());
        rendered.text.push_str(edited.map_or(document, |edited| edited.document.text));
    }
    Ok(rendered)
}
