//! Locations: byte ranges in the documents of an input.

use std::ops::Range;
use std::sync::Arc;

use crate::line_index::LineIndex;

/// A byte range in one document of an input. Contains the document's text so that the source line can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The path of the input, as given by the user. `-` is standard input.
    pub file: String,
    /// The 1-based line of `file` on which the document starts.
    pub first_line: usize,
    /// The complete text of the document, since masking a line requires its context. All diagnostics about one
    /// document share the same allocation.
    pub document: Arc<str>,
    /// The byte range in `document` that the diagnostic is about.
    pub span: Range<usize>,
    /// Whether the source line may be shown. False for files that only contain secrets, and for documents whose lines
    /// are not lines of `file`.
    pub has_excerpt: bool,
}

impl Location {
    /// Creates a location whose source line may be shown. `first_line` is the 1-based line of `file` on which the
    /// document starts.
    pub fn new(file: impl Into<String>, first_line: usize, document: impl Into<Arc<str>>, span: Range<usize>) -> Self {
        Location { file: file.into(), first_line, document: document.into(), span, has_excerpt: true }
    }

    /// Forbids showing the source line.
    #[must_use]
    pub fn without_excerpt(mut self) -> Self {
        self.has_excerpt = false;
        self
    }

    /// Returns the line and column in the file, both 1-based. The column counts characters.
    pub fn line_column(&self) -> (usize, usize) {
        self.line_column_with(&LineIndex::new(&self.document))
    }

    /// Returns the line and column like [`Location::line_column`]. `lines` must be the index of the document's lines.
    pub fn line_column_with(&self, lines: &LineIndex) -> (usize, usize) {
        self.locate(lines, self.span.start)
    }

    /// Returns the line and column of the end of the span, both 1-based. `lines` must be the index of the document's
    /// lines.
    pub fn end_line_column_with(&self, lines: &LineIndex) -> (usize, usize) {
        self.locate(lines, self.span.end)
    }

    fn locate(&self, lines: &LineIndex, offset: usize) -> (usize, usize) {
        let (line, column) = lines.line_column(&self.document, offset);
        (self.first_line + line - 1, column)
    }
}
