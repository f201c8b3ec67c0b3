//! The notes of a preview: settings of a template, a run config or an agent that are overridden or have no effect.

use std::collections::{HashMap, HashSet};

use indexmap::IndexSet;
use jobplate_diagnostic::{Diagnostic, Message, ProgramName};
use jobplate_manifest::credentials::is_credential;
use jobplate_manifest::env::referenced_names;
use jobplate_manifest::sendable::non_string_hint;

use super::agent::Agent;
use super::config::Config;
use super::environment::{FlowVariable, FlowVariableOrigin, FlowVariableSource};
use super::managed::{self, is_managed};
use super::preview::AgentPreview;
use super::scenario::AgentScenario;
use crate::job_checks;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::environ::find_references;
use crate::pyvalue::source::{Location, locate_diagnostic};
use crate::pyvalue::string;
use crate::value_description::ValueDescription;
use crate::variables::{CLOUD_API_URL, secret_name};

/// Variables of an agent's Deployment that Prefect 1.0 removed.
const REMOVED_VARIABLES: [(&str, &str); 6] = [
    ("JOB_MEM_REQUEST", SET_RESOURCES),
    ("JOB_MEM_LIMIT", SET_RESOURCES),
    ("JOB_CPU_REQUEST", SET_RESOURCES),
    ("JOB_CPU_LIMIT", SET_RESOURCES),
    ("IMAGE_PULL_POLICY", "set `imagePullPolicy` in the job template"),
    ("YAML_TEMPLATE", "pass --job-template to the agent"),
];

/// The help for a removed variable with a request or a limit.
const SET_RESOURCES: &str = "set `resources` in the job template";

/// Returns the notes of a preview. `is_deployed` is true if the scenario's environment comes from a Deployment.
pub fn collect(arena: &Arena, preview: &AgentPreview, scenario: &AgentScenario, is_deployed: bool) -> Vec<Diagnostic> {
    let mut notes = NoteCollector { arena, found: Vec::new() };
    notes.add_template_notes(preview);
    notes.add_namespace_note(preview, scenario);
    for variable in preview.job.environment.variables() {
        notes.add_override_notes(variable);
        notes.add_value_notes(variable);
    }
    notes.add_order_notes(preview.job.environment.variables());
    notes.add_job_notes(preview.job.root);
    notes.add_agent_notes(&preview.agent, preview.config);
    if is_deployed {
        notes.add_deployment_notes(scenario, preview.job.environment.variables());
    }
    notes.found
}

struct NoteCollector<'h> {
    arena: &'h Arena,
    found: Vec<Diagnostic>,
}

