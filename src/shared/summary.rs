//! The summary of a run over several files, and the files without a target.

use std::collections::HashMap;

use jobplate::render::{FoundObject, Rendering, UNRECOGNIZED_CODE};
use jobplate_diagnostic::{Diagnostic, Error, Result};

use super::no_match::MAX_CONSIDERED;
use super::no_match_hint::suggest_fix_of_file;
use super::render_request::RenderRequest;

/// The maximum number of files without a target that the summary names.
const MAX_NAMED: usize = 3;

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
    let without: Vec<&str> = names_without_target(rendering).collect();
    if !without.is_empty() {
        let more = if without.len() > MAX_NAMED { ", ..." } else { "" };
        let names = without.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
        summary.push_str(&format!("; {} without a target: {names}{more}", count(without.len(), "file")));
    }
    summary
}

/// Checks that each input has a target, and that no kind of an object with containers is unrecognized.
///
/// # Errors
///
/// Fails with an error for each input without a target, and for each warning about an unrecognized kind. If both are
/// about one input, one error has both, because the kind is the reason. Also fails if an input cannot be read again.
pub(crate) fn require_match(rendering: &mut Rendering, request: &RenderRequest) -> Result<()> {
    let names: Vec<String> = names_without_target(rendering).map(str::to_owned).collect();
    let mut found: HashMap<String, Vec<FoundObject>> = HashMap::new();
    if !names.is_empty() {
        for object in rendering.find_objects(&request.injection.targets, MAX_CONSIDERED)? {
            found.entry(object.input.clone()).or_default().push(object);
        }
    }
    let mut errors = Vec::new();
    for name in names {
        let error = |message: &str| Error::input(message).with_code("no-target");
        errors.push(match take_unrecognized(&mut rendering.diagnostics, |file| file == Some(&name)) {
            Some(warning) => {
                let message = format!("no target found: {}", warning.message());
                copy_place_and_help(error(&message), &warning)
            }
            None => {
                let found = found.get(&name).map(Vec::as_slice).unwrap_or_default();
                let hint = suggest_fix_of_file(&request.injection, request.target_syntax, found);
                error("no target found").in_file(name).hint(hint)
            }
        });
    }
    while let Some(warning) = take_unrecognized(&mut rendering.diagnostics, |_| true) {
        let error = Error::input(warning.message().to_string()).with_code(UNRECOGNIZED_CODE);
        errors.push(copy_place_and_help(error, &warning));
    }
    Error::combine(errors).map_or(Ok(()), Err)
}

/// Gives an error the place and the help of a warning.
fn copy_place_and_help(error: Error, warning: &Diagnostic) -> Error {
    let error = warning.location().cloned().into_iter().fold(error, Error::at_location);
    warning.help_message().cloned().into_iter().fold(error, Error::hint)
}

/// Removes and returns the first warning about an unrecognized kind in a file that the condition selects.
fn take_unrecognized(
    diagnostics: &mut Vec<Diagnostic>,
    is_selected: impl Fn(Option<&str>) -> bool,
) -> Option<Diagnostic> {
    let is_warning = |diagnostic: &Diagnostic| diagnostic.code() == UNRECOGNIZED_CODE && is_selected(diagnostic.file());
    diagnostics.iter().position(is_warning).map(|position| diagnostics.remove(position))
}
