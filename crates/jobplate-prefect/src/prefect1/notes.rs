//! The notes of a preview: settings of a template, a run config or an agent that are overridden or have no effect.

use jobplate_diagnostic::{Message, ProgramName};
use std::collections::HashMap;

use jobplate_manifest::env::referenced_names;

use super::agent::Agent;
use super::config::Config;
use super::environment::{FlowVariable, FlowVariableOrigin, FlowVariableSource};
use super::managed::is_managed;
use super::preview::AgentPreview;
use super::scenario::AgentScenario;
use crate::note::Note;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::environ::find_references;
use crate::pyvalue::source::Location;
use crate::pyvalue::string;
use crate::value_description::ValueDescription;
use crate::variables::{CLOUD_API_URL, secret_name};

/// Variables of an agent's Deployment that Prefect 1.0 removed.
const REMOVED_VARIABLES: [&str; 6] =
    ["JOB_MEM_REQUEST", "JOB_MEM_LIMIT", "JOB_CPU_REQUEST", "JOB_CPU_LIMIT", "IMAGE_PULL_POLICY", "YAML_TEMPLATE"];

/// Returns the notes of a preview. `is_deployed` is true if the scenario's environment comes from a Deployment.
pub fn collect(arena: &Arena, preview: &AgentPreview, scenario: &AgentScenario, is_deployed: bool) -> Vec<Note> {
    let mut notes = NoteCollector { arena, found: Vec::new() };
    notes.add_template_notes(preview);
    preview.job.environment.variables().iter().for_each(|variable| notes.add_variable_notes(variable));
    notes.add_order_notes(preview.job.environment.variables());
    notes.add_agent_notes(&preview.agent, preview.config);
    if is_deployed {
        notes.add_deployment_notes(scenario);
    }
    notes.found
}

struct NoteCollector<'h> {
    arena: &'h Arena,
    found: Vec<Note>,
}

