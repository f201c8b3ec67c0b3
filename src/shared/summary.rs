//! The summary of a run over several files, and the files without a target.

use jobplate::render::Rendering;
use jobplate_diagnostic::{Error, Result};

/// Returns the names of the inputs without a target.
pub(crate) fn names_without_target(rendering: &Rendering) -> impl Iterator<Item = &str> {
    (0..rendering.len()).filter(|&input| !rendering.has_target(input)).map(|input| rendering.input_name(input))
}

/// Returns a line with the numbers of files and targets. `changed` says what happens to changed targets: `changed` or
/// `to change`.
pub(crate) fn summarize(rendering: &Rendering, changed: &str) -> String {
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let (targets, changed_targets) = (rendering.targets, rendering.changed_targets);
    let files = count(rendering.len(), "file");
    let mut summary = format!(
        "{files}, {}: {changed_targets} {changed}, {} unchanged",
        count(targets, "target"),
        targets - changed_targets
    );
    let without = names_without_target(rendering).count();
    if without > 0 {
        summary.push_str(&format!("; {} without a target", count(without, "file")));
    }
    summary
}

/// Checks that each input has a target.
///
/// # Errors
///
/// Fails with an error for each input without a target.
pub(crate) fn require_match(rendering: &Rendering) -> Result<()> {
    let errors = names_without_target(rendering).map(|name| {
        Error::input("no object in this file matches")
            .with_code("no-target")
            .in_file(name)
            .hint("check `kind` and --target, or leave this file out")
    });
    Error::combine(errors).map_or(Ok(()), Err)
}
