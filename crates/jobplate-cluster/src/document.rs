//! A rendered document, and the mapping from its bytes to the bytes of the input.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use jobplate_diagnostic::{Error, LineIndex, Result};
use jobplate_manifest::field::FieldPath;
use jobplate_manifest::object::{Object, objects};
use jobplate_yaml::{NodeArena, NodeKind};

/// A rendered YAML or JSON document.
#[derive(Debug)]
pub struct Document {
    /// The path of the input file, as given by the user.
    pub(crate) file: Rc<str>,
    /// The 1-based line of the document's first byte in the input file.
    pub(crate) line: usize,
    pub(crate) text: Arc<str>,
    /// The text before rendering, or `None` if rendering made no change.
    pub(crate) original: Option<OriginalText>,
    /// The env entries whose ownership can be taken over.
    pub(crate) take_over_entries: Vec<TakeOverEntries>,
    /// The text for the dry run of a take-over, if it differs from `text`.
    pub(crate) dry_run_text: Option<String>,
    /// The nodes of `text`, parsed on first use. The inner `None` means that `text` cannot be parsed.
    nodes: OnceCell<Option<NodeArena>>,
    /// The line index of the text before rendering, built on first use.
    lines: OnceCell<LineIndex>,
}

/// The text of a document before rendering. Errors show its lines, since the user wrote them.
#[derive(Clone, Debug)]
pub struct OriginalText {
    pub(crate) text: Arc<str>,
    /// The replacements, in ascending order.
    pub(crate) replacements: Rc<[Replacement]>,
}

/// A byte range of the original text, and the byte range of the rendered text that replaced it.
#[derive(Clone, Debug)]
pub(crate) struct Replacement {
    original: Range<usize>,
    rendered: Range<usize>,
}

/// The env entries of one container whose ownership can be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeOverEntries {
    /// The 0-based index of the object in its document.
    pub object: usize,
    /// The path from the object to the container.
    pub container: FieldPath,
    /// The names of the entries.
    pub names: BTreeSet<String>,
}

impl OriginalText {
    /// Creates an original text. `replacements` are the replaced byte ranges of `text` in ascending order, each with
    /// the length of the rendered bytes.
    pub fn new(text: &str, replacements: impl IntoIterator<Item = (Range<usize>, usize)>) -> Self {
        let mut shift = 0isize;
        let to_replacement = |(original, length): (Range<usize>, usize)| {
            let start = original.start.saturating_add_signed(shift);
            shift += length as isize - original.len() as isize;
            Replacement { original, rendered: start..start + length }
        };
        OriginalText { text: text.into(), replacements: replacements.into_iter().map(to_replacement).collect() }
    }

    /// Returns the byte range of the original text that an offset in the rendered text comes from. The range is empty
    /// if the offset is not in a replacement, or if the replacement only inserts text.
    fn original_range(&self, offset: usize) -> Range<usize> {
        let count = self.replacements.partition_point(|replacement| replacement.rendered.start <= offset);
        match self.replacements[..count].last() {
            Some(Replacement { original, rendered }) if rendered.contains(&offset) => original.clone(),
            Some(Replacement { original, rendered }) => {
                let position = original.end + (offset - rendered.end);
                position..position
            }
            None => offset..offset,
        }
    }
}

impl Document {
    /// Creates a document that begins on the 1-based `line` of the input `file`.
    pub fn new(file: impl Into<Rc<str>>, line: usize, text: impl Into<Arc<str>>) -> Self {
        Document {
            file: file.into(),
            line,
            text: text.into(),
            original: None,
            take_over_entries: Vec::new(),
            dry_run_text: None,
            nodes: OnceCell::new(),
            lines: OnceCell::new(),
        }
    }

    /// Sets the text before rendering. Errors then show this text instead of the rendered text.
    #[must_use]
    pub fn with_original(self, original: OriginalText) -> Self {
        Document { original: Some(original), ..self }
    }

