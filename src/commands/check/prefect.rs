//! Previews the Jobs of Prefect for `check`, with the same flags as `preview`.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::Args;
use jobplate::check::{DescribedRun, Previewer};
use jobplate_diagnostic::{Diagnostic, Error, ErrorKind, Result};
use jobplate_manifest::sensitive::MaskPolicy;
use jobplate_prefect::generation::Generation;
use jobplate_prefect::pyvalue::arena::Arena;
use jobplate_prefect::pyvalue::source::SourceFile;

use crate::commands::preview::agent::{self, AgentArgs};
use crate::commands::preview::worker::{self, WorkerArgs};
use crate::shared::edit_args::is_stdin;
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
    args: RunArgs,
    files: InputReader,
    /// The generations of Prefect of the templates so far.
    seen: Vec<Generation>,
    /// The first error about the command line, which each template has.
    usage_error: Option<Error>,
}

impl FlagPreviewer {
    /// Creates a previewer.
    ///
    /// # Errors
    ///
    /// Fails if a file that describes the run cannot be read, or if standard input is both this file and an input.
    pub(super) fn new(args: RunArgs, inputs: &[PathBuf]) -> Result<Self> {
        let is_read_twice = [inputs, &args.files()].iter().all(|files| files.iter().any(|file| is_stdin(file)));
        if is_read_twice {
            return Err(Error::usage("standard input (`-`) is passed twice").hint("remove one of the two"));
        }
        let mut files = InputReader::with_cache();
        let errors = args.files().into_iter().filter_map(|file| files.read_source(&file, false).err());
        match Error::combine(errors) {
            Some(error) => Err(error),
            None => Ok(FlagPreviewer { args, files, seen: Vec::new(), usage_error: None }),
        }
    }

    /// Returns the error about a flag that had no effect or is invalid.
    ///
    /// # Errors
    ///
    /// Fails if a flag is invalid, or describes a run and no template of its version of Prefect was checked.
    pub(super) fn finish(self) -> Result<()> {
        if let Some(error) = self.usage_error {
            return Err(error);
        }
        let RunArgs { scenario, agent, worker } = &self.args;
        let is_seen = |generation| self.seen.contains(&generation);
        let unused = |flag: Option<&'static str>, template: &str| match flag {
            Some(flag) => Err(Error::usage(format!("`{flag}` has no effect: the input has no {template}"))
                .hint("remove the flag, or pass the template too")),
            None => Ok(()),
        };
        let flag_of = |flag, generation| Some(flag).filter(|_| !is_seen(generation)).flatten();
        unused(flag_of(agent.first_given_flag(), Generation::Prefect1), "job template of Prefect 1")?;
        unused(flag_of(worker.first_given_flag(), Generation::Prefect2Or3), "base job template of Prefect 2 or 3")?;
        unused(scenario.as_ref().map(|_| "--scenario").filter(|_| self.seen.is_empty()), "template of Prefect")
    }
}

impl Previewer for FlagPreviewer {
    fn preview(&mut self, template: &Rc<SourceFile>, generation: Generation) -> Result<Vec<Diagnostic>> {
        let (mut arena, policy) = (Arena::default(), MaskPolicy::default());
        let RunArgs { scenario, agent, worker } = &self.args;
        let scenario = scenario.as_deref().map(Path::new);
        if !self.seen.contains(&generation) {
            self.seen.push(generation);
        }
        let output = match generation {
            Generation::Prefect1 => {
                agent::preview(&mut arena, &mut self.files, Some(template), scenario, agent, &policy)
            }
            Generation::Prefect2Or3 => {
                worker::preview(&mut arena, &mut self.files, template, scenario, worker, &policy)
            }
        };
        match output {
            Ok(output) => {
                let mut notes = output.notes;
                notes.extend(arena.duplicate_keys.warnings());
                Ok(notes)
            }
            Err(error) if error.kind() == ErrorKind::Usage => {
                self.usage_error.get_or_insert(error);
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    fn run(&self) -> DescribedRun {
        DescribedRun {
            is_prefect1: self.args.agent.first_given_flag().is_some(),
            has_scenario: self.args.scenario.is_some(),
        }
    }
}
