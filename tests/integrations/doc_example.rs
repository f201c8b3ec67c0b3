//! Files that pages show, which the tests follow to the letter.
//!
//! A fenced block of a page is marked `yaml FILE`: what a user pastes into that file.

use std::path::Path;

/// The page about CI.
pub(crate) const CI: &str = "ci.md";

/// What a page of docs/ has for this file.
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

/// The example with what stands for a place or checksum replaced by a real one.
#[track_caller]
pub(crate) fn with(mut example: String, real: &[(&str, &str)]) -> String {
    for (placeholder, value) in real {
        assert!(example.contains(placeholder), "the example has no {placeholder}:\n{example}");
        example = example.replace(placeholder, value);
    }
    example
}
