//! `jobplate post-render`: render as Helm calls it, from standard input to standard output.
//!
//! Whatever chart comes in is somebody else's: nothing gets a secret or variable that no `--target` names.

use std::process::ExitCode;

use anstream::ColorChoice;
use jobplate_diagnostic::Result;

use super::render;
use crate::diagnostic::edits::Told;
use crate::render::write_error;
use crate::shared::edit_args::Manifests;
use crate::shared::edits;
use crate::shared::no_match::Matching;
use crate::shared::outputs::to_stdout;

/// The name of our plugin for Helm 4 (`integrations/helm/plugin.yaml`).
const PLUGIN: &str = "jobplate";

/// What to do where Helm shows too little.
pub(crate) const WITHOUT_HELM: &str =
    "to see it without Helm: helm template RELEASE CHART | jobplate post-render, with the same arguments";

/// Whether Helm 4 runs us as its plugin. Then nobody sees what goes to standard error.
pub(crate) fn is_helm_plugin() -> bool {
    std::env::var_os("HELM_PLUGIN_NAME").is_some_and(|name| name == PLUGIN)
}

/// Runs the command.
pub(crate) fn run(manifests: &Manifests, color: ColorChoice) -> Result<ExitCode> {
    let mut rendering = render::plan(manifests, Matching::OrNoObject, color)?;
    let edits = edits::find(&mut rendering, manifests)?;
    let done = to_stdout(|out| {
        if rendering.is_all_empty() && is_helm_plugin() {
            // Helm 4 takes an empty output for a failure, even where its chart makes no objects.
            return out.write_all(b"# nothing to render\n").map_err(|error| write_error(&error));
        }
        rendering.write(0, out)
    });
    edits::tell(edits, Told::Made, done)
}
