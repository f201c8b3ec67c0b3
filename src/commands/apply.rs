//! `jobplate apply`: render, send, report.

use std::process::ExitCode;

use anstream::ColorChoice;
use jobplate_cluster::{Outcome, Report, Row};
use jobplate_diagnostic::{Kind, Result};
use serde::Serialize;

use super::render::plan;
use crate::diagnostic;
use crate::diagnostic::edits::Told;
use crate::render::write_error;
use crate::shared::cluster_args::{Apply, Format};
use crate::shared::documents::Rendered;
use crate::shared::edits;
use crate::shared::no_match::Matching;
use crate::shared::outputs::to_stdout;
use crate::ui::events::Terminal;
use crate::ui::github;

/// Runs the command; the exit code is that of the first failure.
pub(crate) fn run(command: Apply, color: ColorChoice) -> Result<ExitCode> {
    let Apply { manifests, session, options, format, verbose } = command;
    let mut rendering = plan(&manifests, Matching::must_if(manifests.injection.needs_target()), color)?;
    let edits = edits::find(&mut rendering, &manifests)?;
    let injection = &manifests.injection;
    let named = (options.take_over || !injection.unset.is_empty()).then_some(injection);
    let mut documents = Rendered::new(&mut rendering, named);
    let terminal = Terminal::new(color, manifests.quiet, verbose);
    let report = jobplate_cluster::apply(&mut documents, &session, &options, &terminal);
    terminal.clear();
    let report = report?;
    print(&report, format)?;
    let outcomes = report.rows.iter().map(|row| (row.object(), row.outcome.as_str(), row.reason.as_deref()));
    github::tell_outcomes(outcomes, report.dry_run);
    let is_done = !report.dry_run && report.failure.is_none();
    let told = edits::tell(edits, if is_done { Told::Made } else { Told::Shown }, Ok(ExitCode::SUCCESS));
    // What became of the objects counts more than who could not be told.
    report.failure.map_or(told, |kind| Ok(ExitCode::from(kind.exit_code())))
}

/// Prints what became of each object, in the order of the input.
fn print(done: &Report, format: Format) -> Result<()> {
    let mut text = String::new();
    match format {
        Format::Text => {
            for row in &done.rows {
                let dry = if done.dry_run { " (server dry run)" } else { "" };
                let job = row.job.as_ref().map(|job| format!(", {job}")).unwrap_or_default();
                let reason = row.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                let line = format!("{} {}{dry}{job}{reason}", row.object(), row.outcome.as_str());
                text.push_str(&(diagnostic::printable(&line) + "\n"));
            }
        }
        Format::Name => {
            let applied = |outcome: Outcome| outcome.is_applied() || outcome == Outcome::Skipped;
            done.rows
                .iter()
                .filter(|row| applied(row.outcome))
                .for_each(|row| text.push_str(&(diagnostic::printable(&row.object()) + "\n")));
        }
        Format::Json => {
            let rows: Vec<Printed<'_>> = done.rows.iter().map(Printed::of).collect();
            let printed = serde_json::json!({"dryRun": done.dry_run, "objects": rows});
            text = serde_json::to_string_pretty(&printed).unwrap_or_default() + "\n";
        }
    }
    // That nobody reads the report does not change what was done.
    match to_stdout(|out| out.write_all(text.as_bytes()).map_err(|error| write_error(&error))) {
        Err(error) if error.kind() != Kind::ClosedOutput => Err(error),
        _ => Ok(()),
    }
}

/// An object of the report, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed<'r> {
    api_version: &'r str,
    kind: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'r str>,
    name: &'r str,
    file: &'r str,
    line: usize,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<&'r str>,
}

impl<'r> Printed<'r> {
    fn of(row: &'r Row) -> Self {
        Printed {
            api_version: &row.api_version,
            kind: &row.kind,
            namespace: row.namespace.as_deref(),
            name: &row.name,
            file: &row.file,
            line: row.line,
            outcome: row.outcome.as_str(),
            reason: row.reason.as_deref(),
            job: row.job.as_deref(),
        }
    }
}
