//! Plans the edits of documents, one document at a time.

use std::ops::Range;

use jobplate_diagnostic::suggest::quote_key;
use jobplate_diagnostic::{Diagnostic, Error, Result};
use jobplate_manifest::container;
use jobplate_manifest::embedded::is_config_map;
use jobplate_manifest::field::FieldPath;
use jobplate_manifest::object::{Object, objects};
use jobplate_manifest::select::{ContainerChoice, Target};
use jobplate_manifest::workload::{is_job, pod_specs};
use jobplate_prefect::generation::{Role, agent_generation, detect_role, identify_generation};
use jobplate_prefect::pyvalue::json;
use jobplate_yaml::{Document, Edit, Node, PathCursor};

use super::checksum::ConfigMapReferences;
use super::desired_envs::{DesiredEnvs, PREFECT_2_OR_3_REASON};
use super::edit_plan::{EditPlan, EmbeddedDocument, RequestedEntries};
use super::embedded_targets::{find_in_config_map, find_in_values, find_templates, is_target_of_values};
use super::env::plan_container_env;
use super::injection::{Injection, MetadataChanges};
use super::metadata::plan_metadata;
use super::pass_context::PassContext;
use super::prefect_template::PrefectTemplate;
use super::scope::{Scope, find_scope, mentions_prefect, passes_filters};

/// Plans the edits that an injection needs in each document of an input.
pub struct EditPlanner<'i> {
    injection: &'i Injection,
    context: PassContext,
    desired_envs: DesiredEnvs<'i>,
    /// For each of the injection's targets, whether it has matched an object so far.
    matched: Vec<bool>,
    /// Whether [`EditPlan::requested`] is filled.
    collects_requested: bool,
    /// Whether an agent or worker has received Prefect's settings so far.
    pub agent_gets_settings: bool,
}

impl<'i> EditPlanner<'i> {
    /// Creates a planner. `context` holds the facts that the previous pass found.
    pub fn new(injection: &'i Injection, context: PassContext) -> Self {
        EditPlanner {
            injection,
            context,
            desired_envs: DesiredEnvs::new(injection),
            matched: vec![false; injection.targets.len()],
            collects_requested: false,
            agent_gets_settings: false,
        }
    }

    /// Returns the facts that the previous pass found.
    pub fn context(&self) -> &PassContext {
        &self.context
    }

    /// Returns the entries that the injection sets or removes in a document, including the entries that already have
    /// the requested value.
    ///
    /// # Errors
    ///
    /// Fails like [`EditPlanner::plan_document`].
    pub fn requested_entries(&mut self, document: Document<'_>) -> Result<Vec<RequestedEntries>> {
        self.collects_requested = true;
        let plan = self.plan_document(document, &[]);
        self.collects_requested = false;
        Ok(plan?.requested)
    }

