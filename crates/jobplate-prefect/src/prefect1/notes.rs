//! Remarks on a preview: what of a template, a run config or an agent is lost, or means something else than it says.

use jobplate_diagnostic::{Message, ProgramName};
use std::collections::HashMap;

use jobplate_manifest::env::referenced_names;

use super::agent::Agent;
use super::config::Config;
use super::environment::{Origin, Source, Variable};
use super::managed::is_managed;
use super::preview::Preview;
use super::scenario::Scenario;
use crate::note::Note;
use crate::pyvalue::environ::references;
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::Place;
use crate::pyvalue::text;
use crate::value_description::ValueDescription;
use crate::variables::{CLOUD_API_URL, secret_name};

/// Variables of an agent's Deployment that nothing reads since Prefect 1.0.
const DEAD: [&str; 6] =
    ["JOB_MEM_REQUEST", "JOB_MEM_LIMIT", "JOB_CPU_REQUEST", "JOB_CPU_LIMIT", "IMAGE_PULL_POLICY", "YAML_TEMPLATE"];

/// Finds the remarks on a preview. `deployed`: the scenario's environment is that of a Deployment.
pub fn find(heap: &Heap, preview: &Preview, scenario: &Scenario, deployed: bool) -> Vec<Note> {
    let mut notes = Notes { heap, found: Vec::new() };
    notes.on_template(preview);
    preview.job.environment.0.iter().for_each(|variable| notes.on_variable(variable));
    notes.on_order(&preview.job.environment.0);
    notes.on_agent(&preview.agent, preview.config);
    if deployed {
        notes.on_deployment(scenario);
    }
    notes.found
}

struct Notes<'h> {
    heap: &'h Heap,
    found: Vec<Note>,
}