    /// Sets the env entries whose ownership can be taken over.
    ///
    /// `dry_run_text` is the document for the dry run of the take-over, or `None` if it equals the rendered text. Its
    /// env entries set the fields that they do not use to null, since a dry run merges them with the live entries.
    #[must_use]
    pub fn with_take_over(self, take_over_entries: Vec<TakeOverEntries>, dry_run_text: Option<String>) -> Self {
        Document { take_over_entries, dry_run_text, ..self }
    }

    /// Adds the location in the input file to an error whose span is in the rendered text.
    pub(crate) fn locate(&self, error: Error) -> Error {
        match &self.original {
            None => error.in_document(&self.file, self.line, Arc::clone(&self.text)),
            Some(original) => {
                let to_original = |span: Range<usize>| {
                    let start = original.original_range(span.start);
                    start.start..original.original_range(span.end).start.max(start.end)
                };
                error.map_span(to_original).in_document(&self.file, self.line, Arc::clone(&original.text))
            }
        }
    }

    /// Returns the 1-based line of the input file that a byte offset in the rendered text comes from.
    pub(crate) fn line_at(&self, offset: usize) -> usize {
        let (text, original_offset) = match &self.original {
            None => (&self.text, offset),
            Some(original) => (&original.text, original.original_range(offset).start),
        };
        self.line + self.lines.get_or_init(|| LineIndex::new(text)).line(original_offset) - 1
    }

    /// Returns the nodes of the document, or `None` if it cannot be parsed.
    pub(crate) fn nodes(&self) -> Option<jobplate_yaml::Document<'_>> {
        let parse = || {
            let mut nodes = NodeArena::default();
            jobplate_yaml::read(&self.text, &mut nodes).is_ok().then_some(nodes)
        };
        let nodes = self.nodes.get_or_init(parse).as_ref()?;
        Some(jobplate_yaml::Document::new(&self.text, nodes))
    }

    /// Returns the Kubernetes objects in the document: a single object, the items of a List, or no objects if the
    /// document is empty.
    ///
    /// # Errors
    /// Fails if the document cannot be parsed or is not an object. The error has a location in the input.
    pub(crate) fn objects(&self) -> Result<Vec<Object<'_>>> {
        let nodes = self.nodes().ok_or_else(|| self.parse_error())?;
        let root = nodes.root();
        if root.is_null() || root.kind() == NodeKind::Empty {
            return Ok(Vec::new());
        }
        let found = objects(nodes).map_err(|error| self.locate(error))?;
        if found.is_empty() && root.kind() != NodeKind::Map {
            let error = Error::input("not a Kubernetes object").at(root.span().start..root.span().start + 1);
            return Err(self.locate(error.hint("an object is a mapping with `apiVersion` and `kind`")));
        }
        Ok(found)
    }

    fn parse_error(&self) -> Error {
        let (offset, reason) = match jobplate_yaml::read(&self.text, &mut NodeArena::default()) {
            Err(unsupported) => (unsupported.offset, unsupported.reason),
            Ok(_) => (0, "it cannot be read"),
        };
        let (message, hint) = match self.text.trim_start_matches('\u{feff}').starts_with('%') {
            true => ("a directive (`%YAML`, `%TAG`), which API servers reject".to_owned(), "remove the line"),
            false => (
                format!("cannot apply this YAML: {reason}"),
                "fix this line; render the file first if it is a template",
            ),
        };
        self.locate(Error::input(message).at(offset..offset).hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locates_errors_at_lines_of_the_input() {
        let original = "a: 1\nb: 2\nc: 3\n";
        // The replacements turn `b: 2` into two lines and add a line after them.
        let rendered = "a: 1\nb:\n  x: 2\nd: 4\nc: 3\n";
        let original = OriginalText::new(original, [(7..9, 6), (10..10, 5)]);
        let document = Document::new("job.yaml", 11, rendered).with_original(original);
        for (key, line) in [("a", 11), ("b", 12), ("x", 12), ("d", 13), ("c", 13)] {
            let offset = rendered.find(key).unwrap();
            assert_eq!(document.line_at(offset), line, "{key}");
            let error = document.locate(Error::input("x").at(offset..offset + 1));
            assert_eq!(error.location().unwrap().line_column().0, line, "{key}");
        }
    }
}
