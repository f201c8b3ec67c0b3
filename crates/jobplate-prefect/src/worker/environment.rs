//! The environment of the flow's container: who sets a variable, in which order, and what each of them hides
//! (`prepare_for_flow_run` and what it calls).

use jobplate_diagnostic::Result;

use super::configuration::Configuration;
use super::run::Run;
use super::scenario::WorkerScenario;
use super::settings::Exported;
use super::values::fails;
use super::version::{Eviction, WorkerVersion};
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::Place;
use crate::pyvalue::text;

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
    pub entry: Id,
    /// Who set it.
    pub origin: WorkerEnvOrigin,
    /// Where that is written.
    pub place: Option<Place>,
}

/// What tells a flow run what to do when its pod is stopped.
const SIGTERM: &str = "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR";

/// A variable by its name and value.
struct Variable {
    name: Id,
    value: Id,
    origin: WorkerEnvOrigin,
}

/// Variables as a dictionary has them: a name stays where it came first.
#[derive(Default)]
struct Variables(Vec<Variable>);

impl Variables {
    fn set(&mut self, heap: &Heap, name: Id, value: Id, origin: WorkerEnvOrigin) {
        match self.0.iter_mut().find(|own| heap.equal(own.name, name)) {
            Some(own) => (own.value, own.origin) = (value, origin),
            None => self.0.push(Variable { name, value, origin }),
        }
    }

    fn get(&self, heap: &Heap, name: &str) -> Option<&Variable> {
        self.0.iter().find(|own| heap.str(own.name) == Some(name))
    }

    fn entries(&self, heap: &mut Heap) -> Vec<WorkerEnvEntry> {
        let entry = |own: &Variable| {
            let entry = heap.put(Data::Dict(Vec::new()), None);
            heap.set_item(entry, "name", own.name);
            heap.set_item(entry, "value", own.value);
            WorkerEnvEntry { entry, origin: own.origin, place: heap.place(own.value).or(heap.place(own.name)).cloned() }
        };
        self.0.iter().map(entry).collect()
    }
}

/// What the worker sets itself: its settings, and what tells a flow run which one it is.
fn of_worker(heap: &mut Heap, version: WorkerVersion, scenario: &WorkerScenario, exported: Vec<Exported>) -> Variables {
    let mut variables = Variables::default();
    for Exported { name, value, place } in exported {
        let (name, value) = (heap.text(name), heap.put(value.into(), place));
        variables.set(heap, name, value, WorkerEnvOrigin::Worker);
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
        let (name, value) = (heap.text(name), heap.text(value));
        variables.set(heap, name, value, WorkerEnvOrigin::FlowRun);
    }
    variables
}

/// The entries that a worker puts into the flow's container, before those that the container has.
pub(super) fn prepare(
    heap: &mut Heap,
    version: WorkerVersion,
    scenario: &WorkerScenario,
    exported: Vec<Exported>,
    configuration: &Configuration,
    origin: &dyn Fn(&Heap, Id) -> WorkerEnvOrigin,
) -> Result<Vec<WorkerEnvEntry>> {
    let mut variables = of_worker(heap, version, scenario, exported);
    let mut references = Vec::new();
    match heap.get(configuration.env).clone() {
        Data::Dict(pairs) => {
            for (name, value) in pairs {
                let own = origin(heap, value);
                let value = as_text(heap, value);
                variables.set(heap, name, value, own);
            }
        }
        Data::List(items) => {
            // An entry of a name alone sets nothing.
            for item in items {
                let own = origin(heap, item);
                if heap.item(item, "valueFrom").is_some() {
                    references.push(WorkerEnvEntry { entry: item, origin: own, place: heap.place(item).cloned() });
                }
                if let (Some(name), Some(value)) = (heap.item(item, "name"), heap.item(item, "value")) {
                    if !heap.is_hashable(name) {
                        return Err(fails(heap, name, format!("the name of an entry is {}", heap.kind(name))));
                    }
                    variables.set(heap, name, value, own);
                }
            }
        }
        _ => {}
    }
    variables.0.retain(|own| *heap.get(own.value) != Data::None);
    let single = is_single_attempt(heap, configuration);
    match version.eviction() {
        Eviction::RescheduleOnly => reschedule_only(heap, single, &mut variables),
        Eviction::RescheduleOrRelinquish if references.is_empty() => tell_eviction(heap, single, &mut variables),
        _ => {}
    }
    let mut entries = variables.entries(heap);
    if !references.is_empty() {
        entries.append(&mut references);
        if version.eviction() == Eviction::RescheduleOrRelinquish {
            tell_eviction_in_entries(heap, single, &mut entries);
        }
    }
    Ok(entries)
}

