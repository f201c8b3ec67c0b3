//! The user interface: output streams, colours and error reports.
//!
//! | file | decides |
//! |---|---|
//! | `ui.rs` | the content of standard output, standard error and the error file, with colours and escapes |
//! | `invocation.rs` | whether hints name the program `jobplate` or `kubectl jobplate` |
//! | `github.rs` | the annotations, step summaries and escaped logs in GitHub Actions |
//! | `repository.rs` | the paths of files in reports |
//! | `events.rs` | the progress output while a cluster is changed |
//! | `live_objects.rs` | the format of live objects on standard output |

#[cfg(feature = "cluster")]
pub(crate) mod events;
pub(crate) mod github;
pub(crate) mod invocation;
#[cfg(feature = "cluster")]
pub(crate) mod live_objects;
pub(crate) mod repository;

use std::cell::Cell;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write};
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use anstream::{AutoStream, ColorChoice};
use jobplate::diagnostic;
use jobplate::diagnostic::finding::FindingConverter;
use jobplate::diagnostic::json::JsonDiagnostic;
use jobplate_diagnostic::{
    Diagnostic, Error, ErrorKind, Message, ProgramName, Result, Severity, describe_io_error, output_error,
};
use jobplate_manifest::sensitive::{MaskLevel, MaskPolicy};

use self::github::{Workflow, escape_workflow_commands};
use self::invocation::Invocation;

/// The size of the output buffer, in bytes.
const BUFFER_SIZE: usize = 64 * 1024;

/// The name of the plugin for Helm 4 (`integrations/helm/plugin.yaml`).
const HELM_PLUGIN: &str = "jobplate";

/// The user interface: output streams with their settings, and the environment that reads them.
pub(crate) struct Ui {
    /// How the program was invoked.
    pub(crate) invocation: Invocation,
    /// The value of `--color`.
    pub(crate) color: ColorChoice,
    /// Whether notes are suppressed. Warnings are always shown.
    pub(crate) quiet: bool,
    /// The value of `JOBPLATE_MASK`.
    pub(crate) mask_variable: Option<OsString>,
    /// Whether requests to a server are shown.
    #[cfg(feature = "cluster")]
    pub(crate) verbose: bool,
    /// Builds the command line for a program name.
    pub(crate) command_line: fn(&str) -> clap::Command,
    /// The GitHub Actions workflow that runs the program.
    github: Option<Workflow>,
    /// Whether Helm 4 runs the program as a plugin. Helm 4 hides standard error.
    is_helm_plugin: bool,
    /// The file of `JOBPLATE_ERROR_FILE`, which receives a copy of errors.
    error_file: Option<OsString>,
    /// The document that the last error or warning was about.
    documents: diagnostic::DocumentCache,
    /// Whether an error was reported in this run.
    has_failed: Cell<bool>,
}

impl Ui {
    /// Creates the user interface from environment variables.
    pub(crate) fn from_environment(invocation: Invocation, command_line: fn(&str) -> clap::Command) -> Self {
        Ui {
            invocation,
            color: ColorChoice::Auto,
            quiet: false,
            mask_variable: std::env::var_os("JOBPLATE_MASK").filter(|value| !value.is_empty()),
            #[cfg(feature = "cluster")]
            verbose: false,
            command_line,
            github: Workflow::from_environment(invocation),
            is_helm_plugin: std::env::var_os("HELM_PLUGIN_NAME").is_some_and(|name| name == HELM_PLUGIN),
            error_file: std::env::var_os("JOBPLATE_ERROR_FILE").filter(|path| !path.is_empty()),
            documents: diagnostic::DocumentCache::default(),
            has_failed: Cell::new(false),
        }
    }

    /// Returns the GitHub Actions workflow that runs the program, if any.
    pub(crate) fn github(&self) -> Option<&Workflow> {
        self.github.as_ref()
    }

    /// Returns whether Helm 4 runs the program as a plugin.
    pub(crate) fn is_helm_plugin(&self) -> bool {
        self.is_helm_plugin
    }

    /// Returns the policy that decides which values are masked.
    pub(crate) fn mask_policy(&self) -> Rc<MaskPolicy> {
        self.documents.policy()
    }

    /// Sets which values are masked.
    pub(crate) fn set_mask_level(&self, level: MaskLevel) {
        self.documents.change_policy(|policy| policy.level = level);
    }

    /// Masks the literals of these variables, regardless of their names.
    pub(crate) fn mask_variables(&self, names: impl IntoIterator<Item = String>) {
        self.documents.change_policy(|policy| policy.names.extend(names));
    }

    /// Calls `write` with a buffered standard output, then flushes it.
    ///
    /// # Errors
    ///
    /// Fails if `write` fails, with [`ErrorKind::Output`] if standard output cannot be written to, and with
    /// [`ErrorKind::ClosedOutput`] if the reader closed the pipe.
    pub(crate) fn print(&self, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<ExitCode> {
        let print = || {
            // `io::stdout()` would add a line buffer, which searches all output for line breaks.
            let out = unbuffered_stdout().map_err(|error| output_error(&error))?;
            let mut out = BufWriter::with_capacity(BUFFER_SIZE, out);
            write(&mut out)?;
            out.flush().map_err(|error| output_error(&error))
        };
        match print() {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) if error.kind() == ErrorKind::Output => Err(error.with_context("cannot write to stdout")),
            Err(error) => Err(error),
        }
    }

