//! How the program talks to whoever invoked it.
//!
//! | file | decides |
//! |---|---|
//! | `ui.rs` | what goes to standard output, standard error and the error file, with which colours and escapes |
//! | `invocation.rs` | whether hints name the program `jobplate` or `kubectl jobplate` |
//! | `github.rs` | what GitHub Actions gets: annotations, the summary of the step, escaped commands |
//! | `events.rs` | what a person sees while a cluster is changed |

#[cfg(feature = "cluster")]
pub(crate) mod events;
pub(crate) mod github;
pub(crate) mod invocation;

use std::cell::Cell;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write};
use std::path::Path;
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use jobplate::diagnostic;
use jobplate_diagnostic::{Error, ErrorKind, Message, ProgramName, Result, describe_io_error, output_error};

use self::github::{Workflow, escape_workflow_commands};
use self::invocation::Invocation;

/// Bytes that are gathered before they are written.
const BUFFER_SIZE: usize = 64 * 1024;

/// The name of the plugin for Helm 4 (`integrations/helm/plugin.yaml`).
const HELM_PLUGIN: &str = "jobplate";

/// The user interface: where output goes, in which colours, and who reads it.
pub(crate) struct Ui {
    /// How the program was invoked.
    pub(crate) invocation: Invocation,
    /// Whether colours were asked for.
    pub(crate) color: ColorChoice,
    /// Whether notes are left out.
    pub(crate) quiet: bool,
    /// Whether requests to a server are shown.
    #[cfg(feature = "cluster")]
    pub(crate) verbose: bool,
    /// Defines the command line of a program with this name.
    pub(crate) command_line: fn(&str) -> clap::Command,
    /// The workflow of GitHub Actions that runs the program.
    github: Option<Workflow>,
    /// Whether Helm 4 runs the program as its plugin. Then nobody sees standard error.
    is_helm_plugin: bool,
    /// The file that gets errors, too.
    error_file: Option<OsString>,
    /// The documents that errors and warnings are about.
    documents: diagnostic::DocumentCache,
    /// Whether an error was reported.
    has_failed: Cell<bool>,
}

