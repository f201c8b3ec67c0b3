//! Determines which environment each container gets, and adds notes about it for the user.

use std::collections::HashSet;
use std::rc::Rc;

use indexmap::IndexSet;
use jobplate_diagnostic::{Diagnostic, Result};
use jobplate_manifest::env::{EnvValue, EnvVar};
use jobplate_manifest::object::Object;
use jobplate_prefect::base_job_template::is_worker_setting;
use jobplate_prefect::generation::{Generation, Role, agent_generation, is_prefect2_or_3_flow_container};
use jobplate_prefect::prefect1::agent_container::AgentContainer;
use jobplate_prefect::prefect1::{managed, secrets};
use jobplate_prefect::variables;
use jobplate_yaml::Node;

use super::env::DesiredEnv;
use super::injection::{Injection, RequestedVariable, VariableSource};
use super::notes::Notes;
use super::scope::{Scope, ScopeKind};

/// The reason why `--secret` is refused for templates of Prefect 2 and 3.
pub(super) const PREFECT_2_OR_3_REASON: &str =
    "is for Prefect 2 or 3, which do not read PREFECT__CONTEXT__SECRETS__ variables";

/// The environments that an injection gives to containers.
pub(super) struct DesiredEnvs<'i> {
    injection: &'i Injection,
    /// The notes about these environments.
    pub(super) notes: Notes,
    /// One environment for each kind of container, shared by all containers of that kind.
    cache: Vec<(EnvTarget, Rc<DesiredEnv>)>,
    /// Variables set on flow runs that the Prefect 1 agent overrides.
    overridden_by_agent: IndexSet<String>,
    /// Variables set on Prefect 1 agents.
    set_on_agents: HashSet<String>,
}

/// The properties of a container that determine its environment.
#[derive(Debug, PartialEq, Eq)]
struct EnvTarget {
    role: Role,
    scope: ScopeKind,
    /// The agent's token variable, which must have the same value as its API key. `None` for other containers.
    token: Option<EnvVar>,
}

impl<'i> DesiredEnvs<'i> {
    pub(super) fn new(injection: &'i Injection) -> Self {
        DesiredEnvs {
            injection,
            notes: Notes::default(),
            cache: Vec::new(),
            overridden_by_agent: IndexSet::new(),
            set_on_agents: HashSet::new(),
        }
    }

    /// Returns the environment of an object's container. `role` is the object's role.
    pub(super) fn for_container(
        &mut self,
        object: &Object<'_>,
        role: Role,
        scope: Scope<'_>,
        container: Node<'_>,
    ) -> Result<Rc<DesiredEnv>> {
        let injection = self.injection;
        let agent = (role == Role::Agent(Generation::Prefect1) && agent_generation(container).is_some())
            .then_some(AgentContainer(container))
            .filter(|_| !matches!(scope, Scope::WithoutSettings));
        let is_requested = |name: &str| {
            injection.variables.iter().any(|variable| variable.name == name)
                || injection.unset.iter().any(|unset| unset == name)
        };
        if is_prefect2_or_3_flow_container(container)
            && role != Role::FlowRun(Generation::Prefect1)
            && matches!(scope, Scope::All(_))
        {
            self.note_worker_settings(role)?;
        }
        let token =
            agent.and_then(|agent| agent.token_variable(&injection.prefect)).filter(|token| !is_requested(&token.name));
        let has_token = token.is_some();
        let desired = self.for_role(object, role, scope, token)?;
        if let Some(agent) = agent {
            let names: Vec<&str> = desired.names().collect();
            let notes = agent.notes(&injection.prefect, &object.display(), &names, has_token);
            self.set_on_agents.extend(names.into_iter().map(str::to_owned));
            notes.into_iter().for_each(|note| self.notes.add(note));
        }
        Ok(desired)
    }

    /// Returns the environment for the containers of a base job template or `KubernetesJob` block.
    pub(super) fn for_template(&mut self, object: &Object<'_>) -> Result<Rc<DesiredEnv>> {
        self.for_role(object, Role::FlowRun(Generation::Prefect2Or3), Scope::All(None), None)
    }

    /// Returns the variables set on flow runs that their Prefect 1 agent overrides, except variables that are also set
    /// on an agent.
    pub(super) fn overridden(&self) -> Vec<String> {
        self.overridden_by_agent.iter().filter(|name| !self.set_on_agents.contains(*name)).cloned().collect()
    }

