//! What GitHub Actions reads: workflow commands, which become annotations, and Markdown for the summary of a step.
//!
//! The formats: "Workflow commands for GitHub Actions" in GitHub's documentation.

use jobplate_diagnostic::Error;

use super::edits::EditRecord;
use super::human::escape_controls;

/// Rows of a summary's table; of more, it says how many.
const MOST_ROWS: usize = 200;

/// An error of a program that is called by this name, as an annotation. `path`: from a file as it was named to its path
/// in the repository.
pub fn annotate_error(error: &Error, program: &str, path: impl Fn(&str) -> String) -> String {
    let hint = hint(error, program);
    let mut properties = vec![("title", "jobplate".to_owned())];
    if let Some(file) = error.file().filter(|file| *file != "-") {
        properties.push(("file", path(file)));
    }
    if let Some(place) = error.location() {
        let (line, column) = place.line_column();
        properties.extend([("line", line.to_string()), ("col", column.to_string())]);
    }
    command("error", &properties, &format!("{}{hint}", error.message()))
}

/// An edit that is missing in a file, as an annotation.
pub fn annotate_missing_edit(edited: &EditRecord, path: impl Fn(&str) -> String) -> String {
    let mut properties = vec![("title", "jobplate".to_owned())];
    if edited.file != "-" {
        properties.push(("file", path(&edited.file)));
    }
    properties.push(("line", edited.line.to_string()));
    let container = edited.container.as_ref().map(|name| format!(", container {name}")).unwrap_or_default();
    let message = format!("{} is to be {} in {}{container}", edited.item(), edited.action, edited.place());
    command("error", &properties, &message)
}

fn command(name: &str, properties: &[(&str, String)], message: &str) -> String {
    let text = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |value: &str| text(value).replace(':', "%3A").replace(',', "%2C");
    let properties: Vec<String> =
        properties.iter().map(|(key, value)| format!("{key}={}", property(&escape_controls(value)))).collect();
    format!("::{name} {}::{}\n", properties.join(","), text(&escape_controls(message)))
}

/// Edits as a table for the summary of a step. `heading`: what became of them.
pub fn summarize_edits(heading: &str, edits: &[EditRecord]) -> String {
    let mut table = format!("### jobplate: {heading}\n\n");
    table.push_str("| file | object | container | what | |\n|---|---|---|---|---|\n");
    for edited in edits.iter().take(MOST_ROWS) {
        let place = code(&format!("{}:{}", edited.file, edited.line));
        let container = edited.container.as_deref().map(code).unwrap_or_default();
        let (object, item) = (code(&edited.place()), code(edited.item()));
        table.push_str(&format!("| {place} | {object} | {container} | {item} | {} |\n", edited.action));
    }
    if edits.len() > MOST_ROWS {
        table.push_str(&format!("\nand {} more\n", edits.len() - MOST_ROWS));
    }
    table + "\n"
}

/// What became of objects as a table for the summary of a step: each with its outcome and the reason for it.
pub fn summarize_outcomes<'r>(
    mut outcomes: impl Iterator<Item = (String, &'static str, Option<&'r str>)>,
    dry_run: bool,
) -> String {
    let dry_run = if dry_run { " (server dry run)" } else { "" };
    let mut table = format!("### jobplate: objects{dry_run}\n\n| object | | |\n|---|---|---|\n");
    for (object, outcome, reason) in outcomes.by_ref().take(MOST_ROWS) {
        let reason = reason.map(code).unwrap_or_default();
        table.push_str(&format!("| {} | {outcome} | {reason} |\n", code(&object)));
    }
    let more = outcomes.count();
    if more > 0 {
        table.push_str(&format!("\nand {more} more\n"));
    }
    table + "\n"
}

fn hint(error: &Error, program: &str) -> String {
    error.hint_message().map(|hint| format!("\nhint: {}", hint.with_program(program))).unwrap_or_default()
}

/// An error of a program that is called by this name, for the summary of a step.
pub fn summarize_error(error: &Error, program: &str) -> String {
    let text = escape_controls(&format!("{error}{}", hint(error, program)));
    // Longer than any row of backticks in it, which would end it.
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("### jobplate: error\n\n{fence}text\n{text}\n{fence}\n\n")
}

/// A text of somebody else's as it is, whatever Markdown would make of it.
fn code(text: &str) -> String {
    let plain = escape_controls(text).replace('\n', " ").replace('|', "\\|").replace('`', "'");
    format!("`{plain}`")
}

#[cfg(test)]
mod tests {
    use super::super::edits::{EditedItem, ObjectRef};
    use super::*;

    fn edited() -> EditRecord {
        EditRecord {
            file: "a,b:c|`.yaml".into(),
            document: 1,
            line: 3,
            object: ObjectRef { kind: "Job".into(), name: Some("etl".into()), namespace: None },
            within: None,
            container: Some("flow".into()),
            what: EditedItem::Variable("TOKEN".into()),
            action: "added",
        }
    }

    #[test]
    fn commands_are_one_line() {
        let document = "kind: Job\nx: y\n";
        let error = Error::usage("100%\nof it").hint("a, b").at(10..11).in_document("k8s/a,b.yaml", 1, document);
        assert_eq!(
            annotate_error(&error, "jobplate", |file| format!("sub/{file}")),
            "::error title=jobplate,file=sub/k8s/a%2Cb.yaml,line=2,col=1::100%25%0Aof it%0Ahint: a, b\n"
        );
        assert_eq!(
            annotate_missing_edit(&edited(), str::to_owned),
            "::error title=jobplate,file=a%2Cb%3Ac|`.yaml,line=3::TOKEN is to be added in Job/etl, container flow\n"
        );
        assert_eq!(
            annotate_error(&Error::usage("x").in_file("-"), "jobplate", str::to_owned),
            "::error title=jobplate::x\n"
        );
    }

    #[test]
    fn an_error_stays_in_its_fence() {
        let summary = summarize_error(&Error::usage("seen:\n``````\n<img>"), "jobplate");
        assert!(summary.ends_with("\n\n```````text\nseen:\n``````\n<img>\n```````\n\n"), "{summary}");
    }

    #[test]
    fn names_do_not_break_out_of_a_table() {
        let table = summarize_edits("done", &[edited()]);
        assert!(table.ends_with("| `a,b:c\\|'.yaml:3` | `Job/etl` | `flow` | `TOKEN` | added |\n\n"), "{table}");
        assert!(summarize_edits("done", &vec![edited(); 201]).ends_with("\nand 1 more\n\n"));
    }
}
