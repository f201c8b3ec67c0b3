//! Extracts example files from pages of `docs/`. A fenced block marked `yaml FILE` is the content of that file.

use std::path::Path;

/// The page of `docs/` about CI integrations.
pub(crate) const CI: &str = "ci.md";

/// Returns the content of an example file in a page of `docs/`.
#[track_caller]
pub(crate) fn example(page: &str, file: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let page = std::fs::read_to_string(page).expect("the page can be read");
    let fence = format!("\n```yaml {file}\n");
    let (_, rest) = page.split_once(&fence).unwrap_or_else(|| panic!("the page has no {file}"));
    assert!(!rest.contains(&fence), "the page has {file} twice");
    let (example, _) = rest.split_once("```\n").expect("a block ends");
    example.to_owned()
}

/// Replaces each placeholder of an example with its value. Panics if the example lacks a placeholder.
#[track_caller]
pub(crate) fn fill_placeholders(mut example: String, values: &[(&str, &str)]) -> String {
    for (placeholder, value) in values {
        assert!(example.contains(placeholder), "the example has no {placeholder}:\n{example}");
        example = example.replace(placeholder, value);
    }
    example
}
