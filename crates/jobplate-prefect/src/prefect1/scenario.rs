//! Scenarios: the input of a preview other than the job template.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};

use super::agent::AgentArguments;
use super::flow::Flow;
use super::run_config::{self, embedded_source};
use crate::kwargs::{Kwargs, first_key};
use crate::pyvalue::arena::{Arena, ValueId};
use crate::pyvalue::environ::Environ;
use crate::pyvalue::source::{SourceFile, locate};
use crate::pyvalue::yaml;

/// A flow run, its flow and its agent.
#[derive(Debug)]
pub struct AgentScenario {
    /// The run config of the flow run, if it has one.
    pub run_config: Option<ValueId>,
    /// The arguments of the agent.
    pub start: AgentArguments,
    /// The environment of the agent.
    pub environ: Environ,
    /// The agent's `config.toml`, if it has one.
    pub user_config: Option<Rc<SourceFile>>,
    /// The flow of the flow run.
    pub flow: Flow,
    /// The ID of the flow run.
    pub flow_run_id: ValueId,
    /// The eight characters at the end of the Job's name, which Prefect generates.
    pub identifier: String,
}

const KEYS: [&str; 7] = ["run_config", "agent", "environ", "user_config", "flow", "flow_run_id", "identifier"];

/// The keys that only scenarios for Prefect 2 and 3 have.
const PREFECT_3_KEYS: [&str; 5] = ["job_variables", "deployment", "flow_run", "work_pool", "worker"];

/// The placeholder for IDs that Prefect generates.
const DEFAULT_ID: &str = "new_id";

/// The placeholder for the characters at the end of the Job's name.
const DEFAULT_IDENTIFIER: &str = "0a1b2c3d";

impl AgentScenario {
    /// Returns a scenario with default values.
    pub fn minimal(arena: &mut Arena) -> Self {
        let flow =
            Flow { id: arena.alloc_str(DEFAULT_ID), core_version: Some(arena.alloc_str("1.4.1")), storage: None };
        AgentScenario {
            run_config: None,
            start: AgentArguments::default(),
            environ: Environ::default(),
            user_config: None,
            flow,
            flow_run_id: arena.alloc_str(DEFAULT_ID),
            identifier: DEFAULT_IDENTIFIER.to_owned(),
        }
    }

    /// Returns whether the scenario has a setting of the agent. Otherwise, the agent is not known.
    pub(super) fn describes_agent(&self) -> bool {
        self.start.kwargs.is_some() || !self.environ.is_empty() || self.user_config.is_some()
    }

    /// Reads a scenario file.
    ///
    /// # Errors
    /// Fails if a key is unknown or a value is invalid.
    pub fn read(arena: &mut Arena, source: &Rc<SourceFile>) -> Result<Self> {
        let root = yaml::load(arena, source)?;
        let mut scenario = AgentScenario::minimal(arena);
        if !arena.is_truthy(root) {
            return Ok(scenario);
        }
        if let Some(key) = first_key(arena, root, &["template", "template_text"]) {
            let error = Error::input("a scenario must not contain a job template");
            return Err(locate(error.hint("pass the template as FILE"), arena.location(key)));
        }
        if let Some(key) = first_key(arena, root, &run_config::KUBERNETES_RUN_KEYS) {
            let error = Error::input("the run config of a scenario must be under `run_config`");
            return Err(locate(error.hint("pass a run config alone with `--run-config`"), arena.location(key)));
        }
        if let Some(key) = first_key(arena, root, &PREFECT_3_KEYS) {
            let error = Error::input("the scenario is for Prefect 2 or 3, but the template is for Prefect 1");
            let hint = format!("use the keys for Prefect 1: {}", KEYS.join(", "));
            return Err(locate(error.hint(hint), arena.location(key)));
        }
        let scenario_keys = Kwargs::read(arena, root, &KEYS, "a scenario")?;
        scenario.run_config = scenario_keys.get(arena, "run_config");
        scenario.start.kwargs = scenario_keys.truthy(arena, "agent");
        if let Some(environ) = scenario_keys.truthy(arena, "environ") {
            scenario.environ = Environ::read(arena, environ, "`environ`")?;
        }
        if let Some(config) = scenario_keys.truthy(arena, "user_config") {
            let Some(text) = arena.as_str(config) else {
                let error = Error::input("`user_config` must be a string with the contents of a config.toml");
                return Err(locate(error.hint("write it as a block: `user_config: |`"), arena.location(config)));
            };
            scenario.user_config = Some(embedded_source(arena, config, text.to_owned()));
        }
        if let Some(flow) = scenario_keys.truthy(arena, "flow") {
            let flow_keys = Kwargs::read(arena, flow, &["id", "core_version", "storage"], "the flow")?;
            scenario.flow.id = arena.dict_get(flow, "id").unwrap_or(scenario.flow.id);
            if let Some(version) = arena.dict_get(flow, "core_version") {
                scenario.flow.core_version = Some(version);
            }
            scenario.flow.storage = flow_keys.truthy(arena, "storage");
        }
        scenario.flow_run_id = arena.dict_get(root, "flow_run_id").unwrap_or(scenario.flow_run_id);
        if let Some(identifier) = scenario_keys.truthy(arena, "identifier") {
            match arena.as_str(identifier) {
                Some(text) => scenario.identifier = text.chars().chain(['0'; 8]).take(8).collect(),
                None => {
                    let error = Error::input("`identifier` must be a string");
                    return Err(locate(error.hint("put it in quotes"), arena.location(identifier)));
                }
            }
        }
        Ok(scenario)
    }
}
