//! The summary of a run over several files, and the files without a target.

use std::collections::HashMap;

use jobplate::render::{FoundObject, Rendering, UNRECOGNIZED_CODE};
use jobplate_diagnostic::{Diagnostic, Error, Result};

use super::no_match::MAX_CONSIDERED;
use super::no_match_hint::suggest_fix_of_file;
use super::render_request::RenderRequest;

/// Returns the names of the inputs without a target.
pub(crate) fn names_without_target(rendering: &Rendering) -> impl Iterator<Item = &str> {
    (0..rendering.len()).filter(|&input| !rendering.has_target(input)).map(|input| rendering.input_name(input))
}

/// Returns a number with a noun, such as `1 file` and `2 files`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Returns a line with the numbers of files and targets. `changed` says what happens to changed targets: `changed` or
/// `to change`.
pub(crate) fn summarize(rendering: &Rendering, changed: &str) -> String {
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
/// Fails with an error for each input without a target. If there is a warning about an unrecognized kind in the input,
/// the error replaces it, because it is the reason. Also fails if an input cannot be read again.
pub(crate) fn require_match(rendering: &mut Rendering, request: &RenderRequest) -> Result<()> {
    let names: Vec<String> = names_without_target(rendering).map(str::to_owned).collect();
    if names.is_empty() {
        return Ok(());
    }
    let mut found: HashMap<String, Vec<FoundObject>> = HashMap::new();
    for object in rendering.find_objects(&request.injection.targets, MAX_CONSIDERED)? {
        found.entry(object.input.clone()).or_default().push(object);
    }
    let errors = names.into_iter().map(|name| {
        let error = |message: &str| Error::input(message).with_code("no-target");
        match take_unrecognized(&mut rendering.diagnostics, &name) {
            Some(warning) => {
                let error = error(&format!("no target found: {}", warning.message()));
                let error = warning.location().cloned().into_iter().fold(error, Error::at_location);
                warning.help_message().cloned().into_iter().fold(error, Error::hint)
            }
            None => {
                let found = found.get(&name).map(Vec::as_slice).unwrap_or_default();
                let hint = suggest_fix_of_file(&request.injection, request.target_syntax, found);
                error("no target found").in_file(name).hint(hint)
            }
        }
    });
    Error::combine(errors).map_or(Ok(()), Err)
}

/// Removes and returns the first warning about an unrecognized kind in a file.
fn take_unrecognized(diagnostics: &mut Vec<Diagnostic>, file: &str) -> Option<Diagnostic> {
    let is_warning =
        |diagnostic: &Diagnostic| diagnostic.code() == UNRECOGNIZED_CODE && diagnostic.file() == Some(file);
    diagnostics.iter().position(is_warning).map(|position| diagnostics.remove(position))
}
