//! Decides what GitHub Actions gets: annotations on standard error, the summary of the step, no command by accident.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use jobplate::diagnostic::edits::{EditRecord, EditStatus};
#[cfg(feature = "cluster")]
use jobplate::diagnostic::github::summarize_outcomes;
use jobplate::diagnostic::github::{annotate_error, annotate_missing_edit, summarize_edits, summarize_error};
use jobplate_diagnostic::Error;

use super::invocation::Invocation;

/// A workflow that runs the program.
pub(crate) struct Workflow {
    invocation: Invocation,
    /// The top of the repository.
    workspace: Option<OsString>,
    /// The file with the summary of the step.
    summary: Option<OsString>,
}

/// Makes a text harmless for the log of a step: the runner reads `::` at the beginning of a line, and `##[` anywhere,
/// as a command.
pub(crate) fn escape_workflow_commands(text: &str) -> String {
    let line = |line: &str| {
        let start = line.len() - line.trim_start().len();
        let (blank, rest) = line.split_at(start);
        let rest = rest.strip_prefix("::").map_or_else(|| rest.to_owned(), |rest| format!(": :{rest}"));
        format!("{blank}{rest}").replace("##[", "## [")
    };
    text.split_inclusive('\n').map(line).collect()
}

impl Workflow {
    /// Finds the workflow in the environment.
    pub(crate) fn from_environment(invocation: Invocation) -> Option<Self> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let (workspace, summary) = (variable("GITHUB_WORKSPACE"), variable("GITHUB_STEP_SUMMARY"));
        variable("GITHUB_ACTIONS").is_some_and(|here| here == "true").then_some(Workflow {
            invocation,
            workspace,
            summary,
        })
    }

    /// Reports an error.
    pub(crate) fn report_error(&self, error: &Error) {
        let program = self.invocation.program_name();
        annotate(&annotate_error(error, program, |file| self.in_repository(file)));
        self.summarize(&summarize_error(error, program));
    }

    /// Reports edits; those that are missing are marked in the files.
    pub(crate) fn report_edits(&self, edits: &[EditRecord], what: EditStatus) {
        if what == EditStatus::Missing {
            let annotation = |edited| annotate_missing_edit(edited, |file| self.in_repository(file));
            annotate(&edits.iter().map(annotation).collect::<String>());
        }
        if edits.is_empty() {
            return;
        }
        self.summarize(&summarize_edits(if what == EditStatus::Applied { "edits" } else { "edits to be made" }, edits));
    }

    /// Reports what became of objects: each with its outcome and the reason for it.
    #[cfg(feature = "cluster")]
    pub(crate) fn report_outcomes<'r>(
        &self,
        outcomes: impl Iterator<Item = (String, &'static str, Option<&'r str>)>,
        dry_run: bool,
    ) {
        self.summarize(&summarize_outcomes(outcomes, dry_run));
    }

    /// Returns the path of a file from the top of the repository, as annotations want it.
    fn in_repository(&self, file: &str) -> String {
        let inside = || {
            let top = std::fs::canonicalize(self.workspace.as_ref()?).ok()?;
            let path = std::fs::canonicalize(Path::new(file)).ok()?;
            Some(path.strip_prefix(top).ok()?.to_string_lossy().into_owned())
        };
        inside().unwrap_or_else(|| file.to_owned())
    }

    /// Appends to the summary of the step, if there is one.
    fn summarize(&self, markdown: &str) {
        let Some(path) = &self.summary else { return };
        if let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path) {
            let _ = file.write_all(markdown.as_bytes());
        }
    }
}

/// Passes commands to the runner.
fn annotate(commands: &str) {
    let _ = std::io::stderr().write_all(commands.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_holds_no_commands() {
        assert_eq!(
            escape_workflow_commands("a ::b\n  ::stop-commands::x\r\n::error::y ##[add-mask]z\n"),
            "a ::b\n  : :stop-commands::x\r\n: :error::y ## [add-mask]z\n"
        );
    }
}
