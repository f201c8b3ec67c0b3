//! Renders the page of a rule as Markdown, for the docs and for `check --explain`.

use std::fmt::Write as _;

use jobplate_diagnostic::to_sentence;

use super::rule::Rule;

/// Returns the page of a rule.
pub fn render_page(rule: &Rule) -> String {
    let Rule { name, severity, confidence, persona, summary, why, remedy, fix, sources, examples, .. } = rule;
    let fix = fix.map_or("none".to_owned(), |fix| {
        format!("{}: {}", if fix.is_safe { "safe (`--fix`)" } else { "unsafe (`--fix=unsafe`)" }, fix.text)
    });
    let (severity, confidence, persona) = (severity.as_str(), confidence.as_str(), persona.as_str());
    let mut page = format!(
        "# {name}\n\n{}\n\n| severity | confidence | persona | fix |\n|---|---|---|---|\n\
         | {severity} | {confidence} | {persona} | {fix} |\n\n## Why it matters\n\n{why}\n",
        to_sentence(summary)
    );
    for (index, example) in examples.iter().enumerate() {
        let number = if examples.len() > 1 { format!(" {}", index + 1) } else { String::new() };
        let _ = write!(page, "\n## Example{number}\n\n{}\n", code(example.manifest));
        for (flag, value, text) in example.with {
            write_flag(&mut page, flag, value, text);
        }
        page += "\nUse instead:\n";
        let manifest = example.correct(example.manifest);
        if manifest != example.manifest {
            let _ = write!(page, "\n{}\n", code(&manifest));
        }
        for (flag, value, text) in example.with.iter().filter(|(_, _, text)| text.contains(example.bad)) {
            write_flag(&mut page, flag, value, &example.correct(text));
        }
    }
    let _ = write!(page, "\n## How to fix it\n\n{remedy}\n\n## Sources\n\n");
    for source in *sources {
        let source = if source.starts_with("https://") { format!("<{source}>") } else { format!("`{source}`") };
        let _ = writeln!(page, "- {source}");
    }
    page
}

/// Writes a flag of an example with the text of its file.
fn write_flag(page: &mut String, flag: &str, value: &str, text: &str) {
    let _ = match text.is_empty() {
        true => write!(page, "\nWith `{flag} {value}`.\n"),
        false => write!(page, "\nWith `{flag} {value}`:\n\n{}\n", code(text)),
    };
}

/// Returns a manifest as a code block.
fn code(text: &str) -> String {
    let language = if text.trim_start().starts_with('{') { "json" } else { "yaml" };
    format!("```{language}\n{text}```")
}
