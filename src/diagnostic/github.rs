//! Renders workflow commands (annotations) and Markdown (step summaries) for GitHub Actions.
//!
//! The formats are documented in "Workflow commands for GitHub Actions":
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>.

use std::cmp::Reverse;

use jobplate_diagnostic::{Diagnostic, Error, Severity};

use super::document_cache::DocumentCache;
use super::edits::ReportedEdit;
use super::finding::{CheckReport, ReportedFinding, ReportedPlace};
use super::human::escape_controls;

/// The maximum number of rows in a summary's table. The number of further rows follows the table.
const MAX_ROWS: usize = 200;

/// Returns the annotation for a diagnostic. `program` is the program's name in the help; `path` maps a file as the user
/// named it to its path in the repository.
pub fn annotate_diagnostic(
    diagnostic: &Diagnostic,
    program: &str,
    documents: &DocumentCache,
    path: impl Fn(&str) -> String,
) -> String {
    let help = help_line(diagnostic, program);
    let mut properties = vec![("title", "jobplate".to_owned())];
    if let Some(file) = diagnostic.file().filter(|file| *file != "-") {
        properties.push(("file", path(file)));
    }
    if let Some(location) = diagnostic.location() {
        let (line, column) = location.line_column_with(&documents.get(&location.document).lines);
        properties.extend([("line", line.to_string()), ("col", column.to_string())]);
    }
    let command = command_name(diagnostic.severity());
    workflow_command(command, &properties, &format!("{}{help}", diagnostic.message()))
}

/// Returns the annotations for findings, from the most to the least severe: the runner shows the first 10 annotations of
/// each severity in a step.
pub fn annotate_findings(report: &CheckReport) -> String {
    let mut findings: Vec<&ReportedFinding> = report.active().collect();
    findings.sort_by_key(|finding| Reverse(finding.severity));
    findings.into_iter().map(annotate_finding).collect()
}

fn annotate_finding(finding: &ReportedFinding) -> String {
    let ReportedPlace { file, start, end, .. } = &finding.place;
    let mut properties = vec![("title", finding.rule.to_owned())];
    if file.name != "-" {
        properties.push(("file", file.path.clone()));
    }
    properties.extend([("line", start.line.to_string()), ("endLine", end.line.to_string())]);
    // The runner ignores the columns of a range with several lines.
    if start.line == end.line {
        properties.extend([("col", start.column.to_string()), ("endColumn", end.column.to_string())]);
    }
    workflow_command(command_name(finding.severity), &properties, &finding.text())
}

fn command_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    }
}

/// Returns the annotation for an edit that is missing in a file.
pub fn annotate_missing_edit(edit: &ReportedEdit, path: impl Fn(&str) -> String) -> String {
    let mut properties = vec![("title", "jobplate".to_owned())];
    if edit.file != "-" {
        properties.push(("file", path(&edit.file)));
    }
    properties.push(("line", edit.line.to_string()));
    let container = edit.container.as_ref().map(|name| format!(", container {name}")).unwrap_or_default();
    let message = format!("{} is to be {} in {}{container}", edit.item_name(), edit.action, edit.object_path());
    workflow_command("error", &properties, &message)
}

fn workflow_command(name: &str, properties: &[(&str, String)], message: &str) -> String {
    let escape_data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let escape_property = |value: &str| escape_data(value).replace(':', "%3A").replace(',', "%2C");
    let properties: Vec<String> =
        properties.iter().map(|(key, value)| format!("{key}={}", escape_property(&escape_controls(value)))).collect();
    format!("::{name} {}::{}\n", properties.join(","), escape_data(&escape_controls(message)))
}

/// Returns a section with a table of edits for the step summary.
pub fn summarize_edits(heading: &str, edits: &[ReportedEdit]) -> String {
    let mut table = format!("### jobplate: {heading}\n\n");
    table.push_str("| file | object | container | what | |\n|---|---|---|---|---|\n");
    for edit in edits.iter().take(MAX_ROWS) {
        let place = inline_code(&format!("{}:{}", edit.file, edit.line));
        let container = edit.container.as_deref().map(inline_code).unwrap_or_default();
        let (object, item) = (inline_code(&edit.object_path()), inline_code(edit.item_name()));
        table.push_str(&format!("| {place} | {object} | {container} | {item} | {} |\n", edit.action));
    }
    if edits.len() > MAX_ROWS {
        table.push_str(&format!("\nand {} more\n", edits.len() - MAX_ROWS));
    }
    table + "\n"
}