impl NoteCollector<'_> {
    fn add(&mut self, note: Diagnostic, location: Option<&Location>) {
        self.found.push(locate_diagnostic(note, location));
    }

    fn add_template_notes(&mut self, preview: &AgentPreview) {
        let arena = self.arena;
        if let Some(kind) = arena.dict_get(preview.job.root, "kind").filter(|kind| arena.as_str(*kind) != Some("Job")) {
            let own = string::str(arena, kind);
            let mut error = Diagnostic::error("not-a-job", format!("the job template must be a Job, not a {own}"));
            if own == "Deployment" {
                error = error.help("pass an agent's manifest with --agent, or a worker's with --worker");
            }
            self.add(error, arena.location(kind));
        }
        self.add_replaced_key_notes(preview);
        self.add_container_notes(preview);
    }

    /// Adds notes about parts of the Job that Kubernetes rejects, and about expressions that Prefect does not replace.
    fn add_job_notes(&mut self, job: ValueId) {
        self.found.extend(job_checks::find(self.arena, job, &job_checks::NO_PLACEHOLDERS));
        for (id, expression) in job_checks::find_expressions(self.arena, job) {
            let warning = job_checks::expression_warning(expression).help("Prefect 1 has no placeholders: use a value");
            self.add(warning, self.arena.location(id));
        }
    }

    /// Adds notes about keys of the template that the agent replaces.
    fn add_replaced_key_notes(&mut self, preview: &AgentPreview) {
        let arena = self.arena;
        for (key, own) in &preview.job.replaced {
            let mut is_blank = false;
            let effect = match *key {
                "args" => "has no effect: Prefect sets the arguments of the container (`command` is kept)",
                "metadata.name" => "has no effect: this version names every Job prefect-job-...",
                "image" if preview.run_config.image.is_some() => "is overridden by the run config",
                "image" => "is overridden by the flow's storage",
                key => {
                    let new = arena.dict_get(preview.job.pod, key);
                    let is_from_run_config = match key {
                        "serviceAccountName" => preview.run_config.service_account_name.is_some(),
                        _ => !preview.run_config.image_pull_secrets.is_empty(),
                    };
                    match (is_from_run_config, new.and_then(|new| arena.as_str(new))) {
                        (true, _) => "is overridden by the run config",
                        (false, Some("")) => {
                            is_blank = true;
                            "is overridden with an empty string: the agent's SERVICE_ACCOUNT_NAME is empty"
                        }
                        (false, _) => "is overridden by the agent",
                    }
                }
            };
            let text = format!("`{key}` {effect}");
            let warning = match is_blank {
                true => Diagnostic::warning("blank-service-account", text)
                    .help("remove SERVICE_ACCOUNT_NAME from the agent's environment"),
                false => Diagnostic::warning("overridden-field", text),
            };
            self.add(warning, arena.location(*own));
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
                let text = format!("Prefect runs the flow in the first container{first}, not in `flow`");
                let warning = Diagnostic::warning("not-first-container", text)
                    .help("move `flow` to the first position: the flow does not get its variables");
                self.add(warning, arena.dict_get(*flow, "name").and_then(|name| arena.location(name)));
            }
            None if first.is_none() => {
                let text = "Kubernetes rejects the Job: missing `name` of the flow's container";
                let container = items.first().and_then(|container| arena.location(*container));
                self.add(Diagnostic::error("missing-field", text), container);
            }
            None => {}
        }
    }

    /// Adds an error if the template's namespace differs from the namespace in which the agent creates its Jobs, or a note
    /// if the agent is not known.
    fn add_namespace_note(&mut self, preview: &AgentPreview, scenario: &AgentScenario) {
        let arena = self.arena;
        let metadata = arena.dict_get(preview.job.root, "metadata");
        let Some(own) = metadata.and_then(|metadata| arena.dict_get(metadata, "namespace")) else { return };
        let agents = preview.agent.namespace;
        if agents.is_some_and(|agents| matches!(arena.get(agents), Value::Unknown(_))) {
            return;
        }
        let agents = agents.map_or("default", |agents| arena.as_str(agents).unwrap_or_default());
        let required = arena.as_str(own);
        let diagnostic = match required {
            _ if required == Some(agents) => return,
            Some(required) if !scenario.describes_agent() => {
                let text = format!("the agent must create its Jobs in the namespace `{required}`");
                let help = format!("start it with `--namespace {required}`, and check its manifest with --agent");
                Diagnostic::info("required-namespace", text).help(help)
            }
            _ => {
                let text = format!("Kubernetes rejects the Job: the agent creates it in the namespace `{agents}`");
                Diagnostic::error("namespace-mismatch", text).help("remove `namespace`")
            }
        };
        self.add(diagnostic, arena.location(own));
    }

    /// Adds warnings about sources of a variable that another source overrides.
    fn add_override_notes(&mut self, variable: &FlowVariable) {
        let arena = self.arena;
        let name = string::str(arena, variable.name);
        let winner = match variable.source.origin {
            FlowVariableOrigin::Template => "another entry",
            FlowVariableOrigin::AgentEnv => "the agent's `--env`",
            FlowVariableOrigin::RunConfig => "the run config",
            FlowVariableOrigin::Agent | FlowVariableOrigin::FlowRun => "the agent",
            FlowVariableOrigin::Prefect => "Prefect",
        };
        let value = variable.source.describe(arena);
        for source in &variable.overridden {
            let FlowVariableSource { origin, location, .. } = source;
            let overridden = source.describe(arena);
            let managed = is_managed(&name)
                && !matches!(variable.source.origin, FlowVariableOrigin::AgentEnv | FlowVariableOrigin::RunConfig);
            let warning = match (origin, &overridden) {
                (FlowVariableOrigin::Template, ValueDescription::Reference(to)) => {
                    let value = if managed { "its own value" } else { "plain text" };
                    let text = format!("{winner} overrides `{name}` ({to}) with {value}");
                    Diagnostic::warning("overridden-reference", text)
                }
                // An equal value has no effect, but does no harm either.
                _ if overridden == value => continue,
                (FlowVariableOrigin::Template, _) => {
                    let code = if managed { "managed-by-agent" } else { "overridden-variable" };
                    Diagnostic::warning(code, format!("{winner} overrides `{name}`"))
                }
                (FlowVariableOrigin::RunConfig | FlowVariableOrigin::AgentEnv, _) if managed => {
                    Diagnostic::warning("overridden-variable", format!("{winner} overrides `{name}`"))
                }
                _ => continue,
            };
            let warning = match &variable.source.location {
                Some(place) => warning.annotate(place.to_diagnostic_location(), "overridden here"),
                None => warning,
            };
            let warning = match (variable.source.origin, &variable.source.location, managed::override_hint(&name)) {
                (FlowVariableOrigin::RunConfig | FlowVariableOrigin::AgentEnv, Some(place), _) => {
                    warning.help(format!("remove `{name}` from {place}"))
                }
                (
                    FlowVariableOrigin::Agent | FlowVariableOrigin::FlowRun | FlowVariableOrigin::Prefect,
                    _,
                    Some(hint),
                ) => warning.help(hint),
                _ => warning,
            };
            self.add(warning, location.as_ref());
        }
    }

    /// Adds notes about the value and the name of a variable.
    fn add_value_notes(&mut self, variable: &FlowVariable) {
        let arena = self.arena;
        let name = string::str(arena, variable.name);
        let value = variable.source.describe(arena);
        if let (FlowVariableOrigin::AgentEnv, ValueDescription::ResolvedReference(from)) =
            (variable.source.origin, &value)
        {
            let text = format!("the agent's `--env` passes `{name}` ({from}) to every flow run in plain text");
            self.add(Diagnostic::warning("plaintext-secret", text), variable.source.location.as_ref());
        }
        // The warning about an overridden reference already says where to remove the variable.
        let overrides_reference =
            variable.overridden.iter().any(|source| matches!(source.describe(arena), ValueDescription::Reference(_)));
        if let (FlowVariableOrigin::Template | FlowVariableOrigin::RunConfig, ValueDescription::Literal(value)) =
            (variable.source.origin, &value)
            && is_credential(&name, value)
            && !overrides_reference
        {
            let flag = match secret_name(&name) {
                Some(secret) if !secret.is_empty() => format!("--secret {secret}=SECRET/KEY"),
                _ => format!("--secret-env {name}=SECRET/KEY"),
            };
            let remove =
                if variable.source.origin == FlowVariableOrigin::RunConfig { "remove it here, and " } else { "" };
            let help = Message::from(format!("{remove}use a Secret reference: `"))
                + ProgramName
                + format!(" render FILE {flag}`");
            let text = format!("the value of `{name}` looks like a secret in plain text");
            let warning = Diagnostic::warning("plaintext-secret", text).help(help);
            self.add(warning, variable.source.location.as_ref());
        }
        // The client of the Kubernetes API converts a date to a string.
        if let ValueDescription::NotString(value) = value
            && !matches!(arena.get(value), Value::Timestamp(_))
        {
            let kind = arena.describe_kind(value);
            let text = match variable.source.origin {
                FlowVariableOrigin::Agent => {
                    format!(
                        "Kubernetes rejects the Job: Prefect parses the value of the setting `{name}` as {kind}, not as a string"
                    )
                }
                _ => format!("Kubernetes rejects the Job: the value of `{name}` is {kind}, not a string"),
            };
            let error = Diagnostic::error("non-string-value", text);
            let error = match variable.source.origin {
                FlowVariableOrigin::Agent => error,
                _ => error.help(non_string_hint(true)),
            };
            self.add(error, variable.source.location.as_ref());
        }
        if !matches!(arena.get(variable.name), Value::Str(_) | Value::Unknown(_)) {
            let kind = arena.describe_kind(variable.name);
            let text = format!("Kubernetes rejects the Job: PyYAML parses the name of this variable as {kind}");
            self.add(
                Diagnostic::error("invalid-env-name", text).help(non_string_hint(!arena.is_collection(variable.name))),
                arena.location(variable.name),
            );
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
                FlowVariableOrigin::Template => arena.dict_get(variable.source.value, "value"),
                _ => Some(variable.source.value),
            };
            let Some(value) = value.and_then(|value| arena.as_str(value)) else { continue };
            let is_later = |name: &&str| first.get(*name).is_some_and(|first| *first > position);
            let later: IndexSet<&str> = referenced_names(value).filter(is_later).collect();
            if later.is_empty() {
                continue;
            }
            let join =
                |format: fn(&str) -> String| later.iter().map(|name| format(name)).collect::<Vec<_>>().join(", ");
            let (references, names) = (join(|name| format!("$({name})")), join(|name| format!("`{name}`")));
            let verb = if later.len() == 1 { "is" } else { "are" };
            let own = string::str(arena, variable.name);
            let text = format!("Kubernetes does not expand {references} in `{own}`: {names} {verb} defined later");
            let warning = Diagnostic::warning("variable-order", text).help(format!("move {names} before `{own}`"));
            self.add(warning, variable.source.location.as_ref());
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
            let text = "PREFECT__BACKEND of the agent is neither `cloud` nor `server`, so flows cannot find the API";
            self.add(Diagnostic::warning("backend-api-mismatch", text).help("set it to `cloud` or `server`"), location);
        } else if backend_is("server") && api.and_then(|api| arena.as_str(api)) == Some(CLOUD_API_URL) {
            let text = "the agent's backend is `server`, but its PREFECT__CLOUD__API is the URL of Prefect Cloud";
            self.add(Diagnostic::warning("backend-api-mismatch", text), api.and_then(|api| arena.location(api)));
        }
        if agent.is_tenant_placeholder {
            let text = "PREFECT__CLOUD__TENANT_ID is a placeholder: the agent gets it from Prefect's API";
            self.add(Diagnostic::info("placeholder", text), None);
        }
        if let Some(unknown) = agent.unknown_env {
            let text =
                "the preview does not know the variables in PREFECT__CLOUD__AGENT__ENV_VARS, which may override others";
            self.add(Diagnostic::warning("unknown-value", text), arena.location(unknown));
        }
        if let Some(account) = agent.service_account_name
            && let Value::Unknown(from) = arena.get(account)
        {
            let text = format!("the preview does not know the agent's service account ({})", find_references(from));
            self.add(Diagnostic::info("unknown-value", text), arena.location(account));
        }
        if let Value::Unknown(from) = arena.get(agent.api_key) {
            let from = find_references(from);
            let text = format!("the agent passes its API key ({from}) to every flow run in plain text");
            self.add(Diagnostic::warning("plaintext-secret", text), arena.location(agent.api_key));
        }
    }

    /// Adds notes about variables of the agent's container. `flow_variables` are the variables that the flow gets.
    fn add_deployment_notes(&mut self, scenario: &AgentScenario, flow_variables: &[FlowVariable]) {
        let flow_names: HashSet<&str> =
            flow_variables.iter().filter_map(|variable| self.arena.as_str(variable.name)).collect();
        for variable in scenario.environ.iter() {
            let location = variable.location.as_ref();
            let name = &variable.name;
            if secret_name(name).is_some() && !flow_names.contains(name.as_str()) {
                let text = format!("the agent does not pass `{name}` on to flow runs");
                let help = "add it to the job template: `" + ProgramName + " render FILE --secret NAME=SECRET/KEY`";
                self.add(Diagnostic::warning("agent-env-not-forwarded", text).help(help), location);
            } else if let Some((_, help)) = REMOVED_VARIABLES.iter().find(|(removed, _)| removed == name)
                && !variable.value.as_str().is_empty()
            {
                let text = format!("`{name}` of the agent has no effect: Prefect 1.0 removed it");
                self.add(Diagnostic::warning("removed-setting", text).help(*help), location);
            } else if name == "PREFECT__CLOUD__USE_LOCAL_SECRETS" {
                let text = format!("the agent does not pass `{name}` on: flow runs always get `false`");
                self.add(Diagnostic::warning("agent-env-not-forwarded", text), location);
            }
        }
    }
}
