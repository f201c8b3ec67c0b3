//! Where values are written: a text, and bytes of it.

use std::cell::OnceCell;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use jobplate_diagnostic::{Error, LineIndex};

/// A text that values are read from.
#[derive(Debug)]
pub struct SourceFile {
    /// How errors name it: a file as the user named it.
    pub name: String,
    /// The line of its first byte in that file, from 1.
    first_line: usize,
    /// The text.
    pub text: String,
    /// Whether each of its lines is a line of the file; else all are that first one.
    has_lines: bool,
    /// Whether errors may show lines of it, masked as those of a manifest; else they name line and column only.
    is_manifest: bool,
    /// Made when a line is asked for.
    lines: OnceCell<LineIndex>,
}

impl SourceFile {
    /// Returns a whole file whose lines errors may show, masked as those of a manifest.
    pub fn new_manifest(name: impl Into<String>, text: impl Into<String>) -> Rc<Self> {
        Self::new(name.into(), 1, text.into(), true, true)
    }

    /// Returns a whole file of which errors show the line and the column only.
    pub fn new_redacted(name: impl Into<String>, text: impl Into<String>) -> Rc<Self> {
        Self::new(name.into(), 1, text.into(), true, false)
    }

    /// Returns the text of a scalar at a place, whose lines are those of the file if it is a literal block.
    ///
    /// With `shown`, errors may show the lines of a literal block.
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

/// Where a value was written: bytes of a text.
#[derive(Clone, Debug)]
pub struct Location {
    /// The text.
    pub source: Rc<SourceFile>,
    /// Its bytes.
    pub span: Range<usize>,
}

/// `FILE:LINE`
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source.name, self.line())
    }
}

impl Location {
    /// The line, from 1.
    pub fn line(&self) -> usize {
        let before = if self.source.has_lines { self.source.lines().line(self.span.start) - 1 } else { 0 };
        self.source.first_line + before
    }

    /// `FILE:LINE:COLUMN`; of a text whose lines are not those of the file, `FILE:LINE`
    pub fn shown(&self) -> String {
        if !self.source.has_lines {
            return self.to_string();
        }
        let (_, column) = self.source.lines().line_column(&self.source.text, self.span.start);
        format!("{self}:{column}")
    }
}

/// Completes an error with the place that it is about, where one is known.
pub fn locate(error: Error, location: Option<&Location>) -> Error {
    match location {
        None => error,
        Some(Location { source, span }) if source.is_manifest => {
            error.at(span.clone()).in_document(&source.name, source.first_line, source.text.as_str())
        }
        Some(location) => error.in_file(location.shown()),
    }
}
