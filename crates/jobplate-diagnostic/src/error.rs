//! What can go wrong, in one type: a kind, one sentence, a place in an input, a hint.
//!
//! Any crate can return one. [`ErrorKind::exit_code`] maps each kind to its exit code; only the program prints errors.
//! A message never quotes a value from an input; the source line is added, masked, when it is printed.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::line_index::LineIndex;
use crate::message::Message;

/// A result whose error is a [`struct@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; it alone decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The command line or a spec file asks for something that makes no sense.
    Usage,
    /// An input can't be read, or is not what it should be.
    Input,
    /// An edit that can't be proven right, and so is not made.
    Refused,
    /// The API server refused, or could not be reached.
    Cluster,
    /// The Job failed, or its pod can't start.
    JobFailed,
    /// What was waited for did not come in time.
    Timeout,
    /// Ctrl-C.
    Interrupted,
    /// The output can't be written.
    Output,
    /// Whoever read our output went away: no error to tell anyone.
    ClosedOutput,
    /// A bug of ours: an edit failed its own verification. Nothing was written.
    Internal,
}

impl ErrorKind {
    /// The exit code of the process (README, "Exit codes").
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorKind::ClosedOutput => 0,
            ErrorKind::Usage | ErrorKind::Input | ErrorKind::Refused | ErrorKind::Output => 2,
            ErrorKind::Cluster => 3,
            ErrorKind::JobFailed => 4,
            ErrorKind::Timeout => 5,
            ErrorKind::Internal => 70,
            ErrorKind::Interrupted => 130,
        }
    }
}

/// A place in an input: bytes of one document, whose text is kept for the source line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The input as the user named it; `-` is standard input.
    pub file: String,
    /// The line of the document's first byte in that file, from 1.
    pub first_line: usize,
    /// The whole text of the document: the masker needs it to know what a line holds. Errors about one document share
    /// it.
    pub document: Arc<str>,
    /// The bytes of `document` that the error is about.
    pub span: Range<usize>,
}

impl Location {
    /// Line and column in the file, both from 1; the column counts characters.
    pub fn line_column(&self) -> (usize, usize) {
        self.line_column_with(&LineIndex::new(&self.document))
    }

    /// Returns what [`Location::line_column`] does, from the lines of the document.
    pub fn line_column_with(&self, lines: &LineIndex) -> (usize, usize) {
        let (line, column) = lines.line_column(&self.document, self.span.start);
        (self.first_line + line - 1, column)
    }
}

/// An error, ready to be reported.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    hint: Option<Message>,
    file: Option<String>,
    span: Option<Range<usize>>,
    location: Option<Location>,
}

impl Error {
    /// An error of a kind, with its one sentence: lower case, no full stop, no value of the input in it.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner { kind, message: message.into(), hint: None, file: None, span: None, location: None }))
    }

    /// The command line or a spec file is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// An input is wrong.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, message)
    }

    /// An edit that is not made.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    /// What to do about it: one sentence.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Message>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The same error with more behind its sentence.
    #[must_use]
    pub fn with_detail(mut self, more: &str) -> Self {
        self.0.message.push_str(more);
        self
    }

    /// Returns the same error with what was attempted before its sentence.
    #[must_use]
    pub fn with_context(mut self, attempted: &str) -> Self {
        self.0.message.insert_str(0, &format!("{attempted}: "));
        self
    }

    /// The bytes of the current document it is about; whoever knows the file turns them into a [`Location`].
    #[must_use]
    pub fn at(mut self, span: Range<usize>) -> Self {
        self.0.span.get_or_insert(span);
        self
    }

    /// The same error about other bytes, where its place is not yet known.
    #[must_use]
    pub fn map_span(mut self, to: impl FnOnce(Range<usize>) -> Range<usize>) -> Self {
        self.0.span = self.0.span.map(to);
        self
    }

    /// The input it is about, when no place in it can be named.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.0.file.get_or_insert(file.into());
        self
    }

    /// Turns the span of [`Error::at`] into a place, once file and document are known.
    #[must_use]
    pub fn in_document(mut self, file: &str, first_line: usize, document: impl Into<Arc<str>>) -> Self {
        if self.0.location.is_none() {
            match self.0.span.take() {
                Some(span) => {
                    let file = file.to_owned();
                    self.0.location = Some(Location { file, first_line, document: document.into(), span });
                }
                None => return self.in_file(file),
            }
        }
        self
    }

    /// Its kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Its one sentence.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do about it.
    pub fn hint_message(&self) -> Option<&Message> {
        self.0.hint.as_ref()
    }

    /// Where it is, if a place is known.
    pub fn location(&self) -> Option<&Location> {
        self.0.location.as_ref()
    }

    /// The bytes it is about, while the document is not yet known.
    pub fn span(&self) -> Option<Range<usize>> {
        self.0.span.clone()
    }

    /// The input it is about.
    pub fn file(&self) -> Option<&str> {
        self.0.location.as_ref().map(|location| location.file.as_str()).or(self.0.file.as_deref())
    }
}

/// Why reading or writing failed, in words; never the path or the text it was about.
pub fn describe_io_error(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        // The system's own words; they name no path.
        _ if error.raw_os_error().is_some() => error.to_string(),
        kind => kind.to_string(),
    }
}

/// Returns the error of a failed write: the reason only, since whoever owns the output knows what it is.
pub fn output_error(error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => Error::new(ErrorKind::ClosedOutput, "the output was closed"),
        _ => Error::new(ErrorKind::Output, describe_io_error(error)),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.location(), self.file()) {
            (Some(location), _) => {
                let (line, column) = location.line_column();
                write!(f, "{}:{line}:{column}: {}", location.file, self.message())
            }
            (None, Some(file)) => write!(f, "{file}: {}", self.message()),
            (None, None) => f.write_str(self.message()),
        }
    }
}

impl std::error::Error for Error {}
