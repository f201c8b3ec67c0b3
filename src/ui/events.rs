//! Decides what a person sees while a cluster is changed: lines on standard error, and a moving one on a terminal.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};
use jobplate::diagnostic;
use jobplate_cluster::{EventHandler, InputObject, ReportRow};
use jobplate_diagnostic::Error;

use super::Ui;

/// Standard error.
pub(crate) struct Terminal<'u> {
    ui: &'u Ui,
    /// Whether each finished object gets a line. On a terminal the report has them, a moment later.
    lines: bool,
    /// Warnings that were reported.
    warned: RefCell<HashSet<String>>,
    /// Drawn on a terminal, else nowhere.
    progress: ProgressBar,
}

impl<'u> Terminal<'u> {
    pub(crate) fn new(ui: &'u Ui) -> Self {
        // It draws on standard error, and not at all where that is no terminal.
        let progress = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            progress.set_style(style);
        }
        let lines = !ui.quiet && !std::io::stdout().is_terminal();
        Terminal { ui, lines, warned: RefCell::default(), progress }
    }

    /// Takes the moving line away.
    pub(crate) fn clear(&self) {
        self.progress.finish_and_clear();
    }

    /// Tells a note, if notes are wanted.
    pub(crate) fn tell_note(&self, text: &str) {
        self.progress.suspend(|| self.ui.note(text));
    }

    fn tell(&self, text: &str) {
        self.progress.suspend(|| self.ui.write_stderr(text));
    }
}

impl EventHandler for Terminal<'_> {
    fn on_request(&self, text: &str) {
        if self.ui.verbose {
            self.tell(&format!("{}\n", diagnostic::escape_controls(text)));
        }
    }

    fn on_note(&self, text: &str) {
        self.tell_note(text);
    }

    fn on_warning(&self, object: &InputObject, text: &str) {
        // A warning that many objects share, or the dry run and the apply of one, is reported once.
        let document = object.document_text().unwrap_or_default();
        let shown = self.ui.documents.redact_server_message(text, &document);
        if self.warned.borrow_mut().insert(shown.clone()) {
            self.tell(&diagnostic::render_warning(&format!(
                "{}:{}: the server warns: {shown}",
                object.file(),
                object.line()
            )));
        }
    }

    fn on_failure(&self, error: &Error) {
        self.progress.suspend(|| self.ui.report_error(error, ""));
    }

    fn on_finished(&self, row: &ReportRow) {
        let text = format!("{} {}", diagnostic::escape_controls(&row.qualified_name()), row.outcome.as_str());
        if self.lines {
            self.tell(&(text + "\n"));
        } else {
            self.on_progress(&text);
        }
    }

    fn on_log_line(&self, pod: &str, container: &str, line: &str) {
        self.tell(&format!("[{pod} {container}] {}\n", diagnostic::escape_controls(line)));
    }

    fn on_progress(&self, text: &str) {
        self.progress.set_message(text.to_owned());
        self.progress.tick();
    }
}
