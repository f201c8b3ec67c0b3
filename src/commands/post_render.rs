//! `jobplate post-render`: renders as a Helm post-renderer, from standard input to standard output.
//!
//! The chart may be from a third party, so only objects that `--target` names get secrets and variables.

use std::process::ExitCode;

use clap::Args;
use jobplate::diagnostic::edits::EditStatus;
use jobplate_diagnostic::{Error, Result, output_error};

use super::definition::Command;
use crate::shared::edit_args::EditArgs;
use crate::shared::edit_report;
use crate::shared::no_match::MatchPolicy;
use crate::shared::plan::plan;
use crate::shared::render_request::{RenderRequest, TargetSyntax};
use crate::ui::Ui;

#[derive(Args)]
pub(crate) struct PostRenderArgs {
    /// Extra arguments. Helm 4's plugin passes `post-render`, and arguments written for Helm 3 repeat it. Any other
    /// word is a FILE, which is refused.
    #[arg(hide = true)]
    again: Vec<String>,
    #[command(flatten)]
    edit: EditArgs,
    /// Set the namespace of targets that have none, but not of other objects; fail if a target has another one
    #[arg(short = 'n', long, value_name = "NAMESPACE", help_heading = "Names")]
    namespace: Option<String>,
}

impl PostRenderArgs {
    fn resolve(self) -> Result<RenderRequest> {
        if self.again.iter().any(|word| word != "post-render") {
            return Err(Error::usage("`post-render` accepts no FILE: it reads standard input")
                .hint("use `render` for files; in Helm, pass each argument after its own --post-renderer-args"));
        }
        let request = self.edit.require_explicit_targets(None, self.namespace, TargetSyntax::Helm)?;
        if request.injection.is_empty() {
            return Err(Error::usage("no change requested")
                .hint("pass --secret-env VAR=SECRET/KEY, or another flag of `post-render --help`"));
        }
        Ok(request)
    }
}

impl Command for PostRenderArgs {
    const NAME: &'static str = "post-render";
    const ABOUT: &'static str = "Render the manifests on standard input, as a Helm post-renderer";

    fn after_help(program: &str) -> Option<String> {
        Some(format!(
            "Examples:
  # Helm 3
  helm upgrade --install web ./chart --post-renderer {program} \\
    --post-renderer-args post-render \\
    --post-renderer-args --target=deployment/web \\
    --post-renderer-args --secret-env=DB_PASSWORD=db/password

  # Helm 4, as a plugin, which runs post-render
  helm upgrade --install web ./chart --post-renderer jobplate \\
    --post-renderer-args --target=deployment/web \\
    --post-renderer-args --secret-env=DB_PASSWORD=db/password

  # Print the result without installing the chart
  helm template web ./chart |
    {program} post-render --target=deployment/web \\
      --secret-env=DB_PASSWORD=db/password

Only objects that --target selects are changed. Without --target, only
--backend, --api, --api-key and --local-secrets are applied, to agents and
workers.

Helm 4 does not show the errors of a post-renderer. Set JOBPLATE_ERROR_FILE=FILE
to write them to a file.

Exit codes: 0 success; 2 invalid input or a refused edit"
        ))
    }

    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        let request = self.resolve()?;
        ui.quiet = request.quiet;
        let rendering = plan(&request, MatchPolicy::RequiredIfAnyObject, ui);
        let mut rendering = edit_report::report_failure(rendering, &request, ui)?;
        let report = edit_report::prepare(&mut rendering, &request, ui)?;
        let done = ui.print(|out| {
            if rendering.has_no_bytes() && ui.is_helm_plugin() {
                // Helm 4 rejects an empty output, even if the chart contains no objects.
                return out.write_all(b"# nothing to render\n").map_err(|error| output_error(&error));
            }
            rendering.write_input(0, out)
        });
        edit_report::emit(report, EditStatus::Applied, done, ui)
    }
}