    /// Prints `text` to standard output.
    ///
    /// # Errors
    ///
    /// Fails like [`Ui::print`].
    pub(crate) fn print_text(&self, text: &str) -> Result<ExitCode> {
        self.print(|out| out.write_all(text.as_bytes()).map_err(|error| output_error(&error)))
    }

    /// Calls `write` with standard output prepared for a diff of manifests.
    ///
    /// # Errors
    ///
    /// Fails like [`Ui::print`].
    pub(crate) fn print_diff(&self, write: impl FnOnce(&mut DiffOutput<'_>) -> Result<()>) -> Result<ExitCode> {
        let is_colored = match self.color {
            ColorChoice::Auto => AutoStream::choice(&io::stdout()),
            other => other,
        } != ColorChoice::Never;
        self.print(|out| write(&mut DiffOutput { out, is_colored, is_workflow: self.github.is_some() }))
    }

    /// Writes a note about the run to standard error, unless notes are suppressed.
    pub(crate) fn write_note(&self, note: impl Into<Message>) {
        if !self.quiet {
            self.write_stderr(&diagnostic::render_note(&self.render_message(&note.into())));
        }
    }

    /// Writes the hint that follows a note, unless notes are suppressed.
    pub(crate) fn write_hint(&self, hint: &str) {
        if !self.quiet {
            self.write_stderr(&diagnostic::render_hint(hint));
        }
    }

    /// Reports diagnostics to standard error, and those that are not notes to GitHub Actions. Leaves out notes if they
    /// are suppressed.
    pub(crate) fn report_diagnostics<'d>(&self, diagnostics: impl IntoIterator<Item = &'d Diagnostic>) {
        let program = self.invocation.program_name();
        for diagnostic in diagnostics {
            let is_note = diagnostic.severity() == Severity::Info;
            if is_note && self.quiet {
                continue;
            }
            self.write_stderr(&diagnostic::render_diagnostic(diagnostic, program, &self.documents));
            if let Some(workflow) = self.github.as_ref().filter(|_| !is_note) {
                workflow.annotate(diagnostic, &self.documents);
            }
        }
    }

    /// Renders a finding with its source line.
    pub(crate) fn render_finding(&self, finding: &Diagnostic) -> String {
        diagnostic::render_finding(finding, self.invocation.program_name(), &self.documents)
    }

    /// Returns a converter of diagnostics for reports. `path_in_repository` returns the path of a file from the root of the
    /// repository.
    pub(crate) fn finding_converter<'c>(
        &'c self,
        path_in_repository: Box<dyn Fn(&str) -> String>,
    ) -> FindingConverter<'c> {
        FindingConverter::new(self.invocation.program_name(), &self.documents, path_in_repository)
    }

    /// Converts a diagnostic to its form in a JSON report.
    pub(crate) fn to_json(&self, diagnostic: &Diagnostic) -> JsonDiagnostic {
        JsonDiagnostic::new(diagnostic, self.invocation.program_name(), &self.documents)
    }

    /// Returns the text of a message with the program's name as the user typed it.
    pub(crate) fn render_message(&self, message: &Message) -> String {
        message.with_program(self.invocation.program_name())
    }

    /// Writes to standard error. Ignores errors: a closed standard error must not stop the program.
    pub(crate) fn write_stderr(&self, text: &str) {
        let text = match self.github {
            Some(_) => escape_workflow_commands(text),
            None => text.to_owned(),
        };
        let _ = AutoStream::new(io::stderr(), self.color).write_all(text.as_bytes());
    }

    /// Reports the error that ends the program, and the errors combined with it. Returns the exit code.
    pub(crate) fn report_failure(&self, error: &Error) -> ExitCode {
        if error.kind() != ErrorKind::ClosedOutput {
            let hint = "to see it without Helm: helm template RELEASE CHART | "
                + ProgramName
                + " post-render, with the same arguments";
            let helm_note = self.is_helm_plugin.then(|| diagnostic::render_note(&self.render_message(&hint)));
            let helm_note = helm_note.unwrap_or_default();
            let mut errors = error.all().peekable();
            while let Some(error) = errors.next() {
                self.report_error(error, if errors.peek().is_none() { &helm_note } else { "" });
            }
        }
        ExitCode::from(error.kind().exit_code())
    }

    /// Reports an error, followed by `notes`, to standard error, the error file and GitHub Actions.
    pub(crate) fn report_error(&self, error: &Error, notes: &str) {
        let text = diagnostic::render_error(error, self.invocation.program_name(), &self.documents) + notes;
        self.write_stderr(&text);
        self.write_error_file(&anstream::adapter::strip_str(&text).to_string());
        if let Some(workflow) = &self.github {
            workflow.report_error(error, &self.documents);
        }
    }

    /// Reports a usage error from clap, or prints the requested help or version. Returns the exit code.
    ///
    /// # Errors
    ///
    /// Fails like [`Ui::print`].
    pub(crate) fn report_usage(&self, usage: &clap::Error) -> Result<ExitCode> {
        if !usage.use_stderr() {
            return self.print_text(&usage.render().to_string());
        }
        let _ = usage.print();
        let text = usage.to_string();
        self.write_error_file(&text);
        if let Some(workflow) = &self.github {
            let first = text.lines().next().unwrap_or_default();
            workflow.report_error(&Error::usage(first.trim_start_matches("error: ")), &self.documents);
        }
        Ok(ExitCode::from(ErrorKind::Usage.exit_code()))
    }

    /// Truncates the error file if it contains an error of an earlier run.
    pub(crate) fn truncate_error_file(&self) {
        if let Some(path) = self.error_file.as_deref().map(Path::new)
            && !path.starts_with("/dev")
            && std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
            && begins_with_error(path)
        {
            // Ignore a failure here: it is reported when an error is written to the file.
            let _ = std::fs::OpenOptions::new().write(true).truncate(true).open(path);
        }
    }

    /// Writes an error to the file of `JOBPLATE_ERROR_FILE` and to the terminal.
    fn write_error_file(&self, text: &str) {
        let is_first = !self.has_failed.replace(true);
        if let Some(path) = &self.error_file
            && let Err(problem) = append_error(Path::new(path), is_first, text)
        {
            let note = diagnostic::render_note(&format!("cannot write JOBPLATE_ERROR_FILE: {problem}"));
            self.write_stderr(&note);
            self.write_terminal(&anstream::adapter::strip_str(&note).to_string());
        }
        self.write_terminal(text);
    }

    /// Writes to the terminal if Helm 4 runs the program, because Helm 4 hides a post-renderer's standard error.
    fn write_terminal(&self, text: &str) {
        if self.is_helm_plugin
            // Opening the terminal fails if there is none, for example in CI.
            && let Ok(mut terminal) = std::fs::OpenOptions::new().write(true).open("/dev/tty")
        {
            let _ = terminal.write_all(text.as_bytes());
        }
    }
}