    /// Plans the edits of a document.
    ///
    /// `names` are the final names of the targets, in document order. They override the injection's name. `names` is
    /// empty until the names for `--name-hash` are known.
    ///
    /// # Errors
    ///
    /// Fails if the document cannot be edited safely because of duplicate keys or names, aliases or merge keys, or if a
    /// target does not support a requested setting. The error has a span of the document.
    pub fn plan_document<'a>(&mut self, document: Document<'a>, names: &[Option<String>]) -> Result<EditPlan<'a>> {
        let mut plan = self.plan_checksums(document)?;
        // A document that could not be planned leaves its diagnostics.
        self.desired_envs.notes.take_located();
        for (position, object) in objects(document)?.iter().enumerate() {
            if self.injection.targets.iter().any(|target| target.name.is_some() && target.matches_kind(object)) {
                object.check_name()?;
            }
            if is_config_map(object) {
                plan.embedded.extend(find_in_config_map(object, position, self.injection)?);
                continue;
            }
            if let Some(template) = PrefectTemplate::find_in(object) {
                if self.is_target_template(object, template)? && self.plan_template(object, template, &mut plan)? {
                    plan.targets.push(position);
                    match object.kind.is_empty() {
                        true => self.injection.refuse_metadata_changes(template.node())?,
                        false => plan_metadata(object, &self.injection.metadata, &mut plan.edits)?,
                    }
                }
                continue;
            }
            let values = find_in_values(object, position, self.injection)?;
            if !values.is_empty() {
                plan.embedded.extend(values);
                continue;
            }
            let Some(scope) = find_scope(object, self.injection)? else { continue };
            let (containers_before, requested_before) = (plan.containers, plan.requested.len());
            self.plan_object(object, scope, &mut plan)?;
            plan.requested[requested_before..].iter_mut().for_each(|entries| entries.object = position);
            if plan.containers > containers_before {
                self.mark_matched(|target| target.matches(object));
                let name = names.get(plan.targets.len()).cloned().flatten();
                plan.targets.push(position);
                let changes = &self.injection.metadata;
                match name {
                    None => plan_metadata(object, changes, &mut plan.edits)?,
                    name => {
                        plan_metadata(object, &MetadataChanges { name, ..changes.clone() }, &mut plan.edits)?;
                    }
                }
            }
        }
        plan.add_edits([])?;
        plan.diagnostics = self.desired_envs.notes.take_located();
        Ok(plan)
    }

    /// Plans only the checksum annotations of pod templates that use changed ConfigMaps.
    ///
    /// # Errors
    ///
    /// Fails if a pod template cannot be edited safely. The error has a span of the document.
    pub fn plan_checksums<'a>(&self, document: Document<'a>) -> Result<EditPlan<'a>> {
        let mut plan = EditPlan::default();
        let changed = &self.context.changed_config_maps;
        if !ConfigMapReferences::may_exist_in(document.text, changed) {
            return Ok(plan);
        }
        let references = ConfigMapReferences::new(changed);
        if references.exist_in(document.root())? {
            objects(document)?.iter().try_for_each(|object| references.plan_checksums(object, &mut plan.edits))?;
            plan.add_edits([])?;
        }
        Ok(plan)
    }

    /// Plans the edits of an embedded document. If a target names the document, all its workloads are targets.
    /// Otherwise, only its Jobs, its CronJobs and Prefect's templates are targets.
    ///
    /// # Errors
    ///
    /// Fails like [`EditPlanner::plan_document`].
    pub fn plan_embedded<'a>(
        &mut self,
        document: Document<'a>,
        embedded: EmbeddedDocument<'_>,
    ) -> Result<EditPlan<'a>> {
        let mut plan = EditPlan::default();
        let target = embedded.target.map(|position| &self.injection.targets[position]);
        for (position, object) in objects(document)?.iter().enumerate() {
            if let Some(template) = PrefectTemplate::find_in(object) {
                if self.plan_template(object, template, &mut plan)? {
                    plan.targets.push(position);
                }
                continue;
            }
            plan.embedded.extend(find_templates(object, position)?);
            if target.is_none() && !is_job(object) || is_config_map(object) {
                continue;
            }
            let containers_before = plan.containers;
            let scope = match target {
                None if self.context.agent_gets_settings == Some(true) => Scope::WithoutSettings,
                target => Scope::All(target),
            };
            self.plan_object(object, scope, &mut plan)?;
            if plan.containers > containers_before {
                plan.targets.push(position);
            }
        }
        // On the server, a field manager owns the whole value in the ConfigMap, so no entries inside it can be taken
        // over.
        plan.requested.clear();
        plan.add_edits([])?;
        plan.diagnostics = self.desired_envs.notes.take_located();
        Ok(plan)
    }

    /// Marks every target that matches an embedded document as matched.
    pub fn mark_embedded_matched(&mut self, object: &Object<'_>, key: &str) {
        self.mark_matched(|target| target.matches_embedded(object, key) || is_target_of_values(target, object));
    }

    /// Adds the edits of the metadata of an object with an embedded document that is a target. A values file has no
    /// metadata.
    ///
    /// # Errors
    ///
    /// Fails if a new name is requested, because the object keeps its name, or if the metadata cannot be edited
    /// safely. The error has a span of the document.
    pub fn plan_outer_metadata(&self, object: &Object<'_>, edits: &mut Vec<Edit>) -> Result<()> {
        if object.kind.is_empty() {
            return Ok(());
        }
        let MetadataChanges { name, generate_name, namespace, .. } = &self.injection.metadata;
        let flags = [("--name", name), ("--generate-name", generate_name)];
        if let Some((flag, _)) = flags.into_iter().find(|(_, name)| name.is_some()) {
            let start = object.node.span().start;
            return Err(Error::usage(format!(
                "`{flag}` does not apply to a document embedded in {}",
                object.display()
            ))
            .at(start..start + 1)
            .hint("change the name in the embedded document, or choose another target"));
        }
        let changes = MetadataChanges { namespace: namespace.clone(), ..MetadataChanges::default() };
        plan_metadata(object, &changes, edits)
    }

    /// Returns the targets that have matched no object, because they may be misspelled. Returns an empty list if no
    /// target has matched an object.
    pub fn unmatched_targets(&self) -> Vec<Target> {
        let targets = self.matched.iter().zip(&self.injection.targets);
        let unmatched = targets.filter(|(matched, _)| !**matched && self.matched.contains(&true));
        unmatched.map(|(_, target)| target.clone()).collect()
    }

    /// Returns the variables set on flow runs that their Prefect 1 agent overrides, except variables that are also set
    /// on an agent.
    pub fn overridden(&self) -> Vec<String> {
        self.desired_envs.overridden()
    }

    /// Takes the notes about all documents planned so far. The next call returns only notes that are added later.
    pub fn take_notes(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.desired_envs.notes).into_vec()
    }

    fn mark_matched(&mut self, is_match: impl Fn(&Target) -> bool) {
        for (matched, target) in self.matched.iter_mut().zip(&self.injection.targets) {
            *matched = *matched || is_match(target);
        }
    }

    /// Returns whether a template of Prefect 2 or 3 is a target, by default or because a target matches it. Marks the
    /// matching targets.
    fn is_target_template(&mut self, object: &Object<'_>, template: PrefectTemplate<'_>) -> Result<bool> {
        let is_match = |target: &Target| template.matches(object, target);
        let is_target = self.injection.has_default_targets() || self.injection.targets.iter().any(is_match);
        if !is_target || !passes_filters(object, self.injection)? {
            return Ok(false);
        }
        self.mark_matched(is_match);
        Ok(true)
    }

    /// Adds the edits of a template. Returns whether a container of the template is selected.
    fn plan_template(
        &mut self,
        object: &Object<'_>,
        template: PrefectTemplate<'_>,
        plan: &mut EditPlan<'_>,
    ) -> Result<bool> {
        self.injection.refuse_prefect1_secrets(template.node(), template.description(), PREFECT_2_OR_3_REASON)?;
        let desired = self.desired_envs.for_template(object)?;
        let notes = &mut self.desired_envs.notes;
        let first = plan.edits.len();
        let containers = template.plan_edits(object, &desired, self.injection, &mut plan.edits, notes)?;
        plan.check_size_from(first)?;
        if plan.edits.len() > first
            && let Some((problem, span)) = json::find_problem(object.node.document().text)
        {
            let text = format!("invalid JSON: {problem}; Prefect's commands accept only JSON");
            notes.add_at(Diagnostic::warning("invalid-json", text).help("correct this line"), span);
        }
        plan.containers += containers;
        plan.fully_injected += containers;
        Ok(containers > 0)
    }

    /// Adds the edits of an object's selected containers.
    fn plan_object(&mut self, object: &Object<'_>, scope: Scope<'_>, plan: &mut EditPlan<'_>) -> Result<()> {
        match scope {
            // Only agents and workers get the settings, so an object that can be neither is skipped without validation.
            Scope::SettingsOnly if !object.node.descendants().any(mentions_prefect) => return Ok(()),
            Scope::WithoutSettings if self.injection.is_settings_only() => return Ok(()),
            _ => {}
        }
        let injection = self.injection;
        let settings_only = matches!(scope, Scope::SettingsOnly);
        let mut paths = PathCursor::new(object.node);
        for pod_spec in pod_specs(object)? {
            let containers = container::containers(pod_spec);
            let role = detect_role(object, &containers);
            let choice = choose_containers(injection, scope, role, &containers);
            let with_init_containers = injection.init_containers && !settings_only;
            let selected = container::select(pod_spec, &choice, with_init_containers)?;
            if selected.is_empty() || settings_only && !matches!(role, Role::Agent(_)) {
                continue;
            }
            self.agent_gets_settings |= settings_only;
            let edits_before = plan.edits.len();
            for container in selected {
                let desired = self.desired_envs.for_container(object, role, scope, *container)?;
                plan.containers += 1;
                plan.fully_injected += usize::from(!settings_only);
                if self.collects_requested {
                    let container = FieldPath::from_steps(paths.steps_to(*container));
                    let names = desired.all_names().map(str::to_owned).collect();
                    plan.requested.push(RequestedEntries { object: 0, container, names });
                }
                if !desired.is_empty() {
                    let first = plan.edits.len();
                    plan_container_env(container, &desired, &mut plan.edits, &mut self.desired_envs.notes)?;
                    plan.check_size_from(first)?;
                }
            }
            if plan.edits.len() > edits_before && matches!(choice, ContainerChoice::First) {
                let note = first_container_note(object, role, injection, &containers);
                note.into_iter().for_each(|(note, span)| self.desired_envs.notes.add_at(note, span));
            }
        }
        Ok(())
    }
}

