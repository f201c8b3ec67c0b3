//! The environment of the flow's container: the sources of its variables, and their order and precedence
//! (`prepare_for_flow_run` and the functions that it calls).

use std::collections::HashSet;

use indexmap::IndexMap;
use jobplate_diagnostic::Result;

use super::configuration::Configuration;
use super::run::FlowRunContext;
use super::scenario::WorkerScenario;
use super::settings::ExportedVariable;
use super::values::prefect_error;
use super::version::{EvictionHandling, WorkerVersion};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::dict::DictKey;
use crate::pyvalue::source::Location;

/// The source of a variable, in ascending order of priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkerEnvOrigin {
    /// A setting that the worker exports.
    Worker,
    /// Prefect: an ID or name of the flow run, or of its flow, deployment or worker.
    FlowRun,
    /// `job_configuration.env`
    Template,
    /// The default of the variable `env`.
    Default,
    /// Job variables of the deployment.
    Deployment,
    /// Job variables of the flow run.
    JobVariables,
    /// Prefect, depending on the Job's `backoffLimit`.
    Eviction,
    /// An entry of the container.
    Container,
    /// A setting of the worker that replaces a value with a reference.
    Secret,
}

/// An entry of the container's `env`.
#[derive(Clone, Debug)]
pub struct WorkerEnvEntry {
    /// The entry in the Job.
    pub entry: ValueId,
    /// The source of the variable.
    pub origin: WorkerEnvOrigin,
    /// The location that sets the variable.
    pub location: Option<Location>,
}

/// The variable that determines how a flow run reacts to the termination of its pod.
const SIGTERM_BEHAVIOR: &str = "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR";

/// A variable that the worker sets, with its name, value and origin.
struct WorkerVariable {
    name: ValueId,
    value: ValueId,
    origin: WorkerEnvOrigin,
}

/// Variables in the order of a Python dictionary: a name keeps its first position.
#[derive(Default)]
struct WorkerVariables(IndexMap<DictKey, WorkerVariable>);

impl WorkerVariables {
    fn set(&mut self, arena: &Arena, name: ValueId, value: ValueId, origin: WorkerEnvOrigin) {
        let variable = self.0.entry(arena.dict_key(name)).or_insert(WorkerVariable { name, value, origin });
        (variable.value, variable.origin) = (value, origin);
    }

    fn entries(&self, arena: &mut Arena) -> Vec<WorkerEnvEntry> {
        let to_entry = |variable: &WorkerVariable| {
            let entry = arena.alloc(Value::empty_dict(), None);
            arena.dict_set_str(entry, "name", variable.name);
            arena.dict_set_str(entry, "value", variable.value);
            WorkerEnvEntry {
                entry,
                origin: variable.origin,
                location: arena.location(variable.value).or(arena.location(variable.name)).cloned(),
            }
        };
        self.0.values().map(to_entry).collect()
    }
}

/// Returns the variables that the worker sets by default: its settings, then the variables that identify the flow run.
fn worker_variables(
    arena: &mut Arena,
    version: WorkerVersion,
    scenario: &WorkerScenario,
    exported: Vec<ExportedVariable>,
) -> WorkerVariables {
    let mut variables = WorkerVariables::default();
    for ExportedVariable { name, value, location } in exported {
        let (name, value) = (arena.alloc_str(name), arena.alloc(value.into(), location));
        variables.set(arena, name, value, WorkerEnvOrigin::Worker);
    }
    let FlowRunContext { flow, flow_run, deployment, .. } = &scenario.run;
    let id = if version.keeps_dashes() { flow_run.id.clone() } else { flow_run.id.replace('-', "") };
    let mut attribution = vec![("PREFECT__FLOW_RUN_ID", id)];
    if version.sets_attribution() {
        let worker = &scenario.worker;
        attribution.extend(worker.id.iter().map(|id| ("PREFECT__WORKER_ID", id.clone())));
        attribution.extend(worker.name.iter().map(|name| ("PREFECT__WORKER_NAME", name.clone())));
        attribution.push(("PREFECT__FLOW_ID", flow.id.clone()));
        attribution.push(("PREFECT__FLOW_NAME", flow.name.clone()));
        if let Some(deployment) = deployment {
            attribution.push(("PREFECT__DEPLOYMENT_ID", deployment.id.clone()));
            attribution.push(("PREFECT__DEPLOYMENT_NAME", deployment.name.clone()));
        }
        attribution
            .retain(|(name, value)| !(name.ends_with("_NAME") && name != &"PREFECT__WORKER_NAME" && value.is_empty()));
    }
    for (name, value) in attribution {
        let (name, value) = (arena.alloc_str(name), arena.alloc_str(value));
        variables.set(arena, name, value, WorkerEnvOrigin::FlowRun);
    }
    variables
}

