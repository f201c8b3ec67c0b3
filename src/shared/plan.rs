//! Plans the edits of a request, fails if no target matches, and reports notes.

use jobplate::render::{InputSource, PlanOptions, Rendering, UNRECOGNIZED_CODE};
use jobplate_diagnostic::{Diagnostic, Error, Result};
use jobplate_manifest::sendable::NON_STRING_CODE;

use super::edit_args::RequiredMatch;
use super::no_match::{self, MatchPolicy};
use super::render_request::RenderRequest;
use super::{agent_notes, inputs, summary};
use crate::ui::Ui;

/// Opens the inputs of a request, plans and verifies their edits, and reports notes.
///
/// # Errors
///
/// Fails if the inputs are invalid, or if [`plan_sources`] fails.
pub(crate) fn plan(request: &RenderRequest, match_policy: MatchPolicy, ui: &Ui) -> Result<Rendering> {
    plan_sources(inputs::open_inputs(request)?, request, match_policy, ui)
}

/// Plans and verifies the edits of open inputs, and reports notes.
///
/// # Errors
///
/// Fails if an input was not opened or cannot be read or edited, if no target matches although `match_policy` requires it, or if one
/// name is given to several objects.
pub(crate) fn plan_sources(
    sources: Vec<Result<InputSource>>,
    request: &RenderRequest,
    match_policy: MatchPolicy,
    ui: &Ui,
) -> Result<Rendering> {
    let injection = &request.injection;
    ui.mask_variables(injection.referencing_variables());
    let options =
        PlanOptions { max_document_size: request.max_document_size, collects_unchanged: request.report.is_some() };
    let mut rendering = Rendering::plan(sources, injection, options)?;
    let nothing = rendering.targets == 0 || rendering.fully_injected == 0 && !injection.is_settings_only();
    let has_unrecognized = rendering.diagnostics.iter().any(|diagnostic| diagnostic.code() == UNRECOGNIZED_CODE);
    // An unrecognized kind explains why no object matches, and the error of `--require-match` has its line.
    let is_explained = request.require_match.is_some() && has_unrecognized;
    if nothing && !is_explained {
        no_match::fail_unless_allowed(&mut rendering, request, match_policy)?;
    }
    if request.require_match.is_some()
        && let Err(error) = summary::require_match(&mut rendering, request)
    {
        ui.report_diagnostics(&rendering.diagnostics);
        return Err(error);
    }
    if nothing && is_explained {
        no_match::fail_unless_allowed(&mut rendering, request, match_policy)?;
    }
    let names = &injection.metadata;
    if rendering.targets > 1 && (names.name.is_some() || names.generate_name.is_some()) {
        let flag = if names.name.is_some() { "--name" } else { "--generate-name" };
        return Err(Error::usage(format!("`{flag}` sets one name, but {} objects match", rendering.targets))
            .hint("choose one object with --target KIND/NAME"));
    }
    let requires_targets = injection.no_default_targets || request.require_match == Some(RequiredMatch::All);
    if requires_targets && !rendering.unmatched_targets.is_empty() {
        // Always an error under Helm, which shows no warnings and would install the chart without the reference.
        no_match::fail_unless_allowed(&mut rendering, request, match_policy)?;
    }
    let unmatched = rendering.unmatched_targets.iter().map(|target| {
        Diagnostic::warning("unmatched-target", format!("no object matches the target {}", target.display()))
    });
    let unmatched: Vec<_> = unmatched.collect();
    rendering.diagnostics.extend(unmatched);
    let overridden = agent_notes::overridden_variable_warnings(&mut rendering, &injection.prefect)?;
    rendering.diagnostics.extend(overridden);
    if request.sends_objects {
        // The check before the objects are sent reports these values.
        rendering.diagnostics.retain(|diagnostic| diagnostic.code() != NON_STRING_CODE);
    }
    ui.report_diagnostics(&rendering.diagnostics);
    Ok(rendering)
}