/// A writer for diffs of manifests to standard output.
pub(crate) struct DiffOutput<'o> {
    out: &'o mut dyn Write,
    is_colored: bool,
    is_workflow: bool,
}

impl DiffOutput<'_> {
    /// Writes a part of a diff. Strips colours unless they are on, and escapes workflow commands in GitHub Actions.
    ///
    /// # Errors
    ///
    /// Fails if standard output cannot be written to.
    pub(crate) fn write(&mut self, text: &str) -> Result<()> {
        let text = if self.is_colored { text.to_owned() } else { anstream::adapter::strip_str(text).to_string() };
        let text = if self.is_workflow { escape_workflow_commands(&text) } else { text };
        self.out.write_all(text.as_bytes()).map_err(|error| output_error(&error))
    }
}

/// Ignores [`ErrorKind::ClosedOutput`]: a closed standard output must not stop a command that also writes elsewhere.
pub(crate) fn ignore_closed_output(printed: Result<ExitCode>) -> Result<()> {
    match printed {
        Err(error) if error.kind() != ErrorKind::ClosedOutput => Err(error),
        _ => Ok(()),
    }
}

/// Ends the process at once, with the exit code of an interrupt.
#[cfg(feature = "cluster")]
pub(crate) fn exit_interrupted() {
    std::process::exit(i32::from(ErrorKind::Interrupted.exit_code()));
}

#[cfg(unix)]
fn unbuffered_stdout() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

#[cfg(not(unix))]
fn unbuffered_stdout() -> io::Result<io::Stdout> {
    Ok(io::stdout())
}

/// Returns whether a file begins with an error of this program.
fn begins_with_error(path: &Path) -> bool {
    let mut start = [0; 6];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && matches!(&start, b"error:" | b"error[")
}

/// Appends an error to a file. `is_first` is whether it is the first error of the run. Returns the problem if that fails,
/// or if the file has other content, in case the user named the wrong file.
fn append_error(path: &Path, is_first: bool, text: &str) -> Result<(), String> {
    let is_other_file = || std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0);
    // A path in /dev, such as /dev/stderr, may be redirected to a log file.
    if is_first && !path.starts_with("/dev") && is_other_file() && !begins_with_error(path) {
        return Err("the file does not begin with an error of jobplate".to_owned());
    }
    let open = std::fs::OpenOptions::new().create(true).append(true).open(path);
    open.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| describe_io_error(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_workflow_commands_in_a_diff() {
        let mut out = Vec::new();
        let mut diff = DiffOutput { out: &mut out, is_colored: false, is_workflow: true };
        diff.write("\u{1b}[31m::add-mask::x\u{1b}[0m\n ::error::y ##[group]z\n").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), ": :add-mask::x\n : :error::y ## [group]z\n");
    }
}
