//! The environment of the flow's container: who sets a variable, in which order, and what each of them hides
//! (`prepare_for_flow_run` and what it calls).

use jobplate_diagnostic::Result;

use super::configuration::Configuration;
use super::run::Run;
use super::scenario::WorkerScenario;
use super::settings::ExportedVariable;
use super::values::fails;
use super::version::{Eviction, WorkerVersion};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::Location;
use crate::pyvalue::string;

/// Who says what a variable is, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkerEnvOrigin {
    /// A setting of the worker, which it hands on.
    Worker,
    /// The flow run, and what it belongs to.
    FlowRun,
    /// `job_configuration.env`
    Template,
    /// The default of the variable `env`.
    Default,
    /// Job variables of the deployment.
    Deployment,
    /// Job variables of the flow run.
    JobVariables,
    /// Prefect, by the Job's `backoffLimit`.
    Eviction,
    /// An entry of the container.
    Container,
    /// A setting of the worker that puts a reference in the place of a value.
    Secret,
}

/// An entry of the container's `env`.
#[derive(Clone, Debug)]
pub struct WorkerEnvEntry {
    /// As the Job has it.
    pub entry: ValueId,
    /// Who set it.
    pub origin: WorkerEnvOrigin,
    /// Where that is written.
    pub location: Option<Location>,
}

/// What tells a flow run what to do when its pod is stopped.
const SIGTERM: &str = "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR";

/// A variable by its name and value.
struct Variable {
    name: ValueId,
    value: ValueId,
    origin: WorkerEnvOrigin,
}

/// Variables as a dictionary has them: a name stays where it came first.
#[derive(Default)]
struct Variables(Vec<Variable>);

impl Variables {
    fn set(&mut self, arena: &Arena, name: ValueId, value: ValueId, origin: WorkerEnvOrigin) {
        match self.0.iter_mut().find(|own| arena.is_same_key(own.name, name)) {
            Some(own) => (own.value, own.origin) = (value, origin),
            None => self.0.push(Variable { name, value, origin }),
        }
    }

    fn get(&self, arena: &Arena, name: &str) -> Option<&Variable> {
        self.0.iter().find(|own| arena.as_str(own.name) == Some(name))
    }

    fn entries(&self, arena: &mut Arena) -> Vec<WorkerEnvEntry> {
        let entry = |own: &Variable| {
            let entry = arena.alloc(Value::empty_dict(), None);
            arena.dict_set_str(entry, "name", own.name);
            arena.dict_set_str(entry, "value", own.value);
            WorkerEnvEntry {
                entry,
                origin: own.origin,
                location: arena.location(own.value).or(arena.location(own.name)).cloned(),
            }
        };
        self.0.iter().map(entry).collect()
    }
}

/// What the worker sets itself: its settings, and what tells a flow run which one it is.
fn of_worker(
    arena: &mut Arena,
    version: WorkerVersion,
    scenario: &WorkerScenario,
    exported: Vec<ExportedVariable>,
) -> Variables {
    let mut variables = Variables::default();
    for ExportedVariable { name, value, location } in exported {
        let (name, value) = (arena.alloc_str(name), arena.alloc(value.into(), location));
        variables.set(arena, name, value, WorkerEnvOrigin::Worker);
    }
    let Run { flow, flow_run, deployment, .. } = &scenario.run;
    let id = if version.writes_dashes() { flow_run.id.clone() } else { flow_run.id.replace('-', "") };
    let mut told = vec![("PREFECT__FLOW_RUN_ID", id)];
    if version.tells_attribution() {
        let worker = &scenario.worker;
        told.extend(worker.id.iter().map(|id| ("PREFECT__WORKER_ID", id.clone())));
        told.extend(worker.name.iter().map(|name| ("PREFECT__WORKER_NAME", name.clone())));
        told.push(("PREFECT__FLOW_ID", flow.id.clone()));
        told.push(("PREFECT__FLOW_NAME", flow.name.clone()));
        if let Some(deployment) = deployment {
            told.push(("PREFECT__DEPLOYMENT_ID", deployment.id.clone()));
            told.push(("PREFECT__DEPLOYMENT_NAME", deployment.name.clone()));
        }
        told.retain(|(name, value)| !(name.ends_with("_NAME") && name != &"PREFECT__WORKER_NAME" && value.is_empty()));
    }
    for (name, value) in told {
        let (name, value) = (arena.alloc_str(name), arena.alloc_str(value));
        variables.set(arena, name, value, WorkerEnvOrigin::FlowRun);
    }
    variables
}

