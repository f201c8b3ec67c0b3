//! Renders findings in the Reviewdog Diagnostic Format.
//!
//! The format: reviewdog:proto/rdf/reviewdog.proto.

use jobplate_diagnostic::Severity;
use serde::Serialize;

use super::finding::{CheckReport, Position, ReportedFinding, ReportedFix};

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
    /// Reviewdog offers each suggestion on its own (reviewdog:service/github/github.go), so one is the whole fix.
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestions: Option<[RdSuggestion<'r>; 1]>,
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

impl<'r> RdSuggestion<'r> {
    fn new(fix: &'r ReportedFix) -> Self {
        RdSuggestion { range: RdRange::new(fix.start, fix.end), text: &fix.replacement }
    }
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
    let fix = finding.fix.as_ref();
    let note = fix.map(|fix| format!("\nfix: {}", fix.description())).unwrap_or_default();
    RdDiagnostic {
        message: finding.text() + &note,
        location: RdLocation { path: &place.file.name, range: RdRange::new(place.start, place.end) },
        severity: match finding.severity {
            Severity::Error => "ERROR",
            Severity::Warning => "WARNING",
            Severity::Info => "INFO",
        },
        code: Code { value: finding.rule },
        suggestions: fix.map(|fix| [RdSuggestion::new(fix)]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::sample_finding;
    use super::*;

    #[test]
    fn contains_suggestions() {
        let mut finding = sample_finding(Severity::Info, "a.yaml");
        let position = |byte_column| Position { line: 2, column: 1, byte_column };
        let (text, replacement) = ("remove it".to_owned(), "\"\"".to_owned());
        finding.fix = Some(ReportedFix { text, is_safe: false, start: position(3), end: position(5), replacement });
        let text = render(&CheckReport { findings: vec![finding], ..CheckReport::default() });
        let result: serde_json::Value = serde_json::from_str(&text).unwrap();
        let range =
            |start, end| serde_json::json!({"start": {"line": 2, "column": start}, "end": {"line": 2, "column": end}});
        let expected = serde_json::json!([{"range": range(3, 5), "text": "\"\""}]);
        assert_eq!(result["diagnostics"][0]["suggestions"], expected);
        let message = "text\nfix: remove it (unsafe: it can change the meaning)";
        assert_eq!(result["diagnostics"][0]["message"], message);
        assert_eq!(result["diagnostics"][0]["severity"], "INFO");
    }
}
