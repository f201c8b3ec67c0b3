//! Plans the manifests of a call, refuses a call that nothing matches, and notes what a person should know.

use jobplate::render::{InputSource, Rendering};
use jobplate_diagnostic::{Error, Result};

use super::edit_args::Manifests;
use super::no_match::{self, Matching};
use super::{agents, inputs};
use crate::ui::Ui;

/// Plans and verifies all manifests of a call, and reports the notes about them.
///
/// # Errors
///
/// Fails if an input can't be opened, and as [`plan_sources`] does.
pub(crate) fn plan(manifests: &Manifests, matching: Matching, ui: &Ui) -> Result<Rendering> {
    plan_sources(inputs::open(manifests)?, manifests, matching, ui)
}

/// The same for inputs that are open.
///
/// # Errors
///
/// Fails if an input can't be read or edited, if nothing matches where `matching` requires it, and if one name is
/// given to several objects.
pub(crate) fn plan_sources(
    sources: Vec<InputSource>,
    manifests: &Manifests,
    matching: Matching,
    ui: &Ui,
) -> Result<Rendering> {
    let injection = &manifests.injection;
    let mut rendering = Rendering::plan(sources, injection, manifests.max_document_size)?;
    let nothing = rendering.targets == 0 || rendering.fully_injected == 0 && !injection.is_settings_only();
    if nothing {
        no_match::refuse(&mut rendering, manifests, matching)?;
    }
    let names = &injection.metadata;
    if rendering.targets > 1 && (names.name.is_some() || names.generate_name.is_some()) {
        let flag = if names.name.is_some() { "--name" } else { "--generate-name" };
        return Err(Error::usage(format!("{flag} gives one name, but {} objects match", rendering.targets))
            .hint("narrow it to one with --target KIND/NAME"));
    }
    if injection.no_default_targets && !rendering.unmatched_targets.is_empty() {
        // Helm shows no notes, and would go on without the reference.
        no_match::refuse(&mut rendering, manifests, matching)?;
    }
    if !ui.quiet {
        rendering
            .unmatched_targets
            .iter()
            .for_each(|target| ui.note(format!("nothing matches the target {}", target.display())));
        rendering.notes.iter().for_each(|note| ui.note(note));
        agents::on_what_they_replace(&mut rendering, &injection.prefect)?.into_iter().for_each(|note| ui.note(note));
    }
    Ok(rendering)
}