/// Whether Kubernetes makes no second attempt: `backoffLimit == 0` to Python.
fn is_single_attempt(heap: &Heap, configuration: &Configuration) -> bool {
    let limit = heap.item(configuration.manifest, "spec").and_then(|spec| heap.item(spec, "backoffLimit"));
    limit.is_some_and(|limit| match heap.get(limit) {
        Data::Bool(is) => !is,
        Data::Int(_) | Data::Float(_) => !heap.is_true(limit),
        _ => false,
    })
}

/// As it was first: whatever is set is replaced, or taken out.
fn reschedule_only(heap: &mut Heap, single: bool, variables: &mut Variables) {
    let name = heap.text(SIGTERM);
    match single {
        true => {
            let value = heap.text("reschedule");
            variables.set(heap, name, value, WorkerEnvOrigin::Eviction);
        }
        false => variables.0.retain(|own| !heap.equal(own.name, name)),
    }
}

fn tell_eviction(heap: &mut Heap, single: bool, variables: &mut Variables) {
    if single && variables.get(heap, SIGTERM).is_some_and(|own| heap.is_true(own.value)) {
        return;
    }
    let (name, value) = (heap.text(SIGTERM), heap.text(if single { "reschedule" } else { "relinquish" }));
    variables.set(heap, name, value, WorkerEnvOrigin::Eviction);
}

fn tell_eviction_in_entries(heap: &mut Heap, single: bool, entries: &mut Vec<WorkerEnvEntry>) {
    let is_own = |heap: &Heap, entry: &WorkerEnvEntry| {
        heap.item(entry.entry, "name").and_then(|name| heap.str(name)) == Some(SIGTERM)
    };
    if single && entries.iter().any(|entry| is_own(heap, entry)) {
        return;
    }
    entries.retain(|entry| !is_own(heap, entry));
    let (name, value) = (heap.text(SIGTERM), heap.text(if single { "reschedule" } else { "relinquish" }));
    let own = Variables(vec![Variable { name, value, origin: WorkerEnvOrigin::Eviction }]);
    entries.append(&mut own.entries(heap));
}

/// `str(value)`, unless it is text or null.
fn as_text(heap: &mut Heap, value: Id) -> Id {
    match heap.get(value) {
        Data::None | Data::Str(_) | Data::Unknown(_) => value,
        _ => {
            let (text, place) = (text::str(heap, value), heap.place(value).cloned());
            heap.put(Data::Str(text), place)
        }
    }
}

/// The whole `env` of the container: what the worker sets, then the entries that it has itself, as far as they are kept.
/// Gives those, too, that are not.
pub(super) fn merge(
    heap: &Heap,
    version: WorkerVersion,
    mut entries: Vec<WorkerEnvEntry>,
    own: Option<Id>,
) -> Result<(Vec<WorkerEnvEntry>, Vec<WorkerEnvEntry>)> {
    let list = match own.map(|own| heap.get(own)) {
        Some(Data::List(items)) if version.keeps_entries() => items.clone(),
        _ => return Ok((entries, Vec::new())),
    };
    let name = |entry: Id| heap.item(entry, "name");
    let mut names = Vec::new();
    for WorkerEnvEntry { entry, .. } in &entries {
        match name(*entry) {
            Some(name) => names.push(name),
            None => return Err(fails(heap, *entry, "an entry of `env` has no name")),
        }
    }
    let mut dropped = Vec::new();
    for item in list {
        if heap.dict(item).is_none() {
            return Err(fails(heap, item, format!("an entry of `env` is {}", heap.kind(item))));
        }
        if let Some(name) = name(item).filter(|name| !heap.is_hashable(*name) && version.drops_doubled_entries()) {
            return Err(fails(heap, name, format!("the name of an entry is {}", heap.kind(name))));
        }
        let entry =
            WorkerEnvEntry { entry: item, origin: WorkerEnvOrigin::Container, place: heap.place(item).cloned() };
        let is_set = name(item).is_some_and(|name| names.iter().any(|own| heap.equal(*own, name)));
        if is_set && version.drops_doubled_entries() { dropped.push(entry) } else { entries.push(entry) }
    }
    Ok((entries, dropped))
}
