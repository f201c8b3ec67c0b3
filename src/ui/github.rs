//! GitHub Actions, where it runs us: annotations on standard error, and the summary of the step.

use std::io::Write;
use std::path::Path;

use jobplate_diagnostic::Error;

use super::invocation;
use crate::diagnostic::edits::{Edited, Told};
#[cfg(feature = "cluster")]
use crate::diagnostic::github::outcomes_summary;
use crate::diagnostic::github::{edits_summary, error_annotation, error_summary, missing_annotation};

/// Whether a workflow runs us.
pub(crate) fn is_here() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|here| here == "true")
}

/// A text for the log of a step, in which nothing of an input is a command to the runner: it reads `::` at the
/// beginning of a line, and `##[` anywhere.
pub(crate) fn harmless(text: &str) -> String {
    if is_here() { without_commands(text) } else { text.to_owned() }
}

fn without_commands(text: &str) -> String {
    let line = |line: &str| {
        let start = line.len() - line.trim_start().len();
        let (blank, rest) = line.split_at(start);
        let rest = rest.strip_prefix("::").map_or_else(|| rest.to_owned(), |rest| format!(": :{rest}"));
        format!("{blank}{rest}").replace("##[", "## [")
    };
    text.split_inclusive('\n').map(line).collect()
}

/// Tells of an error.
pub(crate) fn tell_error(error: &Error) {
    if is_here() {
        annotate(&error_annotation(error, invocation::as_typed_hint, in_repository));
        summarize(&error_summary(error, invocation::as_typed_hint));
    }
}

/// Tells of a command line that clap does not take, in clap's words.
pub(crate) fn tell_usage(text: &str) {
    let first = text.lines().next().unwrap_or_default();
    tell_error(&Error::usage(first.trim_start_matches("error: ")));
}

/// Tells of edits; those that are missing are marked in the files.
pub(crate) fn tell_edits(edits: &[Edited], what: Told) {
    if !is_here() {
        return;
    }
    if what == Told::Missing {
        let annotations: String = edits.iter().map(|edited| missing_annotation(edited, in_repository)).collect();
        annotate(&annotations);
    }
    if edits.is_empty() {
        return;
    }
    summarize(&edits_summary(if what == Told::Made { "edits" } else { "edits to be made" }, edits));
}

/// Tells what became of objects: each with its outcome and the reason for it.
#[cfg(feature = "cluster")]
pub(crate) fn tell_outcomes<'r>(
    outcomes: impl Iterator<Item = (String, &'static str, Option<&'r str>)>,
    dry_run: bool,
) {
    if is_here() {
        summarize(&outcomes_summary(outcomes, dry_run));
    }
}

/// Hands commands to the runner.
fn annotate(commands: &str) {
    let _ = std::io::stderr().write_all(commands.as_bytes());
}

/// The path of a file from the top of the repository, as annotations want it.
fn in_repository(file: &str) -> String {
    let inside = || {
        let top = std::fs::canonicalize(std::env::var_os("GITHUB_WORKSPACE")?).ok()?;
        let path = std::fs::canonicalize(Path::new(file)).ok()?;
        Some(path.strip_prefix(top).ok()?.to_string_lossy().into_owned())
    };
    inside().unwrap_or_else(|| file.to_owned())
}

/// Adds to the summary of the step. That there is none is nobody's fault.
fn summarize(markdown: &str) {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else { return };
    if let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path) {
        let _ = file.write_all(markdown.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_holds_no_commands() {
        assert_eq!(
            without_commands("a ::b\n  ::stop-commands::x\r\n::error::y ##[add-mask]z\n"),
            "a ::b\n  : :stop-commands::x\r\n: :error::y ## [add-mask]z\n"
        );
    }
}