/// Returns the entries that a worker adds to the flow's container. `origin` returns the source of a value of `env`.
///
/// # Errors
/// Fails if the name of an entry cannot be a key of a Python dictionary.
pub(super) fn prepare(
    arena: &mut Arena,
    version: WorkerVersion,
    scenario: &WorkerScenario,
    exported: Vec<ExportedVariable>,
    configuration: &Configuration,
    origin: &dyn Fn(&Arena, ValueId) -> WorkerEnvOrigin,
) -> Result<Vec<WorkerEnvEntry>> {
    let mut variables = worker_variables(arena, version, scenario, exported);
    let mut references = Vec::new();
    match arena.get(configuration.env).clone() {
        Value::Dict(pairs) => {
            for (name, value) in pairs {
                let value_origin = origin(arena, value);
                variables.set(arena, name, value, value_origin);
            }
        }
        Value::List(items) => {
            // An entry with only a name sets no variable, so the worker drops it.
            for item in items {
                let value_origin = origin(arena, item);
                if arena.dict_get(item, "valueFrom").is_some() {
                    references.push(WorkerEnvEntry {
                        entry: item,
                        origin: value_origin,
                        location: arena.location(item).cloned(),
                    });
                }
                if let (Some(name), Some(value)) = (arena.dict_get(item, "name"), arena.dict_get(item, "value")) {
                    name_key(arena, name)?;
                    variables.set(arena, name, value, value_origin);
                }
            }
        }
        _ => {}
    }
    variables.0.retain(|_, variable| *arena.get(variable.value) != Value::None);
    let is_single = is_single_attempt(arena, configuration);
    match version.eviction_handling() {
        EvictionHandling::RescheduleOnly => set_eviction_unconditionally(arena, is_single, &mut variables),
        EvictionHandling::RescheduleOrRelinquish if references.is_empty() => {
            set_eviction(arena, is_single, &mut variables)
        }
        _ => {}
    }
    // An entry has two keys.
    arena.budget.spend_values(2 * variables.0.len(), "`env`")?;
    let mut entries = variables.entries(arena);
    if !references.is_empty() {
        entries.append(&mut references);
        if version.eviction_handling() == EvictionHandling::RescheduleOrRelinquish {
            set_eviction_in_entries(arena, is_single, &mut entries);
        }
    }
    Ok(entries)
}

/// Returns whether Kubernetes makes only one attempt, that is, whether `backoffLimit == 0` is true in Python.
fn is_single_attempt(arena: &Arena, configuration: &Configuration) -> bool {
    let limit = arena.dict_get(configuration.manifest, "spec").and_then(|spec| arena.dict_get(spec, "backoffLimit"));
    limit.is_some_and(|limit| match arena.get(limit) {
        Value::Bool(flag) => !flag,
        Value::Int(_) | Value::Float(_) => !arena.is_truthy(limit),
        _ => false,
    })
}

/// Sets [`SIGTERM_BEHAVIOR`] to `reschedule` if there is a single attempt, and removes the variable otherwise.
fn set_eviction_unconditionally(arena: &mut Arena, is_single: bool, variables: &mut WorkerVariables) {
    let name = arena.alloc_str(SIGTERM_BEHAVIOR);
    match is_single {
        true => {
            let value = arena.alloc_str("reschedule");
            variables.set(arena, name, value, WorkerEnvOrigin::Eviction);
        }
        false => drop(variables.0.shift_remove(&arena.dict_key(name))),
    }
}

/// Sets [`SIGTERM_BEHAVIOR`] to `reschedule` if there is a single attempt and no value is set yet. Sets it to
/// `relinquish` if there can be several attempts, overriding any value.
fn set_eviction(arena: &mut Arena, is_single: bool, variables: &mut WorkerVariables) {
    let (name, value) =
        (arena.alloc_str(SIGTERM_BEHAVIOR), arena.alloc_str(if is_single { "reschedule" } else { "relinquish" }));
    let current = variables.0.get(&arena.dict_key(name));
    if is_single && current.is_some_and(|variable| arena.is_truthy(variable.value)) {
        return;
    }
    variables.set(arena, name, value, WorkerEnvOrigin::Eviction);
}

