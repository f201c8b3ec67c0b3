//! Renders findings as JSON in a versioned format, and its JSON Schema.

use jobplate_diagnostic::Severity;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

use super::finding::{CheckReport, ReportedFinding, ReportedFix, ReportedPlace};

/// The version of the format. It changes when a key is removed or changes its meaning; new keys keep it.
const VERSION: u32 = 1;

/// The findings of `jobplate check`.
#[derive(JsonSchema, Serialize)]
struct JsonReport<'r> {
    /// The version of the format: 1. New keys do not change it.
    version: u32,
    /// The findings, in the order of the files on the command line and of the lines in them.
    findings: Vec<JsonFinding<'r>>,
    /// The errors of inputs that could not be checked. The exit code is 2 if there is one.
    errors: Vec<JsonFinding<'r>>,
    /// The numbers of what was checked and found.
    summary: JsonSummary,
}

/// A finding of a rule, or an error.
#[derive(JsonSchema, Serialize)]
struct JsonFinding<'r> {
    /// The name of the rule, or the code of an error.
    rule: &'r str,
    /// `error`, `warning` or `info`.
    severity: &'r str,
    /// How likely the finding is a real problem: `low`, `medium` or `high`.
    confidence: &'r str,
    /// One sentence without a full stop. It contains no sensitive values.
    message: &'r str,
    /// How to fix the finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'r str>,
    /// The place in terms of the manifest, such as `Job/etl: spec.template.spec.containers[flow].env[TOKEN].value`.
    #[serde(skip_serializing_if = "str::is_empty")]
    #[schemars(default)]
    path: &'r str,
    /// The place in the file.
    #[serde(flatten)]
    place: FindingPlace<'r>,
    /// Further places that explain the finding.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    related: Vec<LabelledPlace<'r>>,
    /// The change that resolves the finding. Missing if the finding has no fix, if the fix contains a sensitive value, or
    /// if the document is too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<JsonFix<'r>>,
    /// The comment that suppresses the finding. Missing if the finding counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    suppression: Option<JsonSuppression<'r>>,
    /// An identifier that stays the same when lines are inserted before the finding.
    fingerprint: &'r str,
}

/// A range of a file. Lines and columns start at 1; columns count characters.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct FindingPlace<'r> {
    /// The path as it was passed; `-` is standard input.
    file: &'r str,
    /// The line of the first character.
    line: usize,
    /// The column of the first character.
    column: usize,
    /// The line of the last character.
    end_line: usize,
    /// The column after the last character.
    end_column: usize,
}

/// A change of the finding's file: the replacement of a range.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonFix<'r> {
    /// What the fix does.
    description: &'r str,
    /// Whether the manifest keeps its meaning: `--fix` makes safe fixes, and `--fix=unsafe` all of them.
    safe: bool,
    /// The line of the first replaced character.
    line: usize,
    /// The column of the first replaced character.
    column: usize,
    /// The line of the end of the range.
    end_line: usize,
    /// The column after the last replaced character. It is 1 if the range ends with a line break.
    end_column: usize,
    /// The new text, with the line breaks of the file.
    replacement: &'r str,
}

/// A place that explains a finding.
#[derive(JsonSchema, Serialize)]
struct LabelledPlace<'r> {
    /// What is at the place.
    label: &'r str,
    #[serde(flatten)]
    place: FindingPlace<'r>,
}

/// A comment that suppresses a finding.
#[derive(JsonSchema, Serialize)]
struct JsonSuppression<'r> {
    /// The reason that the comment gives. Empty if it gives none.
    reason: &'r str,
}

/// The numbers of what was checked and found.
#[derive(JsonSchema, Serialize)]
struct JsonSummary {
    /// The number of files.
    files: usize,
    /// The number of documents.
    documents: usize,
    /// The number of objects.
    objects: usize,
    /// The number of containers.
    containers: usize,
    /// The number of findings of severity `error` that are not suppressed.
    errors: usize,
    /// The number of findings of severity `warning` that are not suppressed.
    warnings: usize,
    /// The number of findings of severity `info` that are not suppressed.
    notes: usize,
    /// The number of findings that comments suppress.
    suppressed: usize,
    /// The number of findings that are left out, because a document has too many of one rule.
    omitted: usize,
}

/// Returns a report as JSON.
pub fn render(report: &CheckReport) -> String {
    let count = |severity| report.active().filter(|finding| finding.severity == severity).count();
    let json = JsonReport {
        version: VERSION,
        findings: report.findings.iter().map(to_json).collect(),
        errors: report.errors.iter().map(to_json).collect(),
        summary: JsonSummary {
            files: report.files.len(),
            documents: report.documents,
            objects: report.objects,
            containers: report.containers,
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Info),
            suppressed: report.findings.len() - report.active().count(),
            omitted: report.omitted,
        },
    };
    serde_json::to_string_pretty(&json).unwrap_or_default() + "\n"
}

/// Returns the JSON Schema of the format.
pub fn schema() -> Schema {
    schema_for!(JsonReport<'static>)
}

fn to_json(finding: &ReportedFinding) -> JsonFinding<'_> {
    let related = finding.related.iter().map(|(label, place)| LabelledPlace { label, place: to_place(place) });
    let suppression = finding.suppression.as_deref();
    JsonFinding {
        rule: finding.rule,
        severity: finding.severity.as_str(),
        confidence: finding.confidence,
        message: &finding.message,
        help: finding.help.as_deref(),
        path: &finding.path,
        place: to_place(&finding.place),
        related: related.collect(),
        fix: finding.fix.as_ref().map(to_fix),
        suppression: suppression.map(|reason| JsonSuppression { reason }),
        fingerprint: &finding.fingerprint,
    }
}

fn to_fix(fix: &ReportedFix) -> JsonFix<'_> {
    let ReportedFix { text, is_safe, start, end, replacement } = fix;
    JsonFix {
        description: text,
        safe: *is_safe,
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        replacement,
    }
}

fn to_place(place: &ReportedPlace) -> FindingPlace<'_> {
    let ReportedPlace { file, start, end, .. } = place;
    FindingPlace {
        file: &file.name,
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
    }
}
