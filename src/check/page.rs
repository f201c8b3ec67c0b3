//! Renders the page of a rule as Markdown, for the docs and for `check --explain`.

use std::fmt::Write as _;

use super::rule::{Example, Rule};

/// Returns the page of a rule.
pub fn render_page(rule: &Rule) -> String {
    let Rule { name, severity, confidence, persona, summary, why, remedy, fix, sources, examples, .. } = rule;
    let fix = fix.map_or("none".to_owned(), |fix| {
        format!("{}: {}", if fix.is_safe { "safe (`--fix`)" } else { "unsafe (`--fix=unsafe`)" }, fix.text)
    });
    let mut first = summary.chars();
    let sentence = first.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default() + first.as_str();
    let (severity, confidence, persona) = (severity.as_str(), confidence.as_str(), persona.as_str());
    let mut page = format!(
        "# {name}\n\n{sentence}.\n\n| severity | confidence | persona | fix |\n|---|---|---|---|\n\
         | {severity} | {confidence} | {persona} | {fix} |\n\n## Why it matters\n\n{why}\n"
    );
    for example in *examples {
        let Example { bad, good, .. } = example;
        let _ = write!(page, "\n## Example\n\n{}\n", code(bad));
        write_flags(&mut page, example.flags(false));
        page += "\nUse instead:\n";
        if good != bad {
            let _ = write!(page, "\n{}\n", code(good));
        }
        let is_new = |flag: &&Flag| !example.flags(false).any(|other| other == *flag);
        write_flags(&mut page, example.flags(true).filter(is_new));
    }
    let _ = write!(page, "\n## How to fix it\n\n{remedy}\n\n## Sources\n\n");
    for source in *sources {
        let source = if source.starts_with("https://") { format!("<{source}>") } else { format!("`{source}`") };
        let _ = writeln!(page, "- {source}");
    }
    page
}

/// A flag of an example, as in [`Example::with`].
type Flag = (&'static str, &'static str, &'static str);

/// Writes the flags of an example, each with the text of its file.
fn write_flags(page: &mut String, flags: impl Iterator<Item = &'static Flag>) {
    for (flag, value, text) in flags {
        let _ = match text.is_empty() {
            true => write!(page, "\nWith `{flag} {value}`.\n"),
            false => write!(page, "\nWith `{flag} {value}`:\n\n{}\n", code(text)),
        };
    }
}

/// Returns a manifest as a code block.
fn code(text: &str) -> String {
    let language = if text.trim_start().starts_with('{') { "json" } else { "yaml" };
    format!("```{language}\n{text}```")
}