/// Replaces all entries for [`SIGTERM_BEHAVIOR`] with a new entry, unless there is a single attempt and an entry
/// exists.
fn set_eviction_in_entries(arena: &mut Arena, is_single: bool, entries: &mut Vec<WorkerEnvEntry>) {
    let sets_sigterm = |arena: &Arena, entry: &WorkerEnvEntry| {
        arena.dict_get(entry.entry, "name").and_then(|name| arena.as_str(name)) == Some(SIGTERM_BEHAVIOR)
    };
    if is_single && entries.iter().any(|entry| sets_sigterm(arena, entry)) {
        return;
    }
    entries.retain(|entry| !sets_sigterm(arena, entry));
    let (name, value) =
        (arena.alloc_str(SIGTERM_BEHAVIOR), arena.alloc_str(if is_single { "reschedule" } else { "relinquish" }));
    let mut variables = WorkerVariables::default();
    variables.set(arena, name, value, WorkerEnvOrigin::Eviction);
    entries.append(&mut variables.entries(arena));
}

/// Appends the container's own entries to the entries that the worker sets. Returns the merged entries and the entries
/// of the container that were removed as duplicates. The first versions ignore the container's entries.
///
/// # Errors
/// Fails if an entry of the worker has no name, if an entry of the container is not a mapping, or if the name of such
/// an entry cannot be a key of a Python dictionary.
pub(super) fn merge(
    arena: &Arena,
    version: WorkerVersion,
    mut entries: Vec<WorkerEnvEntry>,
    container_env: Option<ValueId>,
) -> Result<(Vec<WorkerEnvEntry>, Vec<WorkerEnvEntry>)> {
    let list = match container_env.map(|container_env| arena.get(container_env)) {
        Some(Value::List(items)) if version.keeps_entries() => items.clone(),
        _ => return Ok((entries, Vec::new())),
    };
    let names = WorkerNames::collect(arena, version, &entries)?;
    let mut dropped = Vec::new();
    for item in list {
        if arena.as_dict(item).is_none() {
            return Err(prefect_error(
                arena,
                item,
                format!("an entry of `env` must be a mapping, not {}", arena.describe_kind(item)),
            ));
        }
        let is_dropped = version.drops_duplicate_entries() && names.contains_name_of(arena, item)?;
        let entry =
            WorkerEnvEntry { entry: item, origin: WorkerEnvOrigin::Container, location: arena.location(item).cloned() };
        if is_dropped { dropped.push(entry) } else { entries.push(entry) }
    }
    Ok((entries, dropped))
}

/// The names of the entries that a worker sets.
struct WorkerNames {
    keys: HashSet<DictKey>,
    /// Whether a name is null. Python's `dict.get` also returns null for an entry without a name.
    has_null: bool,
}

impl WorkerNames {
    /// Collects the names of entries. Fails if an entry has no name, or a name that Prefect cannot compare.
    fn collect(arena: &Arena, version: WorkerVersion, entries: &[WorkerEnvEntry]) -> Result<Self> {
        let mut names = WorkerNames { keys: HashSet::new(), has_null: false };
        for WorkerEnvEntry { entry, .. } in entries {
            let Some(name) = arena.dict_get(*entry, "name") else {
                return Err(prefect_error(arena, *entry, "an entry of `env` has no name"));
            };
            if version.drops_duplicate_entries() {
                names.has_null |= *arena.get(name) == Value::None;
                names.keys.insert(name_key(arena, name)?);
            }
        }
        Ok(names)
    }

    /// Returns whether the worker sets the name of an entry. Fails if Prefect cannot compare the name.
    fn contains_name_of(&self, arena: &Arena, entry: ValueId) -> Result<bool> {
        match arena.dict_get(entry, "name") {
            Some(name) => Ok(self.keys.contains(&name_key(arena, name)?)),
            None => Ok(self.has_null),
        }
    }
}

/// Returns the dictionary key of an entry's name. Fails if the name is not hashable.
fn name_key(arena: &Arena, name: ValueId) -> Result<DictKey> {
    match arena.is_hashable(name) {
        true => Ok(arena.dict_key(name)),
        false => Err(prefect_error(
            arena,
            name,
            format!("the name of an entry of `env` must be a string, not {}", arena.describe_kind(name)),
        )),
    }
}
