//! Writes annotations and step summaries for GitHub Actions, and escapes workflow commands in logs.

use std::ffi::OsString;
use std::io::Write;

use jobplate::diagnostic::DocumentCache;
use jobplate::diagnostic::edits::{EditStatus, ReportedEdit};
#[cfg(feature = "cluster")]
use jobplate::diagnostic::github::summarize_outcomes;
use jobplate::diagnostic::github::{annotate_diagnostic, annotate_missing_edit, summarize_edits, summarize_error};
use jobplate_diagnostic::{Diagnostic, Error};

use super::invocation::Invocation;
use super::repository::path_below;

/// The GitHub Actions workflow that runs the program.
pub(crate) struct Workflow {
    invocation: Invocation,
    /// The root of the repository, `GITHUB_WORKSPACE`.
    workspace: Option<OsString>,
    /// The file of the step summary, `GITHUB_STEP_SUMMARY`.
    summary: Option<OsString>,
}

/// Escapes workflow commands in log output: the runner executes `::` at the start of a line and `##[` anywhere.
pub(crate) fn escape_workflow_commands(text: &str) -> String {
    let escape_line = |line: &str| {
        let start = line.len() - line.trim_start().len();
        let (blank, rest) = line.split_at(start);
        let rest = rest.strip_prefix("::").map_or_else(|| rest.to_owned(), |rest| format!(": :{rest}"));
        format!("{blank}{rest}").replace("##[", "## [")
    };
    text.split_inclusive('\n').map(escape_line).collect()
}

impl Workflow {
    /// Creates the workflow from environment variables. Returns `None` outside of GitHub Actions.
    pub(crate) fn from_environment(invocation: Invocation) -> Option<Self> {
        let read_variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let (workspace, summary) = (read_variable("GITHUB_WORKSPACE"), read_variable("GITHUB_STEP_SUMMARY"));
        read_variable("GITHUB_ACTIONS").is_some_and(|value| value == "true").then_some(Workflow {
            invocation,
            workspace,
            summary,
        })
    }

    /// Writes an annotation for an error and adds the error to the step summary.
    pub(crate) fn report_error(&self, error: &Error, documents: &DocumentCache) {
        self.annotate(error.diagnostic(), documents);
        self.summarize(&summarize_error(error, self.invocation.program_name()));
    }

    /// Writes an annotation for a diagnostic.
    pub(crate) fn annotate(&self, diagnostic: &Diagnostic, documents: &DocumentCache) {
        let program = self.invocation.program_name();
        annotate(&annotate_diagnostic(diagnostic, program, documents, |file| self.in_repository(file)));
    }

    /// Adds edits to the step summary. Missing edits also get annotations.
    pub(crate) fn report_edits(&self, edits: &[ReportedEdit], status: EditStatus) {
        if status == EditStatus::Missing {
            let to_annotation = |edited| annotate_missing_edit(edited, |file| self.in_repository(file));
            annotate(&edits.iter().map(to_annotation).collect::<String>());
        }
        if edits.is_empty() {
            return;
        }
        self.summarize(&summarize_edits(
            if status == EditStatus::Applied { "edits" } else { "edits to be made" },
            edits,
        ));
    }

    /// Adds the outcomes of objects to the step summary. An outcome is a triple of object, outcome and reason.
    #[cfg(feature = "cluster")]
    pub(crate) fn report_outcomes<'r>(
        &self,
        outcomes: impl Iterator<Item = (String, &'static str, Option<&'r str>)>,
        dry_run: bool,
    ) {
        self.summarize(&summarize_outcomes(outcomes, dry_run));
    }

    /// Returns the path of a file relative to the repository root, as annotations require.
    fn in_repository(&self, file: &str) -> String {
        let root = self.workspace.as_ref().and_then(|root| std::fs::canonicalize(root).ok());
        path_below(root.as_deref(), file)
    }

    /// Appends to the step summary. Does nothing if `GITHUB_STEP_SUMMARY` is unset.
    fn summarize(&self, markdown: &str) {
        let Some(path) = &self.summary else { return };
        if let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path) {
            let _ = file.write_all(markdown.as_bytes());
        }
    }
}

/// Writes workflow commands to standard error, where the runner reads them.
fn annotate(commands: &str) {
    let _ = std::io::stderr().write_all(commands.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_commands_at_the_start_of_a_line() {
        assert_eq!(
            escape_workflow_commands("a ::b\n  ::stop-commands::x\r\n::error::y ##[add-mask]z\n"),
            "a ::b\n  : :stop-commands::x\r\n: :error::y ## [add-mask]z\n"
        );
    }
}