impl Ui {
    /// Reads what the environment says about whoever invoked the program.
    pub(crate) fn from_environment(invocation: Invocation, command_line: fn(&str) -> clap::Command) -> Self {
        Ui {
            invocation,
            color: ColorChoice::Auto,
            quiet: false,
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

    /// Returns the workflow of GitHub Actions that runs the program.
    pub(crate) fn github(&self) -> Option<&Workflow> {
        self.github.as_ref()
    }

    /// Returns whether Helm 4 runs the program as its plugin.
    pub(crate) fn is_helm_plugin(&self) -> bool {
        self.is_helm_plugin
    }

    /// Lets `write` write to standard output.
    ///
    /// # Errors
    ///
    /// Fails as `write` does; with [`ErrorKind::Output`] if standard output can't be written to, and with
    /// [`ErrorKind::ClosedOutput`] if nobody reads it any more.
    pub(crate) fn print(&self, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<ExitCode> {
        let print = || {
            // Not `io::stdout()`: it looks for line breaks in all that goes through it.
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

    /// Prints a text to standard output.
    ///
    /// # Errors
    ///
    /// Fails as [`Ui::print`] does.
    pub(crate) fn print_text(&self, text: &str) -> Result<ExitCode> {
        self.print(|out| out.write_all(text.as_bytes()).map_err(|error| output_error(&error)))
    }

    /// Lets `write` write a diff of manifests to standard output.
    ///
    /// # Errors
    ///
    /// Fails as [`Ui::print`] does.
    pub(crate) fn print_diff(&self, write: impl FnOnce(&mut DiffOutput<'_>) -> Result<()>) -> Result<ExitCode> {
        let is_colored = match self.color {
            ColorChoice::Auto => AutoStream::choice(&io::stdout()),
            other => other,
        } != ColorChoice::Never;
        self.print(|out| write(&mut DiffOutput { out, is_colored, is_workflow: self.github.is_some() }))
    }

    /// Writes a note to standard error, unless notes are left out.
    pub(crate) fn write_note(&self, note: impl Into<Message>) {
        self.write_notes(&diagnostic::render_note(&self.render_message(&note.into())));
    }

    /// Writes notes and warnings, as `diagnostic` formats them, to standard error, unless notes are left out.
    pub(crate) fn write_notes(&self, notes: &str) {
        if !self.quiet {
            self.write_stderr(notes);
        }
    }

    /// Returns the text of a message, in which the program has the name by which the user calls it.
    pub(crate) fn render_message(&self, message: &Message) -> String {
        message.with_program(self.invocation.program_name())
    }

    /// Writes to standard error. A closed standard error does not stop the program.
    pub(crate) fn write_stderr(&self, text: &str) {
        let text = match self.github {
            Some(_) => escape_workflow_commands(text),
            None => text.to_owned(),
        };
        let _ = AutoStream::new(io::stderr(), self.color).write_all(text.as_bytes());
    }

    /// Reports an error to whoever may read it, and returns the exit code.
    pub(crate) fn report_failure(&self, error: &Error) -> ExitCode {
        if error.kind() != ErrorKind::ClosedOutput {
            let helm = "to see it without Helm: helm template RELEASE CHART | "
                + ProgramName
                + " post-render, with the same arguments";
            let helm = self.is_helm_plugin.then(|| diagnostic::render_note(&self.render_message(&helm)));
            self.report_error(error, &helm.unwrap_or_default());
        }
        ExitCode::from(error.kind().exit_code())
    }

    /// Reports an error, and something about it, on standard error and to those who do not read that.
    pub(crate) fn report_error(&self, error: &Error, more: &str) {
        let text = diagnostic::render_error(error, self.invocation.program_name(), &self.documents) + more;
        self.write_stderr(&text);
        self.write_error_file(&anstream::adapter::strip_str(&text).to_string());
        if let Some(workflow) = &self.github {
            workflow.report_error(error);
        }
    }

    /// Reports a command line that clap refuses, or prints the help or version that was asked for. Returns the exit
    /// code.
    ///
    /// # Errors
    ///
    /// Fails as [`Ui::print`] does.
    pub(crate) fn report_usage(&self, usage: &clap::Error) -> Result<ExitCode> {
        if !usage.use_stderr() {
            return self.print_text(&usage.render().to_string());
        }
        let _ = usage.print();
        let text = usage.to_string();
        self.write_error_file(&text);
        if let Some(workflow) = &self.github {
            let first = text.lines().next().unwrap_or_default();
            workflow.report_error(&Error::usage(first.trim_start_matches("error: ")));
        }
        Ok(ExitCode::from(ErrorKind::Usage.exit_code()))
    }

    /// Empties an error file in which an error is: what is in it afterwards is of this run. Whatever else somebody
    /// may have named stays as it is.
    pub(crate) fn truncate_error_file(&self) {
        let Some(path) = &self.error_file else { return };
        let mut start = [0; 6];
        let is_error = !Path::new(path).starts_with("/dev")
            && std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
            && File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
            && start == *b"error:";
        if is_error {
            // That it can't be written is reported when there is something to write.
            let _ = std::fs::OpenOptions::new().write(true).truncate(true).open(path);
        }
    }

    /// Writes an error to the file that `JOBPLATE_ERROR_FILE` names, after others of this run, and to the terminal.
    fn write_error_file(&self, text: &str) {
        let is_first = !self.has_failed.replace(true);
        let open = |path: &OsString| {
            // What is a device by name may be somebody's log by now: nothing there is taken away.
            let more = !is_first || Path::new(path).starts_with("/dev");
            std::fs::OpenOptions::new().create(true).write(true).append(more).truncate(!more).open(path)
        };
        if let Some(path) = &self.error_file
            && let Err(error) = open(path).and_then(|mut file| file.write_all(text.as_bytes()))
        {
            let note = diagnostic::render_note(&format!(
                "JOBPLATE_ERROR_FILE can't be written: {}",
                describe_io_error(&error)
            ));
            self.write_stderr(&note);
            self.write_terminal(&anstream::adapter::strip_str(&note).to_string());
        }
        self.write_terminal(text);
    }

    /// Writes to the terminal, where Helm keeps everything else to itself: Helm 4 shows no standard error of a
    /// post-renderer.
    fn write_terminal(&self, text: &str) {
        if self.is_helm_plugin
            // Without a terminal, nobody reads it.
            && let Ok(mut terminal) = std::fs::OpenOptions::new().write(true).open("/dev/tty")
        {
            let _ = terminal.write_all(text.as_bytes());
        }
    }
}

/// Standard output, for diffs of manifests.
pub(crate) struct DiffOutput<'o> {
    out: &'o mut dyn Write,
    is_colored: bool,
    is_workflow: bool,
}

impl DiffOutput<'_> {
    /// Writes a part of a diff: without colours where they are not wanted, and with no command to a runner of
    /// workflows.
    ///
    /// # Errors
    ///
    /// Fails if standard output can't be written to.
    pub(crate) fn write(&mut self, text: &str) -> Result<()> {
        let text = if self.is_colored { text.to_owned() } else { anstream::adapter::strip_str(text).to_string() };
        let text = if self.is_workflow { escape_workflow_commands(&text) } else { text };
        self.out.write_all(text.as_bytes()).map_err(|error| output_error(&error))
    }
}

/// Ignores that nobody reads any more what was only to be reported: it does not change what is done.
pub(crate) fn ignore_closed_output(printed: Result<ExitCode>) -> Result<()> {
    match printed {
        Err(error) if error.kind() != ErrorKind::ClosedOutput => Err(error),
        _ => Ok(()),
    }
}

/// Ends the process at once, as interrupted.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_holds_no_workflow_commands() {
        let mut out = Vec::new();
        let mut diff = DiffOutput { out: &mut out, is_colored: false, is_workflow: true };
        diff.write("\u{1b}[31m::add-mask::x\u{1b}[0m\n ::error::y ##[group]z\n").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), ": :add-mask::x\n : :error::y ## [group]z\n");
    }
}
