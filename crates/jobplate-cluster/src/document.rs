//! A rendered document, and where in the input each of its bytes comes from.

use std::cell::OnceCell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use jobplate_diagnostic::{Error, LineIndex, Result};
use jobplate_manifest::field::FieldPath;
use jobplate_manifest::object::{Object, objects};
use jobplate_yaml::{NodeArena, NodeKind};

/// A rendered document, as it is printed.
#[derive(Debug)]
pub struct Document {
    /// The input as the user named it.
    pub(crate) file: Rc<str>,
    /// The line of its first byte in that input, from 1.
    pub(crate) line: usize,
    pub(crate) text: Arc<str>,
    /// The text of the input that it was made of; none where it is the same.
    pub(crate) source: Option<OriginalText>,
    /// The env entries of it that are to be taken over.
    pub(crate) named: Vec<TakeOverEntries>,
    pub(crate) trial: Option<String>,
    /// The nodes of the text, once they are asked for; none where it can't be read.
    nodes: OnceCell<Option<NodeArena>>,
    /// The lines of the input's text, once they are asked for.
    lines: OnceCell<LineIndex>,
}

/// What a document was before it was rendered: errors show the lines that the user knows.
#[derive(Clone, Debug)]
pub struct OriginalText {
    pub(crate) text: Arc<str>,
    /// In the order of the text.
    pub(crate) changes: Rc<[Splice]>,
}

/// Bytes of a source, and those of the rendered text that replaced them.
#[derive(Clone, Debug)]
pub(crate) struct Splice {
    before: Range<usize>,
    after: Range<usize>,
}

/// Env entries of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeOverEntries {
    /// Which of the document's objects.
    pub object: usize,
    /// The way from the object to the container.
    pub container: FieldPath,
    /// The names of the entries.
    pub names: Vec<String>,
}

impl OriginalText {
    /// Combines a text with the bytes of it that were replaced, ascending, and how many replaced each.
    pub fn new(text: &str, changes: impl IntoIterator<Item = (Range<usize>, usize)>) -> Self {
        let mut moved = 0isize;
        let splice = |(before, length): (Range<usize>, usize)| {
            let start = before.start.saturating_add_signed(moved);
            moved += length as isize - before.len() as isize;
            Splice { before, after: start..start + length }
        };
        OriginalText { text: text.into(), changes: changes.into_iter().map(splice).collect() }
    }

    /// Returns the bytes that an offset in the rendered text comes from.
    fn origin(&self, offset: usize) -> Range<usize> {
        let count = self.changes.partition_point(|splice| splice.after.start <= offset);
        match self.changes[..count].last() {
            Some(Splice { before, after }) if after.contains(&offset) => before.clone(),
            Some(Splice { before, after }) => {
                let at = before.end + (offset - after.end);
                at..at
            }
            None => offset..offset,
        }
    }
}

impl Document {
    /// Describes a document of an input that begins at a line of it, from 1.
    pub fn new(file: impl Into<Rc<str>>, line: usize, text: impl Into<Arc<str>>) -> Self {
        let (file, text) = (file.into(), text.into());
        let (nodes, lines) = (OnceCell::new(), OnceCell::new());
        Document { file, line, text, source: None, named: Vec::new(), trial: None, nodes, lines }
    }

    /// Sets the text that the document was made of: errors then show that one.
    #[must_use]
    pub fn with_original(self, source: OriginalText) -> Self {
        Document { source: Some(source), ..self }
    }

    /// Sets the env entries that are to be taken over.
    ///
    /// `trial` is the text that is tried for them. It says outright what they have not (`value: null`).
    #[must_use]
    pub fn with_take_over(self, named: Vec<TakeOverEntries>, trial: Option<String>) -> Self {
        Document { named, trial, ..self }
    }

    /// Places an error about bytes of it in the input.
    pub(crate) fn place(&self, error: Error) -> Error {
        match &self.source {
            None => error.in_document(&self.file, self.line, Arc::clone(&self.text)),
            Some(source) => {
                let to = |span: Range<usize>| {
                    let start = source.origin(span.start);
                    start.start..source.origin(span.end).start.max(start.end)
                };
                error.map_span(to).in_document(&self.file, self.line, Arc::clone(&source.text))
            }
        }
    }

    /// Returns the line of the input that an offset of it comes from.
    pub(crate) fn line_at(&self, offset: usize) -> usize {
        let (text, at) = match &self.source {
            None => (&self.text, offset),
            Some(source) => (&source.text, source.origin(offset).start),
        };
        self.line + self.lines.get_or_init(|| LineIndex::new(text)).line(at) - 1
    }

    /// Returns its nodes; none where neither parser reads it.
    pub(crate) fn nodes(&self) -> Option<jobplate_yaml::Document<'_>> {
        let read = || {
            let mut nodes = NodeArena::default();
            jobplate_yaml::read(&self.text, &mut nodes).is_ok().then_some(nodes)
        };
        let nodes = self.nodes.get_or_init(read).as_ref()?;
        Some(jobplate_yaml::Document::new(&self.text, nodes))
    }

    /// Returns its objects: none of an empty document.
    ///
    /// # Errors
    /// Fails, with a place in the input, where the document can't be read or is not an object.
    pub(crate) fn objects(&self) -> Result<Vec<Object<'_>>> {
        let nodes = self.nodes().ok_or_else(|| self.unreadable())?;
        let root = nodes.root();
        if root.is_null() || root.kind() == NodeKind::Empty {
            return Ok(Vec::new());
        }
        let found = objects(nodes).map_err(|error| self.place(error))?;
        if found.is_empty() && root.kind() != NodeKind::Map {
            let error = Error::input("this is no Kubernetes object").at(root.span().start..root.span().start + 1);
            return Err(self.place(error.hint("an object is a mapping with `apiVersion` and `kind`")));
        }
        Ok(found)
    }

    fn unreadable(&self) -> Error {
        let (at, reason) = match jobplate_yaml::read(&self.text, &mut NodeArena::default()) {
            Err(unsupported) => (unsupported.offset, unsupported.reason),
            Ok(_) => (0, "it can't be read"),
        };
        let (message, hint) = match self.text.trim_start_matches('\u{feff}').starts_with('%') {
            true => ("a directive (`%YAML`, `%TAG`), which an API server does not take".to_owned(), "remove the line"),
            false => (
                format!("this is no YAML that could be applied: {reason}"),
                "mend this place; if it is a template, render it first",
            ),
        };
        self.place(Error::input(message).at(at..at).hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_with_lines_of_the_input() {
        let before = "a: 1\nb: 2\nc: 3\n";
        // `b: 2` became two lines, and a line was added after it.
        let after = "a: 1\nb:\n  x: 2\nd: 4\nc: 3\n";
        let document =
            Document::new("job.yaml", 11, after).with_original(OriginalText::new(before, [(7..9, 6), (10..10, 5)]));
        for (at, line) in [("a", 11), ("b", 12), ("x", 12), ("d", 13), ("c", 13)] {
            let offset = after.find(at).unwrap();
            assert_eq!(document.line_at(offset), line, "{at}");
            let placed = document.place(Error::input("x").at(offset..offset + 1));
            assert_eq!(placed.location().unwrap().line_column().0, line, "{at}");
        }
    }
}
