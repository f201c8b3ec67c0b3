//! From one document and an [`Injection`] to the edits it needs.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::container;
use jobplate_manifest::embedded::{self, is_config_map};
use jobplate_manifest::env::{EnvValue, EnvVar};
use jobplate_manifest::field::FieldPath;
use jobplate_manifest::object::{Object, objects};
use jobplate_manifest::select::{ContainerChoice, Target};
use jobplate_manifest::workload::{is_job, pod_specs};
use jobplate_prefect::base_job_template::is_worker_setting;
use jobplate_prefect::generation::{Generation, Role, agent_generation, detect_role, is_prefect2_or_3_flow_container};
use jobplate_prefect::prefect1::agent_container::AgentContainer;
use jobplate_prefect::prefect1::managed;
use jobplate_prefect::{template_keys, variables};
use jobplate_yaml::{Document, Edit, Editable, Node};

use super::checksum::UsedMaps;
use super::env::{DesiredEnv, plan_container};
use super::injection::{Injection, MetadataChanges, VariableSource};
use super::metadata::plan_names;
use super::notes::Notes;
use super::pass_context::PassContext;
use super::scope::{Scope, ScopeKind, mentions_prefect, passes, scope_of};
use super::template::Template;

/// What is to happen in one document.
#[derive(Debug, Default)]
pub struct EditPlan<'a> {
    /// In the order of their nodes.
    pub edits: Vec<Edit>,
    /// Positions (among the document's objects) of those that are targets.
    pub targets: Vec<usize>,
    /// How many containers were selected.
    pub containers: usize,
    /// How many of them get everything, not only Prefect's settings.
    pub fully_injected: usize,
    /// The entries that the call names in each of them; kept only where a planner is asked to.
    pub requested: Vec<RequestedEntries>,
    /// Texts that are documents of their own: [`EditPlanner::plan_embedded`] plans each of them.
    pub embedded: Vec<EmbeddedDocument<'a>>,
}

/// A text of a ConfigMap's data that is to be planned as a document.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedDocument<'a> {
    /// The ConfigMap's position among the document's objects.
    pub object: usize,
    /// Its key.
    pub key: Node<'a>,
    /// The text.
    pub value: Editable<'a>,
    /// The position, among the injection's, of the target that means it; none for a default target.
    target: Option<usize>,
}

impl EmbeddedDocument<'_> {
    /// Whether a target names it; else it is a job template by its key.
    pub fn is_named(self) -> bool {
        self.target.is_some()
    }
}

impl EditPlan<'_> {
    /// Adds edits, and brings all into order.
    ///
    /// # Errors
    ///
    /// Fails if two edits are about one node.
    pub fn add_edits(&mut self, more: impl IntoIterator<Item = Edit>) -> Result<()> {
        self.edits.extend(more);
        self.edits.sort_by_key(Edit::node);
        match self.edits.windows(2).any(|pair| pair[0].node() == pair[1].node()) {
            true => Err(Error::new(jobplate_diagnostic::ErrorKind::Internal, "two edits of one node")),
            false => Ok(()),
        }
    }
}

/// The env entries of one container that a call names, to set or to remove.
#[derive(Clone, Debug)]
pub struct RequestedEntries {
    /// The object's position among the document's objects.
    pub object: usize,
    /// The way from the object to the container.
    pub container: FieldPath,
    /// Their names.
    pub names: Vec<String>,
}

/// Plans documents, one after the other.
pub struct EditPlanner<'i> {
    injection: &'i Injection,
    /// Remarks that came up so far.
    pub notes: Notes,
    /// What a container gets: made once for all that get the same.
    wanted: Vec<(EnvTarget, Rc<DesiredEnv>)>,
    /// Variables that flow runs get here, and which their agent replaces.
    replaced: Vec<String>,
    /// Variables that Prefect 1 agents get here.
    on_agents: Vec<String>,
    /// Which of the injection's targets have matched an object so far.
    matched: Vec<bool>,
    /// Whether plans say which entries the call names.
    keep_requested: bool,
    context: PassContext,
    /// Whether an agent or worker has taken Prefect's settings so far.
    pub found_agent: bool,
}

