//! Checks the rendering of a file: each document must have its expected value and no other changes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::Result;
use jobplate::inject::Injection;
use jobplate_diagnostic::ErrorKind;
use serde_json::Value;

use super::case::Case;
use super::go_yaml::GoYaml;
use super::lines::check_lines;

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
pub(super) enum CheckResult {
    /// The file has no target and was not changed.
    Untouched,
    /// The file has no target and was refused, and go-yaml also rejects one of its documents.
    InvalidInput(Refusal),
    /// The file was edited as expected.
    Edited,
    /// The file has a target and was refused.
    Refused(Refusal),
    /// The rendering is incorrect for the given reason.
    Incorrect(String),
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
    /// The number of files with a document that go-yaml rejects. They are checked like other files.
    pub rejected_by_go_yaml: usize,
    /// The number of files with a target.
    pub targets: usize,
    pub edited: usize,
    pub refused: usize,
    pub incorrect: usize,
}

impl Tally {
    pub(super) fn add(&mut self, case: &Case, values: &[Option<Value>], result: &CheckResult) {
        self.files += 1;
        self.rejected_by_go_yaml += usize::from(values.iter().any(Option::is_none));
        self.targets += usize::from(case.changes.documents > 0);
        match result {
            CheckResult::Untouched | CheckResult::InvalidInput(_) => {}
            CheckResult::Edited => self.edited += 1,
            CheckResult::Refused(_) => self.refused += 1,
            CheckResult::Incorrect(_) => self.incorrect += 1,
        }
    }

    pub(super) fn add_tally(&mut self, other: &Tally) {
        self.files += other.files;
        self.rejected_by_go_yaml += other.rejected_by_go_yaml;
        self.targets += other.targets;
        self.edited += other.edited;
        self.refused += other.refused;
        self.incorrect += other.incorrect;
    }
}

/// Renders a file. Fails with the result of the check if rendering fails.
fn render(text: &str, injection: &Injection) -> Result<jobplate::render::RenderedStream, CheckResult> {
    match catch_unwind(AssertUnwindSafe(|| jobplate::render::to_string(text, injection))) {
        Ok(Ok(rendered)) => Ok(rendered),
        Ok(Err(error)) if matches!(error.kind(), ErrorKind::Refused | ErrorKind::Input) => {
            let location = match (error.location().map(|location| location.line_column()), error.span()) {
                (Some((line, column)), _) => format!("{line}:{column}"),
                (None, Some(span)) => format!("byte {}", span.start),
                (None, None) => "somewhere".to_owned(),
            };
            Err(CheckResult::Refused(Refusal { location, message: error.message().to_owned() }))
        }
        Ok(Err(error)) => Err(CheckResult::Incorrect(format!("{:?} error: {error}", error.kind()))),
        Err(_) => Err(CheckResult::Incorrect("panic".to_owned())),
    }
}

/// Checks the rendering of a file. `originals` are the file's documents, and `values` are their values.
pub(super) fn check_rendering(
    text: &str,
    originals: &[&str],
    values: &[Option<Value>],
    case: &Case,
    reader: &mut GoYaml,
) -> Result<CheckResult> {
    let rendered = match render(text, &case.injection) {
        Ok(rendered) => rendered,
        // A file without a target must be copied unchanged if it is valid YAML.
        Err(CheckResult::Refused(refusal)) if case.changes.documents == 0 => {
            let is_valid = values.iter().all(Option::is_some);
            let incorrect = format!("refused without a target {refusal}");
            return Ok(if is_valid { CheckResult::Incorrect(incorrect) } else { CheckResult::InvalidInput(refusal) });
        }
        Err(result) => return Ok(result),
    };
    let incorrect = |reason: String| Ok(CheckResult::Incorrect(reason));
    let found = (rendered.targets, rendered.containers);
    if found != (case.changes.documents, case.changes.containers) {
        let expected = (case.changes.documents, case.changes.containers);
        return incorrect(format!("found {found:?} documents with targets and containers instead of {expected:?}"));
    }
    if let Some(reason) = case.changes.must_refuse {
        return incorrect(format!("edited, though {reason}"));
    }
    if case.changes.documents == 0 {
        return if rendered.text == text {
            Ok(CheckResult::Untouched)
        } else {
            incorrect("changed without a target".to_owned())
        };
    }
    let edited = split_documents(&rendered.text);
    if edited.len() != originals.len() {
        return incorrect(format!("{} documents became {}", originals.len(), edited.len()));
    }
    let results = reader.read(&edited)?;
    for (number, result) in results.iter().enumerate() {
        let (before, after) = (originals[number], edited[number]);
        let document = number + 1;
        if values[number] == case.expected[number] && before != after {
            return incorrect(format!("document {document} changed without a target"));
        }
        if *result != case.expected[number] {
            return incorrect(format!("document {document} is not what it should be"));
        }
        if let Err(line) = check_lines(before, after, case) {
            return incorrect(format!("document {document}: {line}"));
        }
    }
    match render(&rendered.text, &case.injection) {
        Ok(rerun) if rerun.text == rendered.text => Ok(CheckResult::Edited),
        Ok(_) => incorrect("a second run changes more".to_owned()),
        Err(CheckResult::Refused(refusal)) => incorrect(format!("a second run is refused: {refusal}")),
        Err(result) => Ok(result),
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