impl NoteCollector<'_> {
    fn add(&mut self, text: impl Into<Message>, location: Option<&Location>) {
        self.found.push(Note::new(text, location));
    }

    fn add_template_notes(&mut self, preview: &AgentPreview) {
        let arena = self.arena;
        if let Some(kind) = arena.dict_get(preview.job.root, "kind").filter(|kind| arena.as_str(*kind) != Some("Job")) {
            let own = string::str(arena, kind);
            let text = match own.as_ref() {
                "Deployment" => "this is a Deployment, and an agent can make nothing but a Job: the manifest of an \
                                 agent goes behind `--agent`, that of a worker behind `--worker`"
                    .to_owned(),
                own => format!("this is a {own}, and an agent can make nothing but a Job"),
            };
            self.add(text, arena.location(kind));
        }
        self.add_replaced_key_notes(preview);
        self.add_container_notes(preview);
        self.add_namespace_note(preview);
    }

    /// Adds notes about keys of the template that the agent replaces.
    fn add_replaced_key_notes(&mut self, preview: &AgentPreview) {
        let arena = self.arena;
        for (key, own) in &preview.job.replaced {
            let effect = match *key {
                "args" => "has no effect: Prefect puts its own command line there (a `command` stays)".to_owned(),
                "metadata.name" => "has no effect: this version names every Job prefect-job-...".to_owned(),
                "image" if preview.run_config.image.is_some() => "is replaced by that of the run config".to_owned(),
                "image" => "is replaced by that of the flow's storage".to_owned(),
                key => {
                    let new = arena.dict_get(preview.job.pod, key);
                    let is_from_run_config = match key {
                        "serviceAccountName" => preview.run_config.service_account_name.is_some(),
                        _ => !preview.run_config.image_pull_secrets.is_empty(),
                    };
                    match (is_from_run_config, new.and_then(|new| arena.as_str(new))) {
                        (true, _) => "is replaced by that of the run config".to_owned(),
                        (false, Some("")) => {
                            "is blanked by the agent's SERVICE_ACCOUNT_NAME, which is empty: remove that variable"
                                .to_owned()
                        }
                        (false, _) => "is replaced by the agent's own".to_owned(),
                    }
                }
            };
            self.add(format!("`{key}` {effect}"), arena.location(*own));
        }
    }

    /// Adds notes about a container named `flow` that does not run the flow, and about a flow's container without a
    /// name.
    fn add_container_notes(&mut self, preview: &AgentPreview) {
        let arena = self.arena;
        let containers = arena.dict_get(preview.job.pod, "containers");
        let items = match containers.map(|list| arena.get(list)) {
            Some(Value::List(items)) => items.as_slice(),
            _ => &[],
        };
        let name_of = |container: &ValueId| arena.dict_get(*container, "name").and_then(|name| arena.as_str(name));
        let first = items.first().and_then(name_of);
        match items.iter().skip(1).find(|container| name_of(container) == Some("flow")) {
            Some(flow) => {
                let first = first.map_or(String::new(), |first| format!(", `{first}`"));
                let text = format!(
                    "the flow runs in the first container{first}, not in `flow`, whose variables do not reach it: put \
                     `flow` first"
                );
                self.add(text, arena.dict_get(*flow, "name").and_then(|name| arena.location(name)));
            }
            None if first.is_none() => {
                self.add("the flow's container has no name: Kubernetes will refuse the Job", None);
            }
            None => {}
        }
    }

    /// Adds a note if the template's namespace differs from the namespace in which the agent creates its Jobs.
    fn add_namespace_note(&mut self, preview: &AgentPreview) {
        let arena = self.arena;
        let namespace =
            arena.dict_get(preview.job.root, "metadata").and_then(|metadata| arena.dict_get(metadata, "namespace"));
        if let Some(own) = namespace {
            let agents = preview.agent.namespace.map_or("default", |agents| arena.as_str(agents).unwrap_or_default());
            let is_known =
                !preview.agent.namespace.is_some_and(|agents| matches!(arena.get(agents), Value::Unknown(_)));
            if is_known && arena.as_str(own) != Some(agents) {
                let text =
                    format!("the agent makes its Jobs in the namespace `{agents}`: Kubernetes will refuse this one");
                self.add(text, arena.location(own));
            }
        }
    }

    fn add_variable_notes(&mut self, variable: &FlowVariable) {
        let arena = self.arena;
        let name = string::str(arena, variable.name);
        let winner = match variable.source.origin {
            FlowVariableOrigin::Template => "another entry",
            FlowVariableOrigin::AgentEnv => "the agent's `--env`",
            FlowVariableOrigin::RunConfig => "the run config",
            FlowVariableOrigin::Agent | FlowVariableOrigin::FlowRun => "the agent",
            FlowVariableOrigin::Prefect => "Prefect",
        };
        for FlowVariableSource { origin, location, shown } in &variable.overridden {
            let managed = is_managed(&name)
                && !matches!(variable.source.origin, FlowVariableOrigin::AgentEnv | FlowVariableOrigin::RunConfig);
            let text = match (origin, shown) {
                (FlowVariableOrigin::Template, ValueDescription::Reference(to)) if managed => {
                    format!(
                        "`{name}` is lost here, and its reference to {to}: {winner} puts its own value in its place"
                    )
                }
                (FlowVariableOrigin::Template, ValueDescription::Reference(to)) => {
                    format!("`{name}` is lost here, and its reference to {to}: {winner} puts plain text in its place")
                }
                (FlowVariableOrigin::Template, _) => {
                    format!("`{name}` has no effect here: {winner} puts its own value in its place")
                }
                (FlowVariableOrigin::RunConfig | FlowVariableOrigin::AgentEnv, _) if managed => {
                    format!("`{name}` has no effect here: {winner} puts its own value in its place")
                }
                _ => continue,
            };
            self.add(text, location.as_ref());
        }
        if let (FlowVariableOrigin::AgentEnv, ValueDescription::ResolvedReference(from)) =
            (variable.source.origin, &variable.source.shown)
        {
            let text = format!("the agent's `--env` puts {from} into every flow run as plain text, under `{name}`");
            self.add(text, variable.source.location.as_ref());
        }
        if let ValueDescription::NotString(kind) = variable.source.shown {
            let text = match variable.source.origin {
                FlowVariableOrigin::Agent => {
                    format!(
                        "Prefect takes what is set here for {kind}, as the value of `{name}`: Kubernetes will refuse the Job"
                    )
                }
                _ => format!("the value of `{name}` is {kind}: Kubernetes will refuse the Job; put it in quotes"),
            };
            self.add(text, variable.source.location.as_ref());
        }
        if !matches!(arena.get(variable.name), Value::Str(_) | Value::Unknown(_)) {
            let kind = arena.describe_kind(variable.name);
            let text = format!(
                "the name of this variable is {kind} to PyYAML: Kubernetes will refuse the Job; put it in quotes"
            );
            self.add(text, arena.location(variable.name));
        }
    }

    /// Adds notes about values that use a later variable, which Kubernetes does not expand.
    fn add_order_notes(&mut self, variables: &[FlowVariable]) {
        let arena = self.arena;
        let names =
            variables.iter().enumerate().map(|(position, variable)| (string::str(arena, variable.name), position));
        // Kubernetes can expand a variable in every entry after the first entry with its name, so the first index is
        // kept.
        let mut first: HashMap<String, usize> = HashMap::new();
        names.for_each(|(name, position)| {
            first.entry(name).or_insert(position);
        });
        for (position, variable) in variables.iter().enumerate() {
            let value = match variable.source.origin {
                FlowVariableOrigin::Template => arena.dict_get(variable.value, "value"),
                _ => Some(variable.value),
            };
            let Some(value) = value.and_then(|value| arena.as_str(value)) else { continue };
            let mut used: Vec<&str> = referenced_names(value).collect();
            used.dedup();
            for later in used.into_iter().filter(|name| first.get(*name).is_some_and(|first| *first > position)) {
                let own = string::str(arena, variable.name);
                let text = format!("`{own}` uses $({later}), which comes later: Kubernetes will not expand it");
                self.add(text, variable.source.location.as_ref());
            }
        }
    }

    fn add_agent_notes(&mut self, agent: &Agent, config: Config) {
        let arena = self.arena;
        let get_setting = |name: &str| config.get(arena, name);
        let (backend, api) = (get_setting("backend"), get_setting("cloud.api"));
        let backend_is = |expected: &str| backend.and_then(|backend| arena.as_str(backend)) == Some(expected);
        let is_unknown = backend.is_some_and(|backend| matches!(arena.get(backend), Value::Unknown(_)));
        let location = backend.and_then(|backend| arena.location(backend));
        if !backend_is("cloud") && !backend_is("server") && !is_unknown {
            self.add(
                "PREFECT__BACKEND of the agent is neither `cloud` nor `server`: flows find no API with it",
                location,
            );
        } else if backend_is("server") && api.and_then(|api| arena.as_str(api)) == Some(CLOUD_API_URL) {
            let text = "the agent's backend is `server`, but its PREFECT__CLOUD__API is that of Prefect Cloud";
            self.add(text, api.and_then(|api| arena.location(api)));
        }
        if agent.is_tenant_placeholder {
            self.add("PREFECT__CLOUD__TENANT_ID is made up here: the agent asks Prefect's API for it", None);
        }
        if let Some(unknown) = agent.unknown_env {
            let text =
                "the variables that PREFECT__CLOUD__AGENT__ENV_VARS holds are not known here: they may hide others";
            self.add(text, arena.location(unknown));
        }
        if let Some(account) = agent.service_account_name
            && let Value::Unknown(from) = arena.get(account)
        {
            let text = format!("the agent's service account ({}) is not known here", find_references(from));
            self.add(text, arena.location(account));
        }
        if let Value::Unknown(from) = arena.get(agent.api_key) {
            let from = find_references(from);
            let text = format!("the agent hands its API key ({from}) to every flow run as plain text");
            self.add(text, arena.location(agent.api_key));
        }
    }

    fn add_deployment_notes(&mut self, scenario: &AgentScenario) {
        for variable in scenario.environ.iter() {
            let location = variable.location.as_ref();
            if secret_name(&variable.name).is_some() {
                let text = Message::from(format!(
                    "`{}` of the agent is not handed on to flow runs: put it into the job template (`",
                    variable.name
                )) + ProgramName
                    + " render FILE --secret ...`)";
                self.add(text, location);
            } else if REMOVED_VARIABLES.contains(&variable.name.as_str()) && !variable.value.as_str().is_empty() {
                self.add(format!("nothing reads `{}` of the agent since Prefect 1.0", variable.name), location);
            } else if variable.name == "PREFECT__CLOUD__USE_LOCAL_SECRETS" {
                let text =
                    "PREFECT__CLOUD__USE_LOCAL_SECRETS of the agent is not handed on: flow runs always get `false`";
                self.add(text, location);
            }
        }
    }
}
