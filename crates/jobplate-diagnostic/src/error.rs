//! The error type of all crates: a kind, a one-sentence message, a location in an input and a hint.
//!
//! [`ErrorKind::exit_code`] maps each kind to its exit code. Only the program prints errors. A message never quotes a
//! value from an input; the program adds the source line, with values masked, when it prints the error.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::location::Location;
use crate::message::Message;

/// A [`std::result::Result`] whose error is a [`struct@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The category of an error. It determines the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The command line or a spec file is invalid.
    Usage,
    /// An input cannot be read or is invalid.
    Input,
    /// An edit was not made because its correctness cannot be proven.
    Refused,
    /// The API server rejected a request or could not be reached.
    Cluster,
    /// A Job failed, or one of its pods cannot start.
    JobFailed,
    /// A wait timed out.
    Timeout,
    /// The user pressed Ctrl-C.
    Interrupted,
    /// The output cannot be written.
    Output,
    /// The reader closed the pipe. The program exits silently.
    ClosedOutput,
    /// A bug in jobplate, such as an edit that failed its verification. No output was written.
    Internal,
}

impl ErrorKind {
    /// Returns the exit code of the process. The README lists all exit codes under "Exit codes".
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

    /// Returns the code of an error of this kind that has no code of its own.
    fn default_code(self) -> &'static str {
        match self {
            ErrorKind::Usage => "invalid-usage",
            ErrorKind::Input => "invalid-input",
            ErrorKind::Refused => "edit-refused",
            ErrorKind::Cluster => "request-failed",
            ErrorKind::JobFailed => "job-failed",
            ErrorKind::Timeout => "timed-out",
            ErrorKind::Interrupted => "interrupted",
            ErrorKind::Output | ErrorKind::ClosedOutput => "output-failed",
            ErrorKind::Internal => "internal-error",
        }
    }
}

/// An error: a [`Diagnostic`] with a kind, which determines the exit code.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    diagnostic: Diagnostic,
    /// The byte range in the current document, until [`Error::in_document`] adds the document.
    span: Option<Range<usize>>,
    /// The errors that occurred after this error.
    later: Vec<Error>,
}

