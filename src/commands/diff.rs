//! `jobplate diff`: render, and show what applying would change on the server.

use std::process::ExitCode;

use clap::Args;
use jobplate::diagnostic;
use jobplate::diagnostic::edits::EditStatus;
use jobplate_cluster::Difference;
use jobplate_diagnostic::{ErrorKind, Result};

use super::definition::Command;
use crate::shared::cluster_args::{ClusterArgs, manifests};
use crate::shared::documents::Rendered;
use crate::shared::edit_args::ManifestArgs;
use crate::shared::edits;
use crate::shared::no_match::Matching;
use crate::shared::plan::plan;
use crate::ui::events::Terminal;
use crate::ui::{Ui, unless_closed};

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
  # In CI: would an apply change anything?
  {program} diff k8s/ --spec flows.yaml

Exit codes: 0 nothing differs, 1 something does, 2 input, 3 refused or unreachable, 130 Ctrl-C"
        ))
    }

    /// Runs the command: exit code 1 if there are differences.
    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        let manifests = manifests(self.manifests, &self.cluster)?;
        let ClusterArgs { force_conflicts: force, take_over, verbose, .. } = self.cluster;
        ui.quiet = manifests.quiet;
        ui.verbose = verbose;
        let session = self.cluster.session()?;
        let mut rendering = plan(&manifests, Matching::must_if(manifests.injection.needs_target()), ui)?;
        let edits = edits::find(&mut rendering, &manifests, ui)?;
        let documents = Rendered::new(&mut rendering, take_over.then_some(&manifests.injection), take_over);
        let terminal = Terminal::new(ui);
        let (mut differs, mut failure) = (false, None);
        let told = ui.print_diff(|out| {
            failure = jobplate_cluster::diff(documents, &session, force, take_over, &terminal, |difference| {
                let Difference { object, file, before, after, immutable } = difference;
                if before == after {
                    return Ok(());
                }
                differs = true;
                if *immutable {
                    terminal.tell_note(&format!(
                        "{object} is a Job with another pod template: applying needs --on-immutable"
                    ));
                }
                let text = diagnostic::unified_diff(before, after, 1, 1);
                out.write(&format!("--- live {object}\n+++ {file} {object}\n{text}"))
            })?;
            Ok(())
        });
        unless_closed(told)?;
        let code = ExitCode::from(failure.map_or(u8::from(differs), ErrorKind::exit_code));
        edits::tell(edits, EditStatus::Previewed, Ok(code), ui)
    }
}