impl Notes<'_> {
    fn add(&mut self, text: impl Into<Message>, place: Option<&Place>) {
        self.found.push(Note::new(text, place));
    }

    fn on_template(&mut self, preview: &Preview) {
        let heap = self.heap;
        if let Some(kind) = heap.item(preview.job.root, "kind").filter(|kind| heap.str(*kind) != Some("Job")) {
            let own = text::str(heap, kind);
            let text = match own.as_ref() {
                "Deployment" => "this is a Deployment, and an agent can make nothing but a Job: the manifest of an \
                                 agent goes behind `--agent`, that of a worker behind `--worker`"
                    .to_owned(),
                own => format!("this is a {own}, and an agent can make nothing but a Job"),
            };
            self.add(text, heap.place(kind));
        }
        for (key, own) in &preview.job.replaced {
            let what = match *key {
                "args" => "has no effect: Prefect puts its own command line there (a `command` stays)".to_owned(),
                "metadata.name" => "has no effect: this version names every Job prefect-job-...".to_owned(),
                "image" if preview.run_config.image.is_some() => "is replaced by that of the run config".to_owned(),
                "image" => "is replaced by that of the flow's storage".to_owned(),
                key => {
                    let new = heap.item(preview.job.pod, key);
                    let of_run = match key {
                        "serviceAccountName" => preview.run_config.service_account_name.is_some(),
                        _ => !preview.run_config.image_pull_secrets.is_empty(),
                    };
                    match (of_run, new.and_then(|new| heap.str(new))) {
                        (true, _) => "is replaced by that of the run config".to_owned(),
                        (false, Some("")) => {
                            "is blanked by the agent's SERVICE_ACCOUNT_NAME, which is empty: remove that variable"
                                .to_owned()
                        }
                        (false, _) => "is replaced by the agent's own".to_owned(),
                    }
                }
            };
            self.add(format!("`{key}` {what}"), heap.place(*own));
        }
        let containers = heap.item(preview.job.pod, "containers");
        let items = match containers.map(|list| heap.get(list)) {
            Some(Data::List(items)) => items.as_slice(),
            _ => &[],
        };
        let name = |container: &Id| heap.item(*container, "name").and_then(|name| heap.str(name));
        let first = items.first().and_then(name);
        match items.iter().skip(1).find(|container| name(container) == Some("flow")) {
            Some(flow) => {
                let first = first.map_or(String::new(), |first| format!(", `{first}`"));
                let text = format!(
                    "the flow runs in the first container{first}, not in `flow`, whose variables do not reach it: put \
                     `flow` first"
                );
                self.add(text, heap.item(*flow, "name").and_then(|name| heap.place(name)));
            }
            None if first.is_none() => {
                self.add("the flow's container has no name: Kubernetes will refuse the Job", None);
            }
            None => {}
        }
        let namespace = heap.item(preview.job.root, "metadata").and_then(|own| heap.item(own, "namespace"));
        if let Some(own) = namespace {
            let agents = preview.agent.namespace.map_or("default", |agents| heap.str(agents).unwrap_or_default());
            let is_known = !preview.agent.namespace.is_some_and(|agents| matches!(heap.get(agents), Data::Unknown(_)));
            if is_known && heap.str(own) != Some(agents) {
                let text =
                    format!("the agent makes its Jobs in the namespace `{agents}`: Kubernetes will refuse this one");
                self.add(text, heap.place(own));
            }
        }
    }

    fn on_variable(&mut self, variable: &Variable) {
        let heap = self.heap;
        let name = text::str(heap, variable.name);
        let winner = match variable.source.origin {
            Origin::Template => "another entry",
            Origin::AgentEnv => "the agent's `--env`",
            Origin::RunConfig => "the run config",
            Origin::Agent | Origin::FlowRun => "the agent",
            Origin::Prefect => "Prefect",
        };
        for Source { origin, place, shown } in &variable.hides {
            let managed = is_managed(&name) && !matches!(variable.source.origin, Origin::AgentEnv | Origin::RunConfig);
            let text = match (origin, shown) {
                (Origin::Template, ValueDescription::Reference(to)) if managed => {
                    format!(
                        "`{name}` is lost here, and its reference to {to}: {winner} puts its own value in its place"
                    )
                }
                (Origin::Template, ValueDescription::Reference(to)) => {
                    format!("`{name}` is lost here, and its reference to {to}: {winner} puts plain text in its place")
                }
                (Origin::Template, _) => {
                    format!("`{name}` has no effect here: {winner} puts its own value in its place")
                }
                (Origin::RunConfig | Origin::AgentEnv, _) if managed => {
                    format!("`{name}` has no effect here: {winner} puts its own value in its place")
                }
                _ => continue,
            };
            self.add(text, place.as_ref());
        }
        if let (Origin::AgentEnv, ValueDescription::ResolvedReference(from)) =
            (variable.source.origin, &variable.source.shown)
        {
            let text = format!("the agent's `--env` puts {from} into every flow run as plain text, under `{name}`");
            self.add(text, variable.source.place.as_ref());
        }
        if let ValueDescription::NotText(kind) = variable.source.shown {
            let text = match variable.source.origin {
                Origin::Agent => {
                    format!(
                        "Prefect takes what is set here for {kind}, as the value of `{name}`: Kubernetes will refuse the Job"
                    )
                }
                _ => format!("the value of `{name}` is {kind}: Kubernetes will refuse the Job; put it in quotes"),
            };
            self.add(text, variable.source.place.as_ref());
        }
        if !matches!(heap.get(variable.name), Data::Str(_) | Data::Unknown(_)) {
            let kind = heap.kind(variable.name);
            let text = format!(
                "the name of this variable is {kind} to PyYAML: Kubernetes will refuse the Job; put it in quotes"
            );
            self.add(text, heap.place(variable.name));
        }
    }

    /// A value can only use variables that stand before it.
    fn on_order(&mut self, variables: &[Variable]) {
        let heap = self.heap;
        let names = variables.iter().enumerate().map(|(position, variable)| (text::str(heap, variable.name), position));
        // Of two of one name, the first counts: behind it there is a value.
        let mut first: HashMap<String, usize> = HashMap::new();
        names.for_each(|(name, position)| {
            first.entry(name).or_insert(position);
        });
        for (position, variable) in variables.iter().enumerate() {
            let value = match variable.source.origin {
                Origin::Template => heap.item(variable.value, "value"),
                _ => Some(variable.value),
            };
            let Some(value) = value.and_then(|value| heap.str(value)) else { continue };
            let mut used: Vec<&str> = referenced_names(value).collect();
            used.dedup();
            for later in used.into_iter().filter(|name| first.get(*name).is_some_and(|first| *first > position)) {
                let own = text::str(heap, variable.name);
                let text = format!("`{own}` uses $({later}), which comes later: Kubernetes will not expand it");
                self.add(text, variable.source.place.as_ref());
            }
        }
    }

    fn on_agent(&mut self, agent: &Agent, config: Config) {
        let heap = self.heap;
        let setting = |name: &str| config.get(heap, name);
        let (backend, api) = (setting("backend"), setting("cloud.api"));
        let backend_is = |wanted: &str| backend.and_then(|backend| heap.str(backend)) == Some(wanted);
        let is_unknown = backend.is_some_and(|backend| matches!(heap.get(backend), Data::Unknown(_)));
        let place = backend.and_then(|backend| heap.place(backend));
        if !backend_is("cloud") && !backend_is("server") && !is_unknown {
            self.add("PREFECT__BACKEND of the agent is neither `cloud` nor `server`: flows find no API with it", place);
        } else if backend_is("server") && api.and_then(|api| heap.str(api)) == Some(CLOUD_API_URL) {
            let text = "the agent's backend is `server`, but its PREFECT__CLOUD__API is that of Prefect Cloud";
            self.add(text, api.and_then(|api| heap.place(api)));
        }
        if agent.asks_for_tenant {
            self.add("PREFECT__CLOUD__TENANT_ID is made up here: the agent asks Prefect's API for it", None);
        }
        if let Some(unknown) = agent.unknown_env {
            let text =
                "the variables that PREFECT__CLOUD__AGENT__ENV_VARS holds are not known here: they may hide others";
            self.add(text, heap.place(unknown));
        }
        if let Some(account) = agent.service_account_name
            && let Data::Unknown(from) = heap.get(account)
        {
            let text = format!("the agent's service account ({}) is not known here", references(from));
            self.add(text, heap.place(account));
        }
        if let Data::Unknown(from) = heap.get(agent.api_key) {
            let from = references(from);
            let text = format!("the agent hands its API key ({from}) to every flow run as plain text");
            self.add(text, heap.place(agent.api_key));
        }
    }

    fn on_deployment(&mut self, scenario: &Scenario) {
        for variable in &scenario.environ.0 {
            let place = variable.place.as_ref();
            if secret_name(&variable.name).is_some() {
                let text = Message::from(format!(
                    "`{}` of the agent is not handed on to flow runs: put it into the job template (`",
                    variable.name
                )) + ProgramName
                    + " render FILE --secret ...`)";
                self.add(text, place);
            } else if DEAD.contains(&variable.name.as_str()) && !variable.value.text().is_empty() {
                self.add(format!("nothing reads `{}` of the agent since Prefect 1.0", variable.name), place);
            } else if variable.name == "PREFECT__CLOUD__USE_LOCAL_SECRETS" {
                let text =
                    "PREFECT__CLOUD__USE_LOCAL_SECRETS of the agent is not handed on: flow runs always get `false`";
                self.add(text, place);
            }
        }
    }
}