impl<'i> EditPlanner<'i> {
    /// A planner for an injection.
    pub fn new(injection: &'i Injection, context: PassContext) -> Self {
        EditPlanner {
            injection,
            notes: Notes::default(),
            wanted: Vec::new(),
            replaced: Vec::new(),
            on_agents: Vec::new(),
            matched: vec![false; injection.targets.len()],
            keep_requested: false,
            context,
            found_agent: false,
        }
    }

    /// What it knows beforehand.
    pub fn context(&self) -> &PassContext {
        &self.context
    }

    /// The entries that the injection names in a document, whether or not they have to change.
    ///
    /// # Errors
    ///
    /// Fails like [`EditPlanner::plan_document`].
    pub fn requested_entries(&mut self, document: Document<'_>) -> Result<Vec<RequestedEntries>> {
        self.keep_requested = true;
        let plan = self.plan_document(document, &[]);
        self.keep_requested = false;
        Ok(plan?.requested)
    }

    /// Decides the edits of a document. `names` are final names for targets, in their order, and win over
    /// the injection's; none for the first round of `--name-hash`, which finds them out.
    ///
    /// # Errors
    ///
    /// Refuses, with a span of the document, what cannot be edited safely: duplicate keys and names, aliases, merge
    /// keys, settings that the target cannot have.
    pub fn plan_document<'a>(&mut self, document: Document<'a>, names: &[Option<String>]) -> Result<EditPlan<'a>> {
        let mut plan = self.plan_checksums(document)?;
        for (position, object) in objects(document)?.iter().enumerate() {
            if is_config_map(object) {
                self.find_texts(object, position, &mut plan)?;
                continue;
            }
            if let Some(template) = Template::find(object) {
                if self.means_template(object, template)? && self.plan_template(object, template, &mut plan)? {
                    plan.targets.push(position);
                    match object.kind.is_empty() {
                        true => self.injection.refuse_names(template.node())?,
                        false => plan_names(object, &self.injection.metadata, &mut plan.edits)?,
                    }
                }
                continue;
            }
            let Some(scope) = scope_of(object, self.injection)? else { continue };
            let (before, named) = (plan.containers, plan.requested.len());
            self.plan_object(object, scope, &mut plan)?;
            plan.requested[named..].iter_mut().for_each(|entries| entries.object = position);
            if plan.containers > before {
                for (matched, target) in self.matched.iter_mut().zip(&self.injection.targets) {
                    *matched = *matched || target.matches(object);
                }
                let name = names.get(plan.targets.len()).cloned().flatten();
                plan.targets.push(position);
                match name {
                    None => plan_names(object, &self.injection.metadata, &mut plan.edits)?,
                    name => plan_names(
                        object,
                        &MetadataChanges { name, ..self.injection.metadata.clone() },
                        &mut plan.edits,
                    )?,
                }
            }
        }
        plan.add_edits([])?;
        Ok(plan)
    }

    /// Whether a template is meant: by default, or by a target of its kind.
    fn means_template(&mut self, object: &Object<'_>, template: Template<'_>) -> Result<bool> {
        let targets = &self.injection.targets;
        let by_default = targets.is_empty() && !self.injection.no_default_targets;
        let is_meant = |target: &Target| template.is_meant(object, target);
        if !(by_default || targets.iter().any(is_meant)) || !passes(object, self.injection)? {
            return Ok(false);
        }
        for (matched, target) in self.matched.iter_mut().zip(targets) {
            *matched = *matched || is_meant(target);
        }
        Ok(true)
    }

    /// Adds the edits of a template. Says whether it has a container that was chosen.
    fn plan_template(&mut self, object: &Object<'_>, template: Template<'_>, plan: &mut EditPlan<'_>) -> Result<bool> {
        self.injection.refuse_secrets(template.node(), template.in_words(), PREFECT_2_OR_3)?;
        let wanted = self.wanted_in_role(object, Role::FlowRun(Generation::Prefect2Or3), Scope::All(None), None)?;
        let containers = template.plan(object, &wanted, self.injection, &mut plan.edits, &mut self.notes)?;
        plan.containers += containers;
        plan.fully_injected += containers;
        Ok(containers > 0)
    }

    /// Decides only what changed ConfigMaps make necessary, for a document that has no target.
    ///
    /// # Errors
    ///
    /// Refuses, with a span of the document, a pod template that cannot be edited safely.
    pub fn plan_checksums<'a>(&self, document: Document<'a>) -> Result<EditPlan<'a>> {
        let mut plan = EditPlan::default();
        if !UsedMaps::may_be_in(document.text, &self.context.changed) {
            return Ok(plan);
        }
        let used = UsedMaps::new(document, &self.context.changed);
        if used.any(document.root()) {
            objects(document)?.iter().try_for_each(|object| used.plan(object, &mut plan.edits))?;
            plan.add_edits([])?;
        }
        Ok(plan)
    }

    /// The texts of a ConfigMap that are targets.
    fn find_texts<'a>(&self, object: &Object<'a>, position: usize, plan: &mut EditPlan<'a>) -> Result<()> {
        let targets = &self.injection.targets;
        let by_default = targets.is_empty() && !self.injection.no_default_targets;
        let is_meant = |target: &Target| target.key.is_some() && target.matches_kind_and_name(object);
        if !(by_default || targets.iter().any(is_meant)) || !passes(object, self.injection)? {
            return Ok(());
        }
        let Some(data) = embedded::config_map_data(object)? else { return Ok(()) };
        for (key, _) in data.entries() {
            let name = key.text().unwrap_or_default();
            let target = targets.iter().position(|target| target.matches_embedded(object, &name));
            let is_template = by_default && template_keys::is_template_key(&name);
            if !(target.is_some() || is_template) {
                continue;
            }
            if let Some(value) = embedded::find_document(data, key)? {
                plan.embedded.push(EmbeddedDocument { object: position, key, value, target });
            }
        }
        Ok(())
    }

    /// Decides the edits of a document that is a text in another: by default of its Jobs and CronJobs, of all
    /// its workloads where a target names the text.
    ///
    /// # Errors
    ///
    /// Fails like [`EditPlanner::plan_document`].
    pub fn plan_embedded<'a>(&mut self, document: Document<'a>, text: EmbeddedDocument<'_>) -> Result<EditPlan<'a>> {
        let mut plan = EditPlan::default();
        let target = text.target.map(|position| &self.injection.targets[position]);
        for (position, object) in objects(document)?.iter().enumerate() {
            if let Some(template) = Template::find(object) {
                if self.plan_template(object, template, &mut plan)? {
                    plan.targets.push(position);
                }
                continue;
            }
            if target.is_none() && !is_job(object) || is_config_map(object) {
                continue;
            }
            let before = plan.containers;
            let scope = match target {
                None if self.context.agent == Some(true) => Scope::WithoutSettings,
                target => Scope::All(target),
            };
            self.plan_object(object, scope, &mut plan)?;
            if plan.containers > before {
                plan.targets.push(position);
            }
        }
        // Nobody owns an entry inside of a text.
        plan.requested.clear();
        plan.add_edits([])?;
        Ok(plan)
    }

    /// Notes that a text of a ConfigMap is a target: for all targets that mean it.
    pub fn mark_embedded_matched(&mut self, object: &Object<'_>, key: &str) {
        for (matched, target) in self.matched.iter_mut().zip(&self.injection.targets) {
            *matched = *matched || target.matches_embedded(object, key);
        }
    }

    /// Adds the edits of a ConfigMap's own metadata, where a text of it is a target.
    ///
    /// # Errors
    ///
    /// Refuses, with a span of the document, metadata that cannot be edited safely.
    pub fn plan_config_map_metadata(&self, object: &Object<'_>, edits: &mut Vec<Edit>) -> Result<()> {
        let MetadataChanges { name, generate_name, namespace, .. } = &self.injection.metadata;
        let flags = [("--name", name), ("--generate-name", generate_name)];
        if let Some((flag, _)) = flags.into_iter().find(|(_, name)| name.is_some()) {
            let start = object.node.span().start;
            return Err(Error::usage(format!(
                "`{flag}`: the target is a text in {}, which keeps its name",
                object.display()
            ))
            .at(start..start + 1)
            .hint("change the name in the text itself, or name another target"));
        }
        let names = MetadataChanges { namespace: namespace.clone(), ..MetadataChanges::default() };
        plan_names(object, &names, edits)
    }

    /// The targets that nothing has matched, where others have matched something: one may be misspelled.
    pub fn unmatched_targets(&self) -> Vec<Target> {
        let targets = self.matched.iter().zip(&self.injection.targets);
        let unmatched_targets = targets.filter(|(matched, _)| !**matched && self.matched.contains(&true));
        unmatched_targets.map(|(_, target)| target.clone()).collect()
    }

    fn plan_object(&mut self, object: &Object<'_>, scope: Scope<'_>, plan: &mut EditPlan<'_>) -> Result<()> {
        match scope {
            // Only agents are wanted here: an object that can't be one is not looked at closely.
            Scope::Settings if !object.node.descendants().any(mentions_prefect) => return Ok(()),
            Scope::WithoutSettings if self.injection.is_settings_only() => return Ok(()),
            _ => {}
        }
        let injection = self.injection;
        let choice = match scope {
            Scope::All(Some(Target { containers: Some(choice), .. })) => choice,
            _ => &injection.containers,
        };
        for pod_spec in pod_specs(object)? {
            let all = container::containers(pod_spec);
            let role = detect_role(object, &all);
            let settings_only = matches!(scope, Scope::Settings);
            // In an agent's pod, the agent is the one that counts, wherever it stands; for its settings alone, what
            // is chosen of other pods does not.
            let the_agent = all.iter().position(|container| agent_generation(*container).is_some());
            let choice = match (role, choice, the_agent) {
                (Role::Agent(_), ContainerChoice::First, Some(at)) => &ContainerChoice::Index(at),
                (Role::Agent(_), _, Some(at)) if settings_only => &ContainerChoice::Index(at),
                _ => choice,
            };
            let init = injection.init_containers && !settings_only;
            let selected = container::select(pod_spec, choice, init)?;
            if selected.is_empty() || settings_only && !matches!(role, Role::Agent(_)) {
                continue;
            }
            self.found_agent |= settings_only;
            for container in selected {
                let wanted = self.wanted_by(object, role, scope, *container)?;
                plan.containers += 1;
                plan.fully_injected += usize::from(!settings_only);
                if self.keep_requested {
                    let container = FieldPath::between(object.node, *container);
                    let names = wanted.all_names().map(str::to_owned).collect();
                    plan.requested.push(RequestedEntries { object: 0, container, names });
                }
                if !wanted.is_empty() {
                    plan_container(container, &wanted, &mut plan.edits)?;
                }
            }
        }
        Ok(())
    }

    fn wanted_by(
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
        let is_named = |name: &str| {
            injection.variables.iter().any(|variable| variable.name == name)
                || injection.unset.iter().any(|unset| unset == name)
        };
        if is_prefect2_or_3_flow_container(container)
            && role != Role::FlowRun(Generation::Prefect1)
            && matches!(scope, Scope::All(_))
        {
            self.note_worker_settings(role)?;
        }
        let token = agent.and_then(|agent| agent.token(&injection.prefect)).filter(|token| !is_named(&token.name));
        let has_token = token.is_some();
        let wanted = self.wanted_in_role(object, role, scope, token)?;
        if let Some(agent) = agent {
            let names: Vec<&str> = wanted.names().collect();
            let remarks = agent.remarks(&injection.prefect, &object.display(), &names, has_token);
            self.on_agents.extend(names.into_iter().map(str::to_owned));
            remarks.into_iter().for_each(|remark| self.notes.add(remark));
        }
        Ok(wanted)
    }

    /// Says what is not in a Job alone: this one goes into a block or a base job template.
    fn note_worker_settings(&mut self, role: Role) -> Result<()> {
        let wanted = all_variables(role, self.injection, true)?;
        for EnvVar { name, .. } in wanted.iter().filter(|variable| is_worker_setting(&variable.name)) {
            self.notes.add(format!(
                "{name}: what makes a Job of this sets it itself, in plain text; `{name}: null` under `env` of the \
                 block or of `job_configuration` keeps it from that"
            ));
        }
        Ok(())
    }

    fn wanted_in_role(
        &mut self,
        object: &Object<'_>,
        role: Role,
        scope: Scope<'_>,
        token: Option<EnvVar>,
    ) -> Result<Rc<DesiredEnv>> {
        let recipient = EnvTarget { role, part: scope.part(), token };
        if let Some((_, wanted)) = self.wanted.iter().find(|(known, _)| *known == recipient) {
            return Ok(Rc::clone(wanted));
        }
        let injection = self.injection;
        let token = recipient.token.iter().cloned();
        let wanted = Rc::new(match (scope, role) {
            (Scope::Settings, Role::Agent(generation)) => DesiredEnv::new(
                variables::setting_env_vars(&injection.prefect, generation)?.into_iter().chain(token),
                &[],
                &[],
            ),
            (Scope::Settings, _) => DesiredEnv::default(),
            (Scope::All(_) | Scope::WithoutSettings, _) => {
                let target = scope.target();
                let why = match role {
                    Role::FlowRun(Generation::Prefect1) => None,
                    Role::FlowRun(Generation::Prefect2Or3) => Some(PREFECT_2_OR_3),
                    _ => target.map(|_| "is no flow run's template, so no flow would read it there"),
                };
                if let Some(why) = why {
                    injection.refuse_secrets(object.node, &object.display(), why)?;
                }
                let variables = all_variables(role, injection, !matches!(scope, Scope::WithoutSettings))?;
                DesiredEnv::new(variables.into_iter().chain(token), &injection.env_from, &injection.unset)
            }
        });
        self.note_names(&wanted, role);
        self.wanted.push((recipient, Rc::clone(&wanted)));
        Ok(wanted)
    }

    fn note_names(&mut self, wanted: &DesiredEnv, role: Role) {
        let Role::FlowRun(generation) = role else { return };
        for variable in &self.injection.variables {
            if matches!(variable.source, VariableSource::PrefectSecret(_)) {
                let written = variables::secret_variable(&variable.name);
                self.notes.add(format!("the secret {} is the variable {written}", variable.name));
                if variable.name.contains("__") {
                    self.notes.add(format!(
                        "Prefect 1 splits {written} at every `__`, so no flow finds a secret of the name {}",
                        variable.name
                    ));
                }
            }
        }
        if generation == Generation::Prefect1 {
            let replaced = wanted.names().filter(|name| managed::is_managed(name));
            self.replaced.extend(replaced.map(str::to_owned));
        }
    }

    /// The variables that flow runs get here in vain: their agent puts its own in their place, and no agent gets
    /// them here, too.
    pub fn overridden(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for name in &self.replaced {
            if !self.on_agents.contains(name) && !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }
}

