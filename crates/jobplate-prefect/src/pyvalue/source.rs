//! Locations of values: bytes of a source file.

use std::cell::OnceCell;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use jobplate_diagnostic::{Error, LineIndex};

/// A file, or a document that is embedded in a file, that values are read from.
#[derive(Debug)]
pub struct SourceFile {
    /// The name that errors show: the path as the user gave it.
    pub name: String,
    /// The line of the first byte in that file, from 1.
    first_line: usize,
    /// The text.
    pub text: String,
    /// Whether each line of the text is a line of the file. If not, errors name only `first_line`.
    has_lines: bool,
    /// Whether errors show its lines, masked like those of a manifest. If not, they show line and column only.
    is_manifest: bool,
    /// Built when the first line is needed.
    lines: OnceCell<LineIndex>,
}

impl SourceFile {
    /// Returns a file whose lines errors show, masked like those of a manifest.
    pub fn new_manifest(name: impl Into<String>, text: impl Into<String>) -> Rc<Self> {
        Self::new(name.into(), 1, text.into(), true, true)
    }

    /// Returns a file of which errors show line and column only, such as one that holds secrets.
    pub fn new_redacted(name: impl Into<String>, text: impl Into<String>) -> Rc<Self> {
        Self::new(name.into(), 1, text.into(), true, false)
    }

    /// Returns the document in the scalar at `location`. The lines of a literal block scalar are lines of the file.
    ///
    /// With `shown`, errors show the lines of a literal block scalar.
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

/// The bytes of a source file that a value is written in.
#[derive(Clone, Debug)]
pub struct Location {
    /// The file.
    pub source: Rc<SourceFile>,
    /// The bytes of the value.
    pub span: Range<usize>,
}

/// `FILE:LINE`
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source.name, self.line())
    }
}

impl Location {
    /// Returns the line in the file, from 1.
    pub fn line(&self) -> usize {
        let before = if self.source.has_lines { self.source.lines().line(self.span.start) - 1 } else { 0 };
        self.source.first_line + before
    }

    /// Returns `FILE:LINE:COLUMN`, or `FILE:LINE` where the lines of the source are not lines of the file.
    pub fn display_with_column(&self) -> String {
        if !self.source.has_lines {
            return self.to_string();
        }
        let (_, column) = self.source.lines().line_column(&self.source.text, self.span.start);
        format!("{self}:{column}")
    }
}

/// Adds a location to an error, if it is known.
pub fn locate(error: Error, location: Option<&Location>) -> Error {
    match location {
        None => error,
        Some(Location { source, span }) if source.is_manifest => {
            error.at(span.clone()).in_document(&source.name, source.first_line, source.text.as_str())
        }
        Some(location) => error.in_file(location.display_with_column()),
    }
}
