//! Examples of docs/ci.md, which the tests follow to the letter.
//!
//! A fenced block there is marked `yaml FILE`: what a user pastes into that file.

use std::path::Path;

/// The example for this file.
#[track_caller]
pub(crate) fn example(file: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci.md");
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