/// What a container is, as far as it decides what it gets.
#[derive(Debug, PartialEq, Eq)]
struct EnvTarget {
    role: Role,
    part: ScopeKind,
    /// What an agent's key takes beside its own variable.
    token: Option<EnvVar>,
}

/// Why `--secret` is refused for templates of Prefect 2 and 3.
const PREFECT_2_OR_3: &str = "is for Prefect 2 or 3, which know no such secrets";

/// All variables that are asked for, as entries for an object of this role; with Prefect's settings or without.
fn all_variables(role: Role, injection: &Injection, settings: bool) -> Result<Vec<EnvVar>> {
    let mut wanted: Vec<EnvVar> = Vec::new();
    for variable in &injection.variables {
        wanted.push(match &variable.source {
            VariableSource::Entry(value) => EnvVar { name: variable.name.clone(), value: value.clone() },
            VariableSource::PrefectSecret(reference) => {
                let name = variables::secret_variable(&variable.name);
                EnvVar { name, value: EnvValue::SecretKey(reference.clone()) }
            }
        });
    }
    let generation = match role {
        Role::FlowRun(generation) | Role::Agent(generation) => generation,
        Role::Other => Generation::Prefect1,
    };
    if settings && !injection.prefect.is_empty() {
        for setting in variables::setting_env_vars(&injection.prefect, generation)? {
            // A variable named outright says more than a setting.
            if !wanted.iter().any(|variable| variable.name == setting.name) {
                wanted.push(setting);
            }
        }
    }
    Ok(wanted)
}
