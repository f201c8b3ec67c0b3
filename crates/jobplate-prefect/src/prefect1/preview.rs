//! Previews the Job of a flow run: the steps of the agent from the flow run to the Job.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};

use super::agent::Agent;
use super::config::{self, Config};
use super::config_check::check_config;
use super::job::{Job, JobRequest, generate};
use super::run_config::{ReadFile, RunConfig};
use super::scenario::AgentScenario;
use super::template_source;
use super::version::AgentVersion;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::{SourceFile, locate};
use crate::pyvalue::yaml;

/// A Job, with the input from which it was generated.
#[derive(Debug)]
pub struct AgentPreview {
    /// The generated Job.
    pub job: Job,
    /// The agent that creates the Job.
    pub agent: Agent,
    /// The configuration of the agent.
    pub config: Config,
    /// The run config of the flow.
    pub run_config: RunConfig,
    /// Whether the template comes from the agent. If false, the template comes from the run config.
    pub is_agents_template: bool,
}

/// Creates the Job of a flow run.
///
/// `template` is the agent's job template. Without it, the agent's `job_template_path` or Prefect's default is used. A
/// template of the run config overrides all of them. `file` reads the files that the scenario names.
///
/// # Errors
/// Fails if Prefect fails, or if this crate does not support the input.
pub fn preview(
    arena: &mut Arena,
    version: AgentVersion,
    template: Option<&Rc<SourceFile>>,
    scenario: &AgentScenario,
    file: &ReadFile<'_>,
) -> Result<AgentPreview> {
    let config = config::load(arena, &scenario.environ, scenario.user_config.as_ref())?;
    check_config(arena, config)?;
    let agent = Agent::start(arena, version, scenario.start, &scenario.environ, config)?;
    let run_config = match scenario.run_config {
        Some(input) => RunConfig::read(arena, input, file)?,
        None => RunConfig::default(),
    };
    let is_agents_template = !run_config.has_template();
    let root = match (run_config.job_template, run_config.job_template_path, agent.job_template_path) {
        (Some(own), _, _) => own,
        (None, Some(path), _) => template_source::read(arena, path, file)?,
        (None, None, Some(path)) if template.is_none() => template_source::read(arena, path, file)?,
        _ => match template {
            Some(template) => yaml::load(arena, template)?,
            None => yaml::load(arena, &template_source::default_template())?,
        },
    };
    // The notes describe entries that are not part of the Job.
    arena.check_size(root, "the job template")?;
    let run = JobRequest {
        version,
        template: root,
        run_config: &run_config,
        agent: &agent,
        config,
        flow: scenario.flow,
        flow_run_id: scenario.flow_run_id,
        identifier: &scenario.identifier,
    };
    let job = generate(arena, &run)?;
    if run_config.job_template.is_some() {
        refuse_dates(arena, &[scenario.flow.id, scenario.flow_run_id])?;
    }
    arena.check_size(job.root, "the Job")?;
    Ok(AgentPreview { job, agent, config, run_config, is_agents_template })
}

/// Fails if an ID is or contains a date. The IDs become labels in the run config's template. Prefect serializes that
/// template to JSON, and JSON has no dates.
fn refuse_dates(arena: &Arena, ids: &[ValueId]) -> Result<()> {
    ids.iter().try_for_each(|id| match arena.get(*id) {
        Value::Timestamp(_) => {
            let error = Error::input("a date as an id cannot be in the job template of a run config");
            Err(locate(error.hint("put it in quotes"), arena.location(*id)))
        }
        Value::List(items) | Value::Tuple(items) => refuse_dates(arena, items),
        Value::Dict(pairs) => pairs.iter().try_for_each(|(key, value)| refuse_dates(arena, &[*key, *value])),
        _ => Ok(()),
    })
}
