//! Locations of values: byte ranges in source files.

use std::cell::OnceCell;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use jobplate_diagnostic::{Error, LineIndex};

/// A file, or a document embedded in a file, from which values are read.
#[derive(Debug)]
pub struct SourceFile {
    /// The name in errors, such as the path that the user passed.
    pub name: String,
    /// The 1-based line of the file on which the text begins.
    first_line: usize,
    /// The text of the file or of the embedded document.
    pub text: String,
    /// Whether each line of the text is a line of the file. If not, errors name only `first_line`.
    has_lines: bool,
    /// Whether errors show lines of the file, masked like the lines of a manifest. If not, errors show only the line
    /// and the column.
    is_manifest: bool,
    /// The line index, created on first use.
    lines: OnceCell<LineIndex>,
}

impl SourceFile {
    /// Returns a file whose lines appear in errors, masked like the lines of a manifest.
    pub fn new_manifest(name: impl Into<String>, text: impl Into<String>) -> Rc<Self> {
        Self::new(name.into(), 1, text.into(), true, true)
    }

    /// Returns a file for which errors show only the line and the column, such as a file with secrets.
    pub fn new_redacted(name: impl Into<String>, text: impl Into<String>) -> Rc<Self> {
        Self::new(name.into(), 1, text.into(), true, false)
    }

    /// Returns the document embedded in the scalar at `location`. `text` is the text of the document. The lines of a
    /// literal block scalar are lines of the file.
    ///
    /// If `shown` is true, errors show the lines of a literal block scalar.
    pub fn new_embedded(location: &Location, text: impl Into<String>, shown: bool) -> Rc<Self> {
        let outer = &location.source;
        let has_lines = outer.has_lines && outer.text[location.span.clone()].starts_with('|');
        let first_line = location.line() + usize::from(has_lines);
        Self::new(outer.name.clone(), first_line, text.into(), has_lines, shown && has_lines)
    }

    fn new(name: String, first_line: usize, text: String, has_lines: bool, is_manifest: bool) -> Rc<Self> {
        Rc::new(SourceFile { name, first_line, text, has_lines, is_manifest, lines: OnceCell::new() })
    }

    fn lines(&self) -> &LineIndex {
        self.lines.get_or_init(|| LineIndex::new(&self.text))
    }
}

/// The byte range of a value in a source file.
#[derive(Clone, Debug)]
pub struct Location {
    /// The file or embedded document.
    pub source: Rc<SourceFile>,
    /// The byte range of the value in the text of the source.
    pub span: Range<usize>,
}

/// `FILE:LINE`
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source.name, self.line())
    }
}

impl Location {
    /// Returns the 1-based line of the file on which the value begins. If the lines of the source are not lines of the
    /// file, returns the first line of the source.
    pub fn line(&self) -> usize {
        let before = if self.source.has_lines { self.source.lines().line(self.span.start) - 1 } else { 0 };
        self.source.first_line + before
    }

    /// Returns `FILE:LINE:COLUMN`, or `FILE:LINE` if the lines of the source are not lines of the file.
    pub fn display_with_column(&self) -> String {
        if !self.source.has_lines {
            return self.to_string();
        }
        let (_, column) = self.source.lines().line_column(&self.source.text, self.span.start);
        format!("{self}:{column}")
    }
}

/// Adds a location to an error. Returns the error unchanged if `location` is `None`.
pub fn locate(error: Error, location: Option<&Location>) -> Error {
    match location {
        None => error,
        Some(Location { source, span }) if source.is_manifest => {
            error.at(span.clone()).in_document(&source.name, source.first_line, source.text.as_str())
        }
        Some(location) => error.in_file(location.display_with_column()),
    }
}