/// Returns the note that only the first of several containers is changed, with its byte range. If Prefect runs the flow
/// in the first container, returns a warning if another container has the name `flow`, and otherwise `None`.
fn first_container_note(
    object: &Object<'_>,
    role: Role,
    injection: &Injection,
    containers: &[Node<'_>],
) -> Option<(Diagnostic, Range<usize>)> {
    let first = containers.first().filter(|_| containers.len() > 1)?;
    let name = container::name(*first).unwrap_or_default();
    let is_flow_run = matches!(role, Role::FlowRun(_))
        && (name == "flow" || injection.is_for_flow_runs() || identify_generation(containers).is_some());
    let place = first.get_first("name").map_or(first.span().start..first.span().start + 1, |name| name.span());
    if is_flow_run {
        let mut others = containers[1..].iter().filter_map(|container| container::name(*container));
        let is_sidecar = name != "flow" && others.any(|name| name == "flow");
        let text = format!("Prefect runs the flow in the first container, {}, not in `flow`", quote_key(&name));
        let note = Diagnostic::warning("not-first-container", text).help("move `flow` to the first position");
        return is_sidecar.then_some((note, place));
    }
    let text = format!(
        "{} has {} containers: only the first, {}, is changed",
        object.display(),
        containers.len(),
        quote_key(&name)
    );
    let note =
        Diagnostic::info("first-container", text).help("choose other containers with -c NAME or --all-containers");
    Some((note, place))
}

/// Returns the choice of containers to edit in a pod. The default is the first container, or the agent's container in
/// an agent's pod. If the scope is only Prefect's settings, the choice is always the agent's container, even with
/// `--container`.
fn choose_containers(injection: &Injection, scope: Scope<'_>, role: Role, containers: &[Node<'_>]) -> ContainerChoice {
    let choice = match scope {
        Scope::All(Some(Target { containers: Some(choice), .. })) => choice,
        _ => &injection.containers,
    };
    let agent_position = containers.iter().position(|container| agent_generation(*container).is_some());
    match (role, choice, agent_position) {
        (Role::Agent(_), ContainerChoice::First, Some(position)) => ContainerChoice::Index(position),
        (Role::Agent(_), _, Some(position)) if matches!(scope, Scope::SettingsOnly) => ContainerChoice::Index(position),
        _ => choice.clone(),
    }
}
