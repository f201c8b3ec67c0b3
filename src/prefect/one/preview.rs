//! A preview: everything that the agent does between a flow run and its Job, in one call.

use std::rc::Rc;

use super::Version;
use super::agent::Agent;
use super::config::{self, Config};
use super::defaults::JOB_TEMPLATE;
use super::job::{Job, Run, generate};
use super::run_config::{Path, ReadFile, RunConfig, at_path};
use super::scenario::Scenario;
use crate::error::{Error, Result};
use crate::python::heap::{Heap, Id, Text, at};
use crate::python::yaml;

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
/// Fails where Prefect fails.
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
        (None, Some(path), _) => read_path(heap, path, file)?,
        (None, None, Some(path)) if template.is_none() => read_path(heap, path, file)?,
        _ => match template {
            Some(template) => yaml::load(heap, template)?,
            None => {
                let (name, text) = ("Prefect's own template".to_owned(), JOB_TEMPLATE.to_owned());
                yaml::load(heap, &Rc::new(Text { name, first_line: 1, text, is_manifest: true }))?
            }
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
    Ok(Preview { job, agent, config, run_config, is_agents_template })
}

/// Reads a template where an agent would.
fn read_path(heap: &mut Heap, path: Id, file: &ReadFile<'_>) -> Result<Id> {
    let Some(text) = heap.str(path) else {
        return Err(at(Error::input("the path of a job template must be text"), heap.place(path)));
    };
    let Path { scheme, path: local } = Path::parse(text);
    match scheme.as_str() {
        "file" | "agent" => {
            let template = file(&local).map_err(|error| {
                at_path(error, heap, path, "where the agent runs it may be there: name the job template as FILE")
            })?;
            yaml::load(heap, &template)
        }
        "http" | "https" | "s3" | "gcs" | "gs" => {
            let error = Error::input(format!("a job template behind `{scheme}:` is not fetched"));
            let hint = "download it, and name it as FILE, without this path";
            Err(at(error.hint(hint), heap.place(path)))
        }
        _ => {
            let error = Error::input("Prefect reads no job template by this scheme");
            Err(at(error.hint("it knows files, http, https, s3, gs, gcs and agent"), heap.place(path)))
        }
    }
}
