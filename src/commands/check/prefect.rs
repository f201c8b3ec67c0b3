//! Previews the Jobs of Prefect for `check`, with the same flags as `preview`.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::Args;
use jobplate::check::Previewer;
use jobplate_diagnostic::{Diagnostic, Result};
use jobplate_manifest::sensitive::MaskPolicy;
use jobplate_prefect::generation::Generation;
use jobplate_prefect::pyvalue::arena::Arena;
use jobplate_prefect::pyvalue::source::SourceFile;

use crate::commands::preview::agent::{self, AgentArgs};
use crate::commands::preview::worker::{self, WorkerArgs};
use crate::shared::input_reader::InputReader;

// The run to check. Not a doc comment: clap would use it as the help text of the command.
#[derive(Args)]
pub(super) struct RunArgs {
    /// Check the run that a scenario describes, as in `preview`
    #[arg(long, value_name = "FILE", help_heading = "Run of Prefect")]
    scenario: Option<PathBuf>,
    #[command(flatten)]
    agent: AgentArgs,
    #[command(flatten)]
    worker: WorkerArgs,
}

impl RunArgs {
    /// Returns the files that describe the run. They are not manifests to check.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.scenario.iter().chain(self.agent.files()).chain(self.worker.files()).cloned().collect()
    }
}

/// Previews templates with the flags of a command line.
pub(super) struct FlagPreviewer {
    pub(super) args: RunArgs,
}

impl Previewer for FlagPreviewer {
    fn preview(&mut self, template: &Rc<SourceFile>, generation: Generation) -> Result<Vec<Diagnostic>> {
        let (mut arena, mut files, policy) = (Arena::default(), InputReader::default(), MaskPolicy::default());
        let RunArgs { scenario, agent, worker } = &self.args;
        let scenario = scenario.as_deref().map(Path::new);
        let output = match generation {
            Generation::Prefect1 => agent::preview(&mut arena, &mut files, Some(template), scenario, agent, &policy)?,
            Generation::Prefect2Or3 => worker::preview(&mut arena, &mut files, template, scenario, worker, &policy)?,
        };
        let mut notes = output.notes;
        notes.extend(arena.duplicate_keys.warnings());
        Ok(notes)
    }

    fn treats_jobs_as_prefect1(&self) -> bool {
        self.args.agent.first_given_flag().is_some()
    }
}
