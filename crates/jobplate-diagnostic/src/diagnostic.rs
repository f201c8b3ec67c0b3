//! Diagnostics: errors, warnings and notes about the input as data.

use crate::location::Location;
use crate::message::Message;

/// How serious a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// What was done, or what the program assumed.
    Info,
    /// Probably unintended: a value is overridden, has no effect, or is a secret in plain text.
    Warning,
    /// It will not work: a parser, Prefect or the API server rejects it.
    Error,
}

impl Severity {
    /// Returns the lower-case name: `info`, `warning` or `error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// A further location that explains a diagnostic, with a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The location.
    pub location: Location,
    /// What is at the location, such as `first definition`.
    pub label: String,
}

/// A message about the input: an error, a warning or a note.
///
/// ```
/// use jobplate_diagnostic::{Diagnostic, Location, Severity};
///
/// let location = Location::new("vars.yaml", 1, "env:\n  TOKEN: x\n", 7..12);
/// let warning = Diagnostic::warning("overridden-reference", "a literal overrides `TOKEN` (Secret prefect, key token)")
///     .at(location)
///     .help("remove it here");
/// assert_eq!(warning.severity(), Severity::Warning);
/// assert_eq!(warning.location().unwrap().line_column(), (2, 3));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    code: &'static str,
    severity: Severity,
    message: String,
    file: Option<String>,
    location: Option<Location>,
    annotations: Vec<Annotation>,
    help: Option<Message>,
}

impl Diagnostic {
    /// Creates a diagnostic. `code` is a stable identifier in kebab case. `message` must be one sentence in lower case,
    /// without a full stop and without sensitive values.
    pub fn new(code: &'static str, severity: Severity, message: impl Into<String>) -> Self {
        let (message, annotations) = (message.into(), Vec::new());
        Diagnostic { code, severity, message, file: None, location: None, annotations, help: None }
    }

    /// Creates an error about the input.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message)
    }

    /// Creates a warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message)
    }

    /// Creates a note.
    pub fn info(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Info, message)
    }

    /// Sets the primary location.
    #[must_use]
    pub fn at(mut self, location: impl Into<Option<Location>>) -> Self {
        self.location = location.into().or(self.location);
        self
    }

    /// Sets the path of the input, for a diagnostic about the whole input. Has no effect if a path is already set.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file.get_or_insert(file.into());
        self
    }

    /// Adds a labelled location.
    #[must_use]
    pub fn annotate(mut self, location: Location, label: impl Into<String>) -> Self {
        self.annotations.push(Annotation { location, label: label.into() });
        self
    }

    /// Sets the help: one sentence that explains how to fix the problem, with a command if there is one.
    #[must_use]
    pub fn help(mut self, help: impl Into<Message>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Replaces the code.
    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// Applies `change` to the message, the help and the labels of annotations.
    #[must_use]
    pub fn map_text(mut self, change: impl Fn(&str) -> String) -> Self {
        self.message = change(&self.message);
        self.help = self.help.map(|help| help.map(&change));
        for annotation in &mut self.annotations {
            annotation.label = change(&annotation.label);
        }
        self
    }

    /// Returns the stable identifier, in kebab case.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Returns the severity.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Returns the message, without the location and the help.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the help, if there is one.
    pub fn help_message(&self) -> Option<&Message> {
        self.help.as_ref()
    }

    /// Returns the primary location, if it is known.
    pub fn location(&self) -> Option<&Location> {
        self.location.as_ref()
    }

    /// Returns the path of the input, if it is known.
    pub fn file(&self) -> Option<&str> {
        self.location.as_ref().map(|location| location.file.as_str()).or(self.file.as_deref())
    }

    /// Returns the further locations, in the order in which they were added.
    pub fn annotations(&self) -> &[Annotation] {
        &self.annotations
    }

    /// Returns the message for changes.
    pub(crate) fn message_mut(&mut self) -> &mut String {
        &mut self.message
    }
}
