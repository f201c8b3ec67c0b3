//! Renders findings as a Code Quality report for GitLab.
//!
//! The format: <https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format>.

use jobplate_diagnostic::Severity;
use serde::Serialize;

use super::finding::{CheckReport, Position, ReportedFinding};

#[derive(Serialize)]
struct Violation<'r> {
    description: &'r str,
    check_name: &'static str,
    fingerprint: &'r str,
    severity: &'static str,
    location: ViolationLocation<'r>,
}

#[derive(Serialize)]
struct ViolationLocation<'r> {
    path: &'r str,
    lines: BeginEnd<usize>,
    positions: BeginEnd<LineColumn>,
}

#[derive(Serialize)]
struct BeginEnd<T> {
    begin: T,
    end: T,
}

#[derive(Serialize)]
struct LineColumn {
    line: usize,
    column: usize,
}

/// Returns a report as a Code Quality report. Errors of the input are violations that block.
pub fn render(report: &CheckReport) -> String {
    let errors = report.errors.iter().map(|error| to_violation(error, "blocker"));
    let findings = report.active().map(|finding| {
        let severity = match finding.severity {
            Severity::Error => "critical",
            Severity::Warning => "major",
            Severity::Info => "info",
        };
        to_violation(finding, severity)
    });
    let violations: Vec<Violation<'_>> = errors.chain(findings).collect();
    serde_json::to_string_pretty(&violations).unwrap_or_default() + "\n"
}

fn to_violation<'r>(finding: &'r ReportedFinding, severity: &'static str) -> Violation<'r> {
    let place = &finding.place;
    let line_column = |position: Position| LineColumn { line: position.line, column: position.column };
    Violation {
        description: &finding.message,
        check_name: finding.rule,
        fingerprint: &finding.fingerprint,
        severity,
        location: ViolationLocation {
            path: &place.file.path,
            lines: BeginEnd { begin: place.start.line, end: place.end.line },
            positions: BeginEnd { begin: line_column(place.start), end: line_column(place.end) },
        },
    }
}
