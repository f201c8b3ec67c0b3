//! Reports progress while a cluster is changed: lines on standard error, and a spinner on a terminal.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};
use jobplate::diagnostic;
use jobplate_cluster::{EventHandler, InputObject, ReportRow};
use jobplate_diagnostic::Error;
use serde_json::Value;

use super::Ui;

/// Writes the events of the cluster crate to standard error.
pub(crate) struct ProgressReporter<'u> {
    ui: &'u Ui,
    /// Whether each finished object gets a line. Off on a terminal, where the final report lists them.
    prints_rows: bool,
    /// The warnings that were already reported.
    reported_warnings: RefCell<HashSet<String>>,
    /// The spinner. Hidden if standard error is not a terminal.
    spinner: ProgressBar,
}

impl<'u> ProgressReporter<'u> {
    pub(crate) fn new(ui: &'u Ui) -> Self {
        // The spinner draws on standard error, but only on a terminal.
        let spinner = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            spinner.set_style(style);
        }
        let prints_rows = !ui.quiet && !std::io::stdout().is_terminal();
        ProgressReporter { ui, prints_rows, reported_warnings: RefCell::default(), spinner }
    }

    /// Removes the spinner.
    pub(crate) fn clear(&self) {
        self.spinner.finish_and_clear();
    }

    /// Writes a note, unless notes are suppressed.
    pub(crate) fn write_note(&self, text: &str) {
        self.spinner.suspend(|| self.ui.write_note(text));
    }

    fn write_line(&self, text: &str) {
        self.spinner.suspend(|| self.ui.write_stderr(text));
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
        self.spinner.suspend(|| self.ui.report_error(error, ""));
    }

    fn on_finished(&self, row: &ReportRow) {
        let text = format!("{} {}", diagnostic::escape_controls(&row.qualified_name()), row.outcome.as_str());
        if self.prints_rows {
            self.write_line(&(text + "\n"));
        } else {
            self.on_progress(&text);
        }
    }

    fn on_log_line(&self, pod: &str, container: &str, line: &str) {
        self.write_line(&format!("[{pod} {container}] {}\n", diagnostic::escape_controls(line)));
    }

    fn on_progress(&self, text: &str) {
        self.spinner.set_message(text.to_owned());
        self.spinner.tick();
    }
}
