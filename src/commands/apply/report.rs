//! The report of `apply`: lines on standard output, one JSON document, and the summary.

use clap::ValueEnum;
use jobplate_cluster::{Outcome, Report, ReportRow};
use jobplate_diagnostic::Result;
use serde::Serialize;

use crate::ui::{Ui, ignore_closed_output};

/// The values of `--output`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ApplyFormat {
    /// A line per object, such as `job.batch/etl`.
    Name,
    /// One JSON document.
    Json,
}

/// Returns the line for an object on standard output. Returns `None` if the format has no line for it.
///
/// The reason for a failure is part of the error on standard error.
pub(super) fn format_row(row: &ReportRow, format: Option<ApplyFormat>, dry_run: bool) -> Option<String> {
    match format {
        None => {
            let suffix = if dry_run { " (server dry run)" } else { "" };
            let job = row.job_result.as_ref().map(|job| format!(", {job}")).unwrap_or_default();
            let reason = row.reason.as_ref().filter(|_| row.outcome != Outcome::Failed);
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            Some(format!("{} {}{suffix}{job}{reason}", row.qualified_name(), row.outcome.as_str()))
        }
        Some(ApplyFormat::Name) => {
            let is_listed = row.outcome.is_applied() || row.outcome == Outcome::Skipped;
            is_listed.then(|| row.qualified_name())
        }
        Some(ApplyFormat::Json) => None,
    }
}

/// Prints the report as one JSON document.
pub(super) fn print_json(report: &Report, ui: &Ui) -> Result<()> {
    let rows: Vec<ReportObject<'_>> = report.rows.iter().map(ReportObject::from_row).collect();
    let printed = serde_json::json!({"dryRun": report.dry_run, "objects": rows});
    let text = serde_json::to_string_pretty(&printed).unwrap_or_default() + "\n";
    ignore_closed_output(ui.print_text(&text))
}

/// Returns the number of objects with each outcome, such as `3 objects: 2 created, 1 failed`. Returns `None` for a single
/// object.
pub(super) fn summarize(report: &Report) -> Option<String> {
    if report.rows.len() < 2 {
        return None;
    }
    let outcomes = [
        Outcome::Created,
        Outcome::Configured,
        Outcome::Recreated,
        Outcome::Unchanged,
        Outcome::Skipped,
        Outcome::Failed,
        Outcome::NotApplied,
    ];
    let counts = outcomes.iter().filter_map(|outcome| {
        let count = report.rows.iter().filter(|row| row.outcome == *outcome).count();
        (count > 0).then(|| format!("{count} {}", outcome.as_str()))
    });
    let suffix = if report.dry_run { " (server dry run)" } else { "" };
    Some(format!("{} objects: {}{suffix}", report.rows.len(), counts.collect::<Vec<_>>().join(", ")))
}

/// An object in the JSON report.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportObject<'r> {
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

impl<'r> ReportObject<'r> {
    fn from_row(row: &'r ReportRow) -> Self {
        ReportObject {
            api_version: &row.api_version,
            kind: &row.kind,
            namespace: row.namespace.as_deref(),
            name: &row.name,
            file: &row.file,
            line: row.line,
            outcome: row.outcome.as_str(),
            reason: row.reason.as_deref(),
            job: row.job_result.as_deref(),
        }
    }
}