impl Error {
    /// Creates an error. `message` must be one sentence in lower case, without a full stop and without values from an
    /// input.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let diagnostic = Diagnostic::error(kind.default_code(), message);
        Error(Box::new(Inner { kind, diagnostic, span: None, later: Vec::new() }))
    }

    /// Creates an error about the command line or a spec file.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// Creates an error about an input.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, message)
    }

    /// Creates an error about an edit that was not made.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    /// Combines errors into the first one, which determines the exit code. Returns `None` if there is none.
    pub fn combine(errors: impl IntoIterator<Item = Error>) -> Option<Self> {
        errors.into_iter().reduce(Error::followed_by)
    }

    /// Adds an error that occurred after this one, with the errors that are combined with it.
    #[must_use]
    pub fn followed_by(mut self, mut other: Error) -> Self {
        let later = std::mem::take(&mut other.0.later);
        self.0.later.push(other);
        self.0.later.extend(later);
        self
    }

    /// Returns the error and the errors that were combined with it, in order.
    pub fn all(&self) -> impl Iterator<Item = &Error> {
        std::iter::once(self).chain(&self.0.later)
    }

    /// Sets the code: a stable identifier in kebab case.
    #[must_use]
    pub fn with_code(self, code: &'static str) -> Self {
        self.map_diagnostic(|diagnostic| diagnostic.with_code(code))
    }

    /// Sets the hint, one sentence that explains how to resolve the error.
    #[must_use]
    pub fn hint(self, hint: impl Into<Message>) -> Self {
        self.map_diagnostic(|diagnostic| diagnostic.help(hint))
    }

    /// Adds a labelled location.
    #[must_use]
    pub fn annotate(self, location: Location, label: impl Into<String>) -> Self {
        self.map_diagnostic(|diagnostic| diagnostic.annotate(location, label))
    }

    fn map_diagnostic(mut self, change: impl FnOnce(Diagnostic) -> Diagnostic) -> Self {
        self.0.diagnostic = change(self.0.diagnostic);
        self
    }

    /// Appends `detail` to the message.
    #[must_use]
    pub fn with_detail(mut self, detail: &str) -> Self {
        self.0.diagnostic.message_mut().push_str(detail);
        self
    }

    /// Prefixes the message with the operation that failed.
    #[must_use]
    pub fn with_context(mut self, operation: &str) -> Self {
        self.0.diagnostic.message_mut().insert_str(0, &format!("{operation}: "));
        self
    }

    /// Sets the byte range in the current document, unless a byte range is already set. A caller that knows the file
    /// converts the byte range to a [`Location`] with [`Error::in_document`].
    #[must_use]
    pub fn at(mut self, span: Range<usize>) -> Self {
        self.0.span.get_or_insert(span);
        self
    }

    /// Maps the byte range set by [`Error::at`] to a byte range of an enclosing document. Has no effect if no byte
    /// range is set or if the location is known.
    #[must_use]
    pub fn map_span(mut self, to_outer: impl FnOnce(Range<usize>) -> Range<usize>) -> Self {
        self.0.span = self.0.span.map(to_outer);
        self
    }

    /// Sets the path of the input that the error is about, unless a path is already set. Intended for errors without a
    /// location.
    #[must_use]
    pub fn in_file(self, file: impl Into<String>) -> Self {
        self.map_diagnostic(|diagnostic| diagnostic.in_file(file))
    }

    /// Sets the location, unless it is already known.
    #[must_use]
    pub fn at_location(self, location: Location) -> Self {
        match self.location() {
            Some(_) => self,
            None => self.map_diagnostic(|diagnostic| diagnostic.at(location)),
        }
    }

    /// Converts the byte range set by [`Error::at`] to a location. Sets only the file if there is no byte range. Has no
    /// effect if the location is known. `first_line` is the 1-based line of `file` on which the document starts.
    #[must_use]
    pub fn in_document(mut self, file: &str, first_line: usize, document: impl Into<Arc<str>>) -> Self {
        match self.0.span.take() {
            _ if self.location().is_some() => self,
            Some(span) => self.at_location(Location::new(file, first_line, document, span)),
            None => self.in_file(file),
        }
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns whether the code is more specific than the kind of the error.
    pub fn has_own_code(&self) -> bool {
        self.0.diagnostic.code() != self.0.kind.default_code()
    }

    /// Returns the error as a diagnostic.
    pub fn diagnostic(&self) -> &Diagnostic {
        &self.0.diagnostic
    }

    /// Returns the message, without the location and the hint.
    pub fn message(&self) -> &str {
        self.0.diagnostic.message()
    }

    /// Returns the hint, if there is one.
    pub fn hint_message(&self) -> Option<&Message> {
        self.0.diagnostic.help_message()
    }

    /// Returns the location, if it is known.
    pub fn location(&self) -> Option<&Location> {
        self.0.diagnostic.location()
    }

    /// Returns the byte range set by [`Error::at`]. Returns `None` after [`Error::in_document`] has converted it to a
    /// location.
    pub fn span(&self) -> Option<Range<usize>> {
        self.0.span.clone()
    }

    /// Returns the path of the input that the error is about, if it is known.
    pub fn file(&self) -> Option<&str> {
        self.0.diagnostic.file()
    }
}

/// Returns a path for messages. Bytes that are not UTF-8 are escaped, such as `\\xe9`.
pub fn display_path(path: &Path) -> String {
    let chunks = path.as_os_str().as_encoded_bytes().utf8_chunks();
    chunks.map(|chunk| format!("{}{}", chunk.valid(), chunk.invalid().escape_ascii())).collect()
}

/// Returns the reason for an I/O error, without the path.
pub fn describe_io_error(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        // The operating system's message contains no path, so it can be returned unchanged.
        _ if error.raw_os_error().is_some() => error.to_string(),
        kind => kind.to_string(),
    }
}

/// Converts an I/O error from a write to an output. The message contains only the reason; the caller adds the name of
/// the output.
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
