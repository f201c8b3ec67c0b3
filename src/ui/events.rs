//! Reports progress while a cluster is changed: a line on standard output for each object, and notes and errors on
//! standard error. On a terminal, a spinner for each Job replaces the notes about its state.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jobplate::diagnostic;
use jobplate_cluster::{EventHandler, InputObject, ReportRow};
use jobplate_diagnostic::{Error, Result};
use serde_json::Value;

use super::live_objects::LiveObjectFormatter;
use super::{Ui, ignore_closed_output};

/// The time between two frames of a spinner.
const SPINNER_INTERVAL: Duration = Duration::from_millis(200);

type RowFormatter<'u> = Box<dyn Fn(&ReportRow) -> Option<String> + 'u>;

/// Writes the events of the cluster crate to the output streams.
pub(crate) struct ProgressReporter<'u> {
    ui: &'u Ui,
    /// Formats the line on standard output for a finished object.
    format_row: RowFormatter<'u>,
    /// Formats the live objects. If it is set, they are on standard output, and the lines of finished objects are notes.
    live_objects: RefCell<Option<LiveObjectFormatter>>,
    /// The first error while a line was written to standard output.
    output_error: RefCell<Option<Error>>,
    /// The warnings that were already reported.
    reported_warnings: RefCell<HashSet<String>>,
    /// The spinners. Hidden if standard error is not a terminal. Spinners below the edge of the terminal are not drawn.
    progress: MultiProgress,
    /// The spinner of each Job that the run waits for.
    spinners: RefCell<HashMap<String, ProgressBar>>,
}

impl<'u> ProgressReporter<'u> {
    /// Creates a reporter. `format_row` returns the line on standard output for a finished object, if any.
    pub(crate) fn new(ui: &'u Ui, format_row: impl Fn(&ReportRow) -> Option<String> + 'u) -> Self {
        ProgressReporter {
            ui,
            format_row: Box::new(format_row),
            live_objects: RefCell::default(),
            output_error: RefCell::default(),
            reported_warnings: RefCell::default(),
            // Draws on standard error, but only on a terminal.
            progress: MultiProgress::new(),
            spinners: RefCell::default(),
        }
    }

    /// Prints the live objects, and reports finished objects in notes.
    pub(crate) fn show_live_objects(&self, formatter: LiveObjectFormatter) {
        self.live_objects.replace(Some(formatter));
    }

    /// Removes the spinners, and prints the rest of the live objects.
    ///
    /// # Errors
    ///
    /// Fails if a line could not be written to standard output. A closed standard output is not an error.
    pub(crate) fn finish(self) -> Result<()> {
        let _ = self.progress.clear();
        if let Some(live_objects) = self.live_objects.take() {
            self.print(&live_objects.finish());
        }
        self.output_error.into_inner().map_or(Ok(()), Err)
    }

    fn add_spinner(&self) -> ProgressBar {
        let spinner = self.progress.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            spinner.set_style(style);
        }
        spinner.enable_steady_tick(SPINNER_INTERVAL);
        spinner
    }

    /// Prints text to standard output, and keeps the first error.
    fn print(&self, text: &str) {
        let printed = self.progress.suspend(|| ignore_closed_output(self.ui.print_text(text)));
        if let Err(error) = printed {
            self.output_error.borrow_mut().get_or_insert(error);
        }
    }

    /// Writes a note, unless notes are suppressed.
    pub(crate) fn write_note(&self, text: &str) {
        self.progress.suspend(|| self.ui.write_note(text));
    }

    fn write_line(&self, text: &str) {
        self.progress.suspend(|| self.ui.write_stderr(text));
    }
}

impl EventHandler for ProgressReporter<'_> {
    fn on_request(&self, text: &str) {
        if self.ui.verbose {
            self.write_line(&format!("{}\n", diagnostic::escape_controls(text)));
        }
    }

    fn on_note(&self, text: &str) {
        self.write_note(text);
    }

    fn mask_message(&self, objects: &[&Value], text: &str) -> Option<String> {
        diagnostic::mask_server_message(text, objects, &self.ui.mask_policy())
    }

    fn on_warning(&self, object: &InputObject, text: &str, masked: Option<&str>) {
        // Several objects, or the dry run and the apply of an object, may cause the same warning. Report it once.
        let redacted = masked.map_or_else(
            || self.ui.documents.redact_server_message(text, &object.document_text().unwrap_or_default()),
            str::to_owned,
        );
        if self.reported_warnings.borrow_mut().insert(redacted.clone()) {
            self.write_line(&diagnostic::render_warning(&format!(
                "{}:{}: the API server warns: {redacted}",
                object.file(),
                object.line()
            )));
        }
    }

    fn on_failure(&self, error: &Error) {
        self.progress.suspend(|| self.ui.report_error(error, ""));
    }

    fn on_finished(&self, row: &ReportRow) {
        let Some(line) = (self.format_row)(row) else { return };
        let line = diagnostic::escape_controls(&line);
        match self.live_objects.borrow().is_some() {
            true => self.write_note(&line),
            false => self.print(&(line + "\n")),
        }
    }

    fn on_live_object(&self, object: &Value) {
        if let Some(live_objects) = self.live_objects.borrow_mut().as_mut() {
            self.print(&live_objects.add(object, &self.ui.mask_policy()));
        }
    }

    fn on_log_line(&self, pod: &str, container: &str, line: &str) {
        self.write_line(&format!("[{pod} {container}] {}\n", diagnostic::escape_controls(line)));
    }

    fn on_job_state(&self, job: &str, state: Option<&str>) {
        let text = state.map(|state| diagnostic::escape_controls(&format!("{job}: {state}")));
        let is_drawn = !self.progress.is_hidden();
        match text {
            Some(text) if is_drawn => {
                let mut spinners = self.spinners.borrow_mut();
                spinners.entry(job.to_owned()).or_insert_with(|| self.add_spinner()).set_message(text);
            }
            Some(text) => self.write_note(&text),
            None => {
                if let Some(spinner) = self.spinners.borrow_mut().remove(job) {
                    spinner.finish_and_clear();
                    self.progress.remove(&spinner);
                }
            }
        }
    }

    fn on_waiting(&self, jobs: &[(String, &str)]) {
        if self.progress.is_hidden()
            && let [(job, state), more @ ..] = jobs
        {
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            let state = if state.is_empty() { "unknown state" } else { state };
            self.write_note(&diagnostic::escape_controls(&format!("still waiting for {job} ({state}){more}")));
        }
    }
}
