//! Checks the rendering of a file: each document must have its expected value and no other changes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::Result;
use jobplate::inject::Injection;
use jobplate_diagnostic::ErrorKind;
use serde_json::Value;

use super::case::Case;
use super::go_yaml::GoYaml;
use super::lines::judge_lines;

/// Splits a stream into documents. Each document includes the `---` line before it.
pub(super) fn split_documents(text: &str) -> Vec<&str> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let is_marker =
            line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if is_marker && at > 0 {
            documents.push(&text[start..at]);
            start = at;
        }
        at += line.len();
    }
    documents.push(&text[start..]);
    documents
}

/// The result of checking the rendering of a file.
pub(super) enum Verdict {
    /// The file has no target and was not changed.
    Untouched,
    /// The file has no target and was refused, and go-yaml also refuses one of its documents.
    InvalidInput(Refusal),
    /// The file was edited as expected.
    Edited,
    /// The file has a target and was refused.
    Refused(Refusal),
    /// The rendering is incorrect for the given reason.
    Wrong(String),
}

/// The error of a refused file.
pub(super) struct Refusal {
    location: String,
    pub message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.location, self.message)
    }
}

/// The number of files with each result.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    pub files: usize,
    /// The number of files with a document that go-yaml refuses. They are checked like other files.
    pub unreadable: usize,
    /// The number of files with a target.
    pub targets: usize,
    pub edited: usize,
    pub refused: usize,
    pub wrong: usize,
}

impl Tally {
    pub(super) fn add(&mut self, case: &Case, values: &[Option<Value>], verdict: &Verdict) {
        self.files += 1;
        self.unreadable += usize::from(values.iter().any(Option::is_none));
        self.targets += usize::from(case.changes.documents > 0);
        match verdict {
            Verdict::Untouched | Verdict::InvalidInput(_) => {}
            Verdict::Edited => self.edited += 1,
            Verdict::Refused(_) => self.refused += 1,
            Verdict::Wrong(_) => self.wrong += 1,
        }
    }

    pub(super) fn add_tally(&mut self, other: &Tally) {
        self.files += other.files;
        self.unreadable += other.unreadable;
        self.targets += other.targets;
        self.edited += other.edited;
        self.refused += other.refused;
        self.wrong += other.wrong;
    }
}

/// Renders a file. Fails with the result of the check if rendering fails.
fn render(text: &str, injection: &Injection) -> Result<jobplate::render::RenderedStream, Verdict> {
    match catch_unwind(AssertUnwindSafe(|| jobplate::render::to_string(text, injection))) {
        Ok(Ok(rendered)) => Ok(rendered),
        Ok(Err(error)) if matches!(error.kind(), ErrorKind::Refused | ErrorKind::Input) => {
            let location = match (error.location().map(|place| place.line_column()), error.span()) {
                (Some((line, column)), _) => format!("{line}:{column}"),
                (None, Some(span)) => format!("byte {}", span.start),
                (None, None) => "somewhere".to_owned(),
            };
            Err(Verdict::Refused(Refusal { location, message: error.message().to_owned() }))
        }
        Ok(Err(error)) => Err(Verdict::Wrong(format!("{:?} error: {error}", error.kind()))),
        Err(_) => Err(Verdict::Wrong("panic".to_owned())),
    }
}

/// Checks the rendering of a file. `originals` are the file's documents, and `values` are their values.
pub(super) fn judge(
    text: &str,
    originals: &[&str],
    values: &[Option<Value>],
    case: &Case,
    reader: &mut GoYaml,
) -> Result<Verdict> {
    let rendered = match render(text, &case.injection) {
        Ok(rendered) => rendered,
        // A file without a target must be copied unchanged if it is valid YAML.
        Err(Verdict::Refused(refusal)) if case.changes.documents == 0 => {
            let readable = values.iter().all(Option::is_some);
            let wrong = format!("refused without a target {refusal}");
            return Ok(if readable { Verdict::Wrong(wrong) } else { Verdict::InvalidInput(refusal) });
        }
        Err(verdict) => return Ok(verdict),
    };
    let wrong = |reason: String| Ok(Verdict::Wrong(reason));
    let found = (rendered.targets, rendered.containers);
    if found != (case.changes.documents, case.changes.containers) {
        let expected = (case.changes.documents, case.changes.containers);
        return wrong(format!("found {found:?} documents with targets and containers instead of {expected:?}"));
    }
    if let Some(reason) = case.changes.must_refuse {
        return wrong(format!("edited, though {reason}"));
    }
    if case.changes.documents == 0 {
        return if rendered.text == text {
            Ok(Verdict::Untouched)
        } else {
            wrong("changed without a target".to_owned())
        };
    }
    let edited = split_documents(&rendered.text);
    if edited.len() != originals.len() {
        return wrong(format!("{} documents became {}", originals.len(), edited.len()));
    }
    let results = reader.read(&edited)?;
    for (number, result) in results.iter().enumerate() {
        let (before, after) = (originals[number], edited[number]);
        let document = number + 1;
        if values[number] == case.expected[number] && before != after {
            return wrong(format!("document {document} changed without a target"));
        }
        if *result != case.expected[number] {
            return wrong(format!("document {document} is not what it should be"));
        }
        if let Err(line) = judge_lines(before, after, case) {
            return wrong(format!("document {document}: {line}"));
        }
    }
    match render(&rendered.text, &case.injection) {
        Ok(again) if again.text == rendered.text => Ok(Verdict::Edited),
        Ok(_) => wrong("a second run changes more".to_owned()),
        Err(Verdict::Refused(refusal)) => wrong(format!("a second run is refused: {refusal}")),
        Err(verdict) => Ok(verdict),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_documents_at_their_markers() {
        assert_eq!(split_documents("a\n---\nb\n--- # c\n---x\n---"), ["a\n", "---\nb\n", "--- # c\n---x\n", "---"]);
        assert_eq!(split_documents("---\na"), ["---\na"]);
    }
}
