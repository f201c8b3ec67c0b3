//! Renders diagnostics as data for JSON reports.

use jobplate_diagnostic::{Annotation, Diagnostic, Location};
use serde::Serialize;

use super::document_cache::DocumentCache;

/// A diagnostic in a JSON report. Lines and columns are 1-based; columns count characters.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JsonDiagnostic {
    code: &'static str,
    /// `error`, `warning` or `info`.
    severity: &'static str,
    message: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    place: Option<JsonPlace>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<RelatedPlace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

/// A range of a file. The lines and columns are missing if the diagnostic is about the whole file.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonPlace {
    file: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    range: Option<JsonRange>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonRange {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Clone, Debug, Serialize)]
struct RelatedPlace {
    label: String,
    #[serde(flatten)]
    place: JsonPlace,
}

/// The JSON report of a command that edits nothing.
#[derive(Serialize)]
pub struct DiagnosticReport {
    /// The errors, warnings and notes.
    pub diagnostics: Vec<JsonDiagnostic>,
}

impl DiagnosticReport {
    /// Returns the report as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

impl JsonDiagnostic {
    /// Creates the report's form of a diagnostic. `program` is the program's name in the help.
    pub fn new(diagnostic: &Diagnostic, program: &str, documents: &DocumentCache) -> Self {
        let related = diagnostic.annotations().iter().map(|Annotation { location, label }| RelatedPlace {
            label: label.clone(),
            place: JsonPlace::new(location, documents),
        });
        let whole_file = || Some(JsonPlace { file: diagnostic.file()?.to_owned(), range: None });
        JsonDiagnostic {
            code: diagnostic.code(),
            severity: diagnostic.severity().as_str(),
            message: diagnostic.message().to_owned(),
            place: diagnostic.location().map(|location| JsonPlace::new(location, documents)).or_else(whole_file),
            related: related.collect(),
            help: diagnostic.help_message().map(|help| help.with_program(program)),
        }
    }
}

impl JsonPlace {
    fn new(location: &Location, documents: &DocumentCache) -> Self {
        let lines = &documents.get(&location.document).lines;
        let (line, column) = location.line_column_with(lines);
        let (end_line, end_column) = location.end_line_column_with(lines);
        JsonPlace { file: location.file.clone(), range: Some(JsonRange { line, column, end_line, end_column }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_every_place_and_leaves_out_what_is_missing() {
        let to_json = |diagnostic: &Diagnostic| {
            serde_json::to_value(JsonDiagnostic::new(diagnostic, "jobplate", &DocumentCache::default())).unwrap()
        };
        let location = |span| Location::new("a.yaml", 3, "a: é\nb: c\n", span);
        let diagnostic = Diagnostic::warning("some-code", "text").at(location(6..10)).annotate(location(0..1), "here");
        let range = |line, column, end_line, end_column| serde_json::json!({"file": "a.yaml", "line": line, "column": column, "endLine": end_line, "endColumn": end_column});
        let mut expected = range(4, 1, 4, 5);
        let mut related = range(3, 1, 3, 2);
        related["label"] = "here".into();
        for (key, value) in [("code", "some-code"), ("severity", "warning"), ("message", "text")] {
            expected[key] = value.into();
        }
        expected["related"] = serde_json::json!([related]);
        assert_eq!(to_json(&diagnostic), expected);
        assert_eq!(
            to_json(&Diagnostic::info("x", "y").in_file("b").help("z")),
            serde_json::json!({"code": "x", "severity": "info", "message": "y", "file": "b", "help": "z"})
        );
    }
}
