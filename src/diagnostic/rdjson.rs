//! Renders findings in the Reviewdog Diagnostic Format.
//!
//! The format: reviewdog:proto/rdf/reviewdog.proto.

use jobplate_diagnostic::Severity;
use serde::Serialize;

use super::finding::{CheckReport, Position, ReportedFinding};

#[derive(Serialize)]
struct DiagnosticResult<'r> {
    source: Source,
    diagnostics: Vec<RdDiagnostic<'r>>,
}

#[derive(Serialize)]
struct Source {
    name: &'static str,
}

#[derive(Serialize)]
struct RdDiagnostic<'r> {
    message: String,
    location: RdLocation<'r>,
    severity: &'static str,
    code: Code,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suggestions: Vec<RdSuggestion<'r>>,
}

#[derive(Serialize)]
struct RdLocation<'r> {
    path: &'r str,
    range: RdRange,
}

#[derive(Serialize)]
struct Code {
    value: &'static str,
}

#[derive(Serialize)]
struct RdSuggestion<'r> {
    range: RdRange,
    text: &'r str,
}

#[derive(Serialize)]
struct RdRange {
    start: RdPosition,
    end: RdPosition,
}

/// A position. The column counts bytes of UTF-8.
#[derive(Serialize)]
struct RdPosition {
    line: usize,
    column: usize,
}

impl RdRange {
    fn new(start: Position, end: Position) -> Self {
        let [start, end] =
            [start, end].map(|position| RdPosition { line: position.line, column: position.byte_column });
        RdRange { start, end }
    }
}

/// Returns a report as `rdjson`. Paths are those that the user passed, because reviewdog resolves them itself.
pub fn render(report: &CheckReport) -> String {
    let diagnostics = report.errors.iter().chain(report.active()).map(to_diagnostic).collect();
    let result = DiagnosticResult { source: Source { name: "jobplate" }, diagnostics };
    serde_json::to_string_pretty(&result).unwrap_or_default() + "\n"
}

fn to_diagnostic(finding: &ReportedFinding) -> RdDiagnostic<'_> {
    let place = &finding.place;
    let suggestions = finding.suggestions.iter();
    RdDiagnostic {
        message: finding.text(),
        location: RdLocation { path: &place.file.name, range: RdRange::new(place.start, place.end) },
        severity: match finding.severity {
            Severity::Error => "ERROR",
            Severity::Warning => "WARNING",
            Severity::Info => "INFO",
        },
        code: Code { value: finding.rule },
        suggestions: suggestions
            .map(|edit| RdSuggestion { range: RdRange::new(edit.start, edit.end), text: &edit.text })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Suggestion, sample_finding};
    use super::*;

    #[test]
    fn contains_suggestions() {
        let mut finding = sample_finding(Severity::Info, "a.yaml");
        let position = |byte_column| Position { line: 2, column: 1, byte_column };
        finding.suggestions = vec![Suggestion { start: position(3), end: position(5), text: "\"\"".to_owned() }];
        let text = render(&CheckReport { findings: vec![finding], ..CheckReport::default() });
        let result: serde_json::Value = serde_json::from_str(&text).unwrap();
        let range =
            |start, end| serde_json::json!({"start": {"line": 2, "column": start}, "end": {"line": 2, "column": end}});
        let expected = serde_json::json!([{"range": range(3, 5), "text": "\"\""}]);
        assert_eq!(result["diagnostics"][0]["suggestions"], expected);
        assert_eq!(result["diagnostics"][0]["severity"], "INFO");
    }
}