    fn for_role(
        &mut self,
        object: &Object<'_>,
        role: Role,
        scope: Scope<'_>,
        token: Option<EnvVar>,
    ) -> Result<Rc<DesiredEnv>> {
        let target = EnvTarget { role, scope: scope.kind(), token };
        if let Some((_, desired)) = self.cache.iter().find(|(cached, _)| *cached == target) {
            return Ok(Rc::clone(desired));
        }
        let injection = self.injection;
        let token = target.token.iter().cloned();
        let desired = Rc::new(match (scope, role) {
            (Scope::SettingsOnly, Role::Agent(generation)) => DesiredEnv::new(
                variables::setting_env_vars(&injection.prefect, generation)?.into_iter().chain(token),
                &[],
                &[],
            ),
            (Scope::SettingsOnly, _) => DesiredEnv::default(),
            (Scope::All(_) | Scope::WithoutSettings, _) => {
                let reason = match role {
                    Role::FlowRun(Generation::Prefect1) => None,
                    Role::FlowRun(Generation::Prefect2Or3) => Some(PREFECT_2_OR_3_REASON),
                    _ => scope.target().map(|_| "is not a job template, so no flow would read the secret"),
                };
                if let Some(reason) = reason {
                    injection.refuse_prefect1_secrets(object.node, &object.display(), reason)?;
                }
                let variables = collect_env_vars(role, injection, !matches!(scope, Scope::WithoutSettings))?;
                DesiredEnv::new(variables.into_iter().chain(token), &injection.env_from, &injection.unset)
            }
        });
        self.note_flow_run_variables(&desired, role);
        self.cache.push((target, Rc::clone(&desired)));
        Ok(desired)
    }

    /// Adds a note for each requested variable that a worker sets itself. The container is part of a template: other
    /// entries of that template determine whether the worker sets the variable.
    fn note_worker_settings(&mut self, role: Role) -> Result<()> {
        let variables = collect_env_vars(role, self.injection, true)?;
        for EnvVar { name, .. } in variables.iter().filter(|variable| is_worker_setting(&variable.name)) {
            let text = format!("the worker overrides the reference of `{name}` with its own value, in plain text");
            let help = format!("set `{name}: null` in `env` of the block or of `job_configuration`");
            self.notes.add(Diagnostic::warning("worker-overrides-reference", text).help(help));
        }
        Ok(())
    }

    /// Adds a note about the variables of the Prefect 1 secrets, and one about the dicts that contain some of them.
    fn note_secrets(&mut self) {
        let is_secret = |variable: &&RequestedVariable| matches!(variable.source, VariableSource::PrefectSecret { .. });
        let names: Vec<&str> =
            self.injection.variables.iter().filter(is_secret).map(|variable| variable.name.as_str()).collect();
        let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        match names.as_slice() {
            [] => {}
            [name] => {
                let text = format!("the secret `{name}` is set as {}", variables::secret_variable(name));
                self.notes.add(Diagnostic::info("secret-variable", text));
            }
            names => {
                let text = format!("the secrets {} are set as {}", list(names), variables::secret_variable("NAME"));
                self.notes.add(Diagnostic::info("secret-variable", text));
            }
        }
        secrets::dict_notes(names.into_iter()).into_iter().for_each(|note| self.notes.add(note));
    }

    /// Adds notes about the Prefect 1 secrets, and collects the variables that the Prefect 1 agent overrides. Only flow
    /// runs have these variables, so other roles are ignored.
    fn note_flow_run_variables(&mut self, desired: &DesiredEnv, role: Role) {
        let Role::FlowRun(generation) = role else { return };
        self.note_secrets();
        if generation == Generation::Prefect1 {
            let overridden = desired.names().filter(|name| managed::is_managed(name));
            self.overridden_by_agent.extend(overridden.map(str::to_owned));
        }
    }
}

/// Returns all requested variables for an object with this role. Includes Prefect's settings if `with_settings` is
/// true. A variable requested by name overrides the setting of that name.
fn collect_env_vars(role: Role, injection: &Injection, with_settings: bool) -> Result<Vec<EnvVar>> {
    let mut entries: Vec<EnvVar> = Vec::new();
    for variable in &injection.variables {
        entries.push(match &variable.source {
            VariableSource::Entry(value) => EnvVar { name: variable.name.clone(), value: value.clone() },
            VariableSource::PrefectSecret { reference, .. } => {
                let name = variables::secret_variable(&variable.name);
                EnvVar { name, value: EnvValue::SecretKey(reference.clone()) }
            }
        });
    }
    let generation = match role {
        Role::FlowRun(generation) | Role::Agent(generation) => generation,
        Role::Other => Generation::Prefect1,
    };
    if with_settings && !injection.prefect.is_empty() {
        let requested = entries.len();
        for setting in variables::setting_env_vars(&injection.prefect, generation)? {
            if !entries[..requested].iter().any(|variable| variable.name == setting.name) {
                entries.push(setting);
            }
        }
    }
    Ok(entries)
}
