//! A preview: everything that the agent does between a flow run and its Job, in one call.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};

use super::agent::Agent;
use super::config::{self, Config};
use super::job::{Job, Run, generate};
use super::run_config::{ReadFile, RunConfig};
use super::scenario::Scenario;
use super::template_source;
use super::version::Version;
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::{Text, at};
use crate::pyvalue::yaml;

/// A Job, and who made it.
#[derive(Debug)]
pub struct Preview {
    /// The Job.
    pub job: Job,
    /// The agent.
    pub agent: Agent,
    /// Its configuration.
    pub config: Config,
    /// What the flow asked for.
    pub run_config: RunConfig,
    /// Whether the template is the agent's own, not one that the run config brings.
    pub is_agents_template: bool,
}

/// Makes the Job of a flow run. `template` is the agent's job template; without one, it is what the scenario's
/// agent is started with, or Prefect's own. `file` reads other files that the scenario names.
///
/// # Errors
/// Fails where Prefect fails, and at what is not followed.
pub fn preview(
    heap: &mut Heap,
    version: Version,
    template: Option<&Rc<Text>>,
    scenario: &Scenario,
    file: &ReadFile<'_>,
) -> Result<Preview> {
    let config = config::load(heap, &scenario.environ, scenario.user_config.as_ref())?;
    let agent = Agent::start(heap, version, scenario.start, &scenario.environ, config)?;
    let run_config = match scenario.run_config {
        Some(given) => RunConfig::read(heap, given, file)?,
        None => RunConfig::default(),
    };
    let is_agents_template = !run_config.has_template();
    let root = match (run_config.job_template, run_config.job_template_path, agent.job_template_path) {
        (Some(own), _, _) => own,
        (None, Some(path), _) => template_source::read(heap, path, file)?,
        (None, None, Some(path)) if template.is_none() => template_source::read(heap, path, file)?,
        _ => match template {
            Some(template) => yaml::load(heap, template)?,
            None => yaml::load(heap, &template_source::default())?,
        },
    };
    let run = Run {
        version,
        template: root,
        run_config: &run_config,
        agent: &agent,
        config,
        flow: scenario.flow,
        flow_run_id: scenario.flow_run_id,
        identifier: &scenario.identifier,
    };
    let job = generate(heap, &run)?;
    if run_config.job_template.is_some() {
        refuse_dates(heap, &[scenario.flow.id, scenario.flow_run_id])?;
    }
    Ok(Preview { job, agent, config, run_config, is_agents_template })
}

/// Ids become labels of the run config's own template, which Prefect then writes down once more: as JSON, which has
/// no dates.
fn refuse_dates(heap: &Heap, ids: &[Id]) -> Result<()> {
    ids.iter().try_for_each(|id| match heap.get(*id) {
        Data::Time(_) => {
            let error = Error::input("a date as an id can't be in the job template of a run config");
            Err(at(error.hint("put it in quotes"), heap.place(*id)))
        }
        Data::List(items) | Data::Tuple(items) => refuse_dates(heap, items),
        Data::Dict(pairs) => pairs.iter().try_for_each(|(key, value)| refuse_dates(heap, &[*key, *value])),
        _ => Ok(()),
    })
}
