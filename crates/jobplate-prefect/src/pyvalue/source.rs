//! Locations of values: byte ranges in source files.

use std::cell::OnceCell;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use jobplate_diagnostic::{Diagnostic, Error, LineIndex};

/// A file, or a document embedded in a file, from which values are read.
#[derive(Debug)]
pub struct SourceFile {
    /// The name in errors, such as the path that the user passed.
    pub name: String,
    /// The 1-based line of the file on which the text begins.
    first_line: usize,
    /// Whether the lines of the text are lines of the file, or all on the first line.
    has_lines: bool,
    /// The text of the file or of the embedded document.
    pub text: Arc<str>,
    /// The scalar that contains the document if the lines of the text are not lines of the file. Errors then name the
    /// location of the scalar.
    scalar: Option<Location>,
    /// Whether errors show lines of the file, masked like the lines of a manifest. If not, errors show only the line
    /// and the column.
    is_manifest: bool,
    /// The line index, created on first use.
    lines: OnceCell<LineIndex>,
}

impl SourceFile {
    /// Returns a file whose lines appear in errors, masked like the lines of a manifest.
    pub fn new_manifest(name: impl Into<String>, text: impl Into<String>) -> Rc<Self> {
        Rc::new(Self::new(name.into(), 1, text.into(), None, true))
    }

    /// Returns a file for which errors show only the line and the column, such as a file with secrets.
    pub fn new_redacted(name: impl Into<String>, text: impl Into<String>) -> Rc<Self> {
        Rc::new(Self::new(name.into(), 1, text.into(), None, false))
    }

    /// Returns a document of a file, which begins on the 1-based line `first_line`. If `has_lines` is false, the lines of
    /// the document are not lines of the file, as in a quoted scalar: messages then name the first line.
    pub fn new_document(name: &str, first_line: usize, has_lines: bool, text: &str) -> Rc<Self> {
        Rc::new(SourceFile { has_lines, ..Self::new(name.to_owned(), first_line, text.to_owned(), None, true) })
    }

    /// Returns the document embedded in the scalar at `location`. `text` is the text of the document. The lines of a
    /// literal block scalar are lines of the file.
    ///
    /// If `shown` is true, errors show the lines of a literal block scalar.
    pub fn new_embedded(location: &Location, text: impl Into<String>, shown: bool) -> Rc<Self> {
        let outer = &location.source;
        let has_lines = outer.scalar.is_none() && outer.text[location.span.clone()].starts_with('|');
        let first_line = location.line() + usize::from(has_lines);
        let scalar = (!has_lines).then(|| location.clone());
        Rc::new(Self::new(outer.name.clone(), first_line, text.into(), scalar, shown && has_lines))
    }

    fn new(name: String, first_line: usize, text: String, scalar: Option<Location>, is_manifest: bool) -> Self {
        let (text, lines) = (text.into(), OnceCell::new());
        SourceFile { name, first_line, has_lines: true, text, scalar, is_manifest, lines }
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
    /// Returns the location in the file: the scalar that contains the document if its lines are not lines of the file.
    fn in_file(&self) -> &Self {
        let mut location = self;
        while let Some(scalar) = &location.source.scalar {
            location = scalar;
        }
        location
    }

    /// Returns the 1-based line of the file on which the value begins. If the lines of the source are not lines of the
    /// file, returns the line of the scalar that contains the source.
    pub fn line(&self) -> usize {
        let Location { source, span } = self.in_file();
        if source.has_lines { source.first_line + source.lines().line(span.start) - 1 } else { source.first_line }
    }

    /// Returns `FILE:LINE:COLUMN`.
    pub fn display_with_column(&self) -> String {
        let Location { source, span } = self.in_file();
        let (line, column) = source.lines().line_column(&source.text, span.start);
        format!("{}:{}:{column}", source.name, source.first_line + line - 1)
    }

    /// Converts the location to the location of a diagnostic.
    pub fn to_diagnostic_location(&self) -> jobplate_diagnostic::Location {
        let Location { source, span } = self.in_file();
        let text = Arc::clone(&source.text);
        let location = jobplate_diagnostic::Location::new(source.name.as_str(), source.first_line, text, span.clone());
        if self.source.is_manifest { location } else { location.without_excerpt() }
    }
}

/// Adds a location to an error, unless it already has one. Returns the error unchanged if `location` is `None`.
pub fn locate(error: Error, location: Option<&Location>) -> Error {
    match location {
        None => error,
        Some(location) => error.at_location(location.to_diagnostic_location()),
    }
}

/// Adds a location to a diagnostic. Returns the diagnostic unchanged if `location` is `None`.
pub fn locate_diagnostic(diagnostic: Diagnostic, location: Option<&Location>) -> Diagnostic {
    diagnostic.at(location.map(Location::to_diagnostic_location))
}