/// The entries that a worker puts into the flow's container, before those that the container has.
pub(super) fn prepare(
    arena: &mut Arena,
    version: WorkerVersion,
    scenario: &WorkerScenario,
    exported: Vec<ExportedVariable>,
    configuration: &Configuration,
    origin: &dyn Fn(&Arena, ValueId) -> WorkerEnvOrigin,
) -> Result<Vec<WorkerEnvEntry>> {
    let mut variables = of_worker(arena, version, scenario, exported);
    let mut find_references = Vec::new();
    match arena.get(configuration.env).clone() {
        Value::Dict(pairs) => {
            for (name, value) in pairs {
                let own = origin(arena, value);
                let value = as_text(arena, value);
                variables.set(arena, name, value, own);
            }
        }
        Value::List(items) => {
            // An entry of a name alone sets nothing.
            for item in items {
                let own = origin(arena, item);
                if arena.dict_get(item, "valueFrom").is_some() {
                    find_references.push(WorkerEnvEntry {
                        entry: item,
                        origin: own,
                        location: arena.location(item).cloned(),
                    });
                }
                if let (Some(name), Some(value)) = (arena.dict_get(item, "name"), arena.dict_get(item, "value")) {
                    if !arena.is_hashable(name) {
                        return Err(fails(
                            arena,
                            name,
                            format!("the name of an entry is {}", arena.describe_kind(name)),
                        ));
                    }
                    variables.set(arena, name, value, own);
                }
            }
        }
        _ => {}
    }
    variables.0.retain(|own| *arena.get(own.value) != Value::None);
    let single = is_single_attempt(arena, configuration);
    match version.eviction() {
        Eviction::RescheduleOnly => reschedule_only(arena, single, &mut variables),
        Eviction::RescheduleOrRelinquish if find_references.is_empty() => tell_eviction(arena, single, &mut variables),
        _ => {}
    }
    let mut entries = variables.entries(arena);
    if !find_references.is_empty() {
        entries.append(&mut find_references);
        if version.eviction() == Eviction::RescheduleOrRelinquish {
            tell_eviction_in_entries(arena, single, &mut entries);
        }
    }
    Ok(entries)
}

/// Whether Kubernetes makes no second attempt: `backoffLimit == 0` to Python.
fn is_single_attempt(arena: &Arena, configuration: &Configuration) -> bool {
    let limit = arena.dict_get(configuration.manifest, "spec").and_then(|spec| arena.dict_get(spec, "backoffLimit"));
    limit.is_some_and(|limit| match arena.get(limit) {
        Value::Bool(is) => !is,
        Value::Int(_) | Value::Float(_) => !arena.is_truthy(limit),
        _ => false,
    })
}

/// As it was first: whatever is set is replaced, or taken out.
fn reschedule_only(arena: &mut Arena, single: bool, variables: &mut Variables) {
    let name = arena.alloc_str(SIGTERM);
    match single {
        true => {
            let value = arena.alloc_str("reschedule");
            variables.set(arena, name, value, WorkerEnvOrigin::Eviction);
        }
        false => variables.0.retain(|own| !arena.is_same_key(own.name, name)),
    }
}

fn tell_eviction(arena: &mut Arena, single: bool, variables: &mut Variables) {
    if single && variables.get(arena, SIGTERM).is_some_and(|own| arena.is_truthy(own.value)) {
        return;
    }
    let (name, value) = (arena.alloc_str(SIGTERM), arena.alloc_str(if single { "reschedule" } else { "relinquish" }));
    variables.set(arena, name, value, WorkerEnvOrigin::Eviction);
}

fn tell_eviction_in_entries(arena: &mut Arena, single: bool, entries: &mut Vec<WorkerEnvEntry>) {
    let is_own = |arena: &Arena, entry: &WorkerEnvEntry| {
        arena.dict_get(entry.entry, "name").and_then(|name| arena.as_str(name)) == Some(SIGTERM)
    };
    if single && entries.iter().any(|entry| is_own(arena, entry)) {
        return;
    }
    entries.retain(|entry| !is_own(arena, entry));
    let (name, value) = (arena.alloc_str(SIGTERM), arena.alloc_str(if single { "reschedule" } else { "relinquish" }));
    let own = Variables(vec![Variable { name, value, origin: WorkerEnvOrigin::Eviction }]);
    entries.append(&mut own.entries(arena));
}

/// `str(value)`, unless it is text or null.
fn as_text(arena: &mut Arena, value: ValueId) -> ValueId {
    match arena.get(value) {
        Value::None | Value::Str(_) | Value::Unknown(_) => value,
        _ => {
            let (text, location) = (string::str(arena, value), arena.location(value).cloned());
            arena.alloc(Value::Str(text), location)
        }
    }
}

/// The whole `env` of the container: what the worker sets, then the entries that it has itself, as far as they are kept.
/// Gives those, too, that are not.
pub(super) fn merge(
    arena: &Arena,
    version: WorkerVersion,
    mut entries: Vec<WorkerEnvEntry>,
    own: Option<ValueId>,
) -> Result<(Vec<WorkerEnvEntry>, Vec<WorkerEnvEntry>)> {
    let list = match own.map(|own| arena.get(own)) {
        Some(Value::List(items)) if version.keeps_entries() => items.clone(),
        _ => return Ok((entries, Vec::new())),
    };
    let name = |entry: ValueId| arena.dict_get(entry, "name");
    let mut names = Vec::new();
    for WorkerEnvEntry { entry, .. } in &entries {
        match name(*entry) {
            Some(name) => names.push(name),
            None => return Err(fails(arena, *entry, "an entry of `env` has no name")),
        }
    }
    let mut dropped = Vec::new();
    for item in list {
        if arena.as_dict(item).is_none() {
            return Err(fails(arena, item, format!("an entry of `env` is {}", arena.describe_kind(item))));
        }
        if let Some(name) = name(item).filter(|name| !arena.is_hashable(*name) && version.drops_doubled_entries()) {
            return Err(fails(arena, name, format!("the name of an entry is {}", arena.describe_kind(name))));
        }
        let entry =
            WorkerEnvEntry { entry: item, origin: WorkerEnvOrigin::Container, location: arena.location(item).cloned() };
        let is_set = name(item).is_some_and(|name| names.iter().any(|own| arena.is_same_key(*own, name)));
        if is_set && version.drops_doubled_entries() { dropped.push(entry) } else { entries.push(entry) }
    }
    Ok((entries, dropped))
}
