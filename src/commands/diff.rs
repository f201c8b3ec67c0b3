//! `jobplate diff`: renders manifests and shows what applying them would change in a cluster.

use std::process::ExitCode;

use clap::Args;
use jobplate::diagnostic;
use jobplate::diagnostic::edits::EditStatus;
use jobplate_cluster::Difference;
use jobplate_diagnostic::{ErrorKind, Result};

use super::definition::Command;
use crate::shared::cluster_args::{ClusterArgs, resolve_manifests};
use crate::shared::edit_args::ManifestArgs;
use crate::shared::edit_report;
use crate::shared::no_match::MatchPolicy;
use crate::shared::plan::plan;
use crate::shared::rendered_documents::RenderedDocuments;
use crate::shared::temp_files::end_on_interrupts;
use crate::ui::events::ProgressReporter;
use crate::ui::{Ui, ignore_closed_output};

#[derive(Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl Command for DiffArgs {
    const NAME: &'static str = "diff";
    const ABOUT: &'static str = "Render manifests and show what applying them would change in a cluster";

    fn after_help(program: &str) -> Option<String> {
        Some(format!(
            "Examples:
  # In CI: fail if an apply would change anything
  {program} diff k8s/ --spec flows.yaml

Exit codes: 0 no difference; 1 a difference; 2 invalid input; 3 the API server rejected a request or is unreachable; 130 Ctrl-C"
        ))
    }

    /// Runs the command. The exit code is 1 if there are differences.
    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        let request = resolve_manifests(self.manifests, &self.cluster)?;
        let ClusterArgs { force_conflicts: force, take_over, verbose, .. } = self.cluster;
        ui.quiet = request.quiet;
        ui.verbose = verbose;
        let session = self.cluster.resolve_session()?;
        let rendering = plan(&request, MatchPolicy::required_if(request.injection.needs_target()), ui);
        let mut rendering = edit_report::report_failure(rendering, &request, ui)?;
        let report = edit_report::prepare(&mut rendering, &request, ui)?;
        let documents = RenderedDocuments::new(&mut rendering, take_over.then_some(&request.injection), take_over);
        let progress = ProgressReporter::new(ui, |_| None);
        let (mut differs, mut failure) = (false, None);
        let policy = ui.mask_policy();
        let printed = ui.print_diff(|out| {
            failure = jobplate_cluster::diff(documents, &session, force, take_over, &progress, |difference| {
                let Difference { object, file, before, after, immutable } = difference;
                if before == after {
                    return Ok(());
                }
                differs = true;
                if *immutable {
                    progress.write_note(&format!(
                        "{object} has different immutable fields: pass --on-immutable to apply it"
                    ));
                }
                let text = diagnostic::unified_diff(before, after, &[(0..before.len(), after.len())], 1, 1, &policy);
                out.write(&format!("--- live {object}\n+++ {file} {object}\n{text}"))
            })?;
            Ok(())
        });
        end_on_interrupts();
        ignore_closed_output(printed)?;
        let code = ExitCode::from(failure.map_or(u8::from(differs), ErrorKind::exit_code));
        edit_report::emit(report, EditStatus::Previewed, Ok(code), ui)
    }
}