/// Returns a section with a table of objects for the step summary. Each item of `outcomes` is a triple of object,
/// outcome and reason. If `dry_run` is true, the heading indicates a server dry run.
pub fn summarize_outcomes<'r>(
    mut outcomes: impl Iterator<Item = (String, &'static str, Option<&'r str>)>,
    dry_run: bool,
) -> String {
    let dry_run = if dry_run { " (server dry run)" } else { "" };
    let mut table = format!("### jobplate: objects{dry_run}\n\n| object | | |\n|---|---|---|\n");
    for (object, outcome, reason) in outcomes.by_ref().take(MAX_ROWS) {
        let reason = reason.map(inline_code).unwrap_or_default();
        table.push_str(&format!("| {} | {outcome} | {reason} |\n", inline_code(&object)));
    }
    let more = outcomes.count();
    if more > 0 {
        table.push_str(&format!("\nand {more} more\n"));
    }
    table + "\n"
}

fn help_line(diagnostic: &Diagnostic, program: &str) -> String {
    diagnostic.help_message().map(|help| format!("\nhint: {}", help.with_program(program))).unwrap_or_default()
}

/// Returns a section with an error for the step summary. `program` is the program's name in the hint.
pub fn summarize_error(error: &Error, program: &str) -> String {
    let text = escape_controls(&format!("{error}{}", help_line(error.diagnostic(), program)));
    // The fence must be longer than each run of backticks in the text.
    let longest_run = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest_run.max(2) + 1);
    format!("### jobplate: error\n\n{fence}text\n{text}\n{fence}\n\n")
}

/// Returns `text` as an inline code span for a Markdown table. Replaces the characters that would end the code span or
/// the table cell.
fn inline_code(text: &str) -> String {
    let escaped = escape_controls(text).replace('\n', " ").replace('|', "\\|").replace('`', "'");
    format!("`{escaped}`")
}

#[cfg(test)]
mod tests {
    use super::super::edits::{EditedItem, ObjectRef};
    use super::super::finding::sample_finding;
    use super::*;

    fn sample_reported_edit() -> ReportedEdit {
        ReportedEdit {
            file: "a,b:c|`.yaml".into(),
            document: 1,
            line: 3,
            object: ObjectRef { kind: "Job".into(), name: Some("etl".into()), namespace: None },
            within: None,
            container: Some("flow".into()),
            item: EditedItem::Variable("TOKEN".into()),
            action: "added",
        }
    }

    #[test]
    fn renders_an_annotation_on_one_line() {
        let annotate = |error: &Error, path: &dyn Fn(&str) -> String| {
            annotate_diagnostic(error.diagnostic(), "jobplate", &DocumentCache::default(), path)
        };
        let document = "kind: Job\nx: y\n";
        let error = Error::usage("100%\nof it").hint("a, b").at(10..11).in_document("k8s/a,b.yaml", 1, document);
        assert_eq!(
            annotate(&error, &|file| format!("sub/{file}")),
            "::error title=jobplate,file=sub/k8s/a%2Cb.yaml,line=2,col=1::100%25%0Aof it%0Ahint: a, b\n"
        );
        assert_eq!(
            annotate_missing_edit(&sample_reported_edit(), str::to_owned),
            "::error title=jobplate,file=a%2Cb%3Ac|`.yaml,line=3::TOKEN is to be added in Job/etl, container flow\n"
        );
        assert_eq!(annotate(&Error::usage("x").in_file("-"), &str::to_owned), "::error title=jobplate::x\n");
    }

    #[test]
    fn annotates_the_most_severe_findings_first() {
        let mut findings = vec![
            sample_finding(Severity::Info, "-"),
            sample_finding(Severity::Error, "a.yaml"),
            sample_finding(Severity::Warning, "b,c.yaml"),
        ];
        findings[2].place.end.line = 3;
        findings[2].help = Some("help".to_owned());
        assert_eq!(
            annotate_findings(&CheckReport { findings, ..CheckReport::default() }),
            "::error title=some-rule,file=a.yaml,line=1,endLine=1,col=1,endColumn=2::text\n\
             ::warning title=some-rule,file=b%2Cc.yaml,line=1,endLine=3::text%0Ahint: help\n\
             ::notice title=some-rule,line=1,endLine=1,col=1,endColumn=2::text\n"
        );
    }

    #[test]
    fn fences_an_error_that_contains_backticks() {
        let summary = summarize_error(&Error::usage("seen:\n``````\n<img>"), "jobplate");
        assert!(summary.ends_with("\n\n```````text\nseen:\n``````\n<img>\n```````\n\n"), "{summary}");
    }

    #[test]
    fn escapes_names_in_a_table() {
        let table = summarize_edits("done", &[sample_reported_edit()]);
        assert!(table.ends_with("| `a,b:c\\|'.yaml:3` | `Job/etl` | `flow` | `TOKEN` | added |\n\n"), "{table}");
        assert!(summarize_edits("done", &vec![sample_reported_edit(); 201]).ends_with("\nand 1 more\n\n"));
    }
}
