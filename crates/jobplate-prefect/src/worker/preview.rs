//! A preview: everything that a worker does between a flow run and its Job, in one call.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use jobplate_diagnostic::Result;

use super::configuration::{self, Configuration, Given};
use super::environment::{self, WorkerEnvEntry, WorkerEnvOrigin};
use super::fill::RedactedNames;
use super::scenario::WorkerScenario;
use super::secret_references::{self, SecretSettings, WrittenSecret};
use super::settings::Exported;
use super::version::WorkerVersion;
use super::{manifest, settings, template_source};
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::json;
use crate::pyvalue::source::{Place, Text};

/// A Job, and how it came to be.
#[derive(Debug)]
pub struct WorkerPreview<'s> {
    /// The Job that the worker posts.
    pub job: Id,
    /// The base job template.
    pub template: Id,
    /// The configuration that it was made of.
    pub configuration: Configuration,
    /// The `env` of the flow's container.
    pub entries: Vec<WorkerEnvEntry>,
    /// What does not get there: what something else of the same name hides.
    pub overridden: Vec<WorkerEnvEntry>,
    /// The worker's settings about secrets.
    pub settings: SecretSettings<'s>,
    /// The Secrets that the worker writes.
    pub secrets: Vec<WrittenSecret>,
    /// What names may hold of the worker's environment.
    pub redacted_names: RedactedNames,
}

/// Makes the Job of a flow run.
///
/// # Errors
/// Fails where Prefect fails, and at what is not followed.
pub fn preview<'s>(
    heap: &mut Heap,
    version: WorkerVersion,
    source: &Rc<Text>,
    scenario: &'s WorkerScenario,
) -> Result<WorkerPreview<'s>> {
    let template = template_source::read(heap, source)?;
    // YAML makes something else of JSON with a slip in it: that is the reason of whatever fails then.
    let source = heap.place(template).map(|place| Rc::clone(&place.source));
    let slip = |error| source.as_ref().and_then(json::no_json).unwrap_or(error);
    make(heap, version, template, scenario).map_err(slip)
}

fn make<'s>(
    heap: &mut Heap,
    version: WorkerVersion,
    template: Id,
    scenario: &'s WorkerScenario,
) -> Result<WorkerPreview<'s>> {
    let exported = settings::export(&scenario.worker.environ, version)?;
    let settings = SecretSettings::read(&scenario.worker)?;
    let given = Given { template, deployment: scenario.deployment_variables, run: scenario.run_variables };
    let origins = Origins::of(heap, &given);
    let mut candidates = candidates(heap, &given, &exported);
    let configuration = configuration::fill(heap, version, &given, &scenario.worker.environ)?;
    let own = environment::prepare(heap, version, scenario, exported, &configuration, &|heap, id| {
        origins.get(heap.place(id)).unwrap_or(WorkerEnvOrigin::Template)
    })?;
    let container = manifest::container(heap, configuration.manifest);
    let container_env = container.and_then(|container| heap.item(container, "env"));
    let (mut entries, dropped) = environment::merge(heap, version, own, container_env)?;
    if let Some(container) = container {
        let list = heap.put(Data::List(entries.iter().map(|entry| entry.entry).collect()), None);
        heap.set_item(container, "env", list);
    }
    manifest::prepare(heap, version, scenario, &configuration)?;
    let secrets = secret_references::apply(heap, &settings, &scenario.worker, &configuration, &mut entries)?;
    // What a placeholder put into the container came from elsewhere, and is in the list already.
    candidates.extend(dropped.into_iter().filter(|own| origins.get(own.place.as_ref()).is_none()));
    let winners = Winners::of(heap, &entries);
    candidates.retain(|own| !winners.has(heap, own));
    let overridden = candidates;
    let texts = [Some(template), given.deployment, given.run].into_iter().flatten();
    let mut redacted_names = RedactedNames::of(heap, texts, &scenario.worker.environ);
    redacted_names.extend(secrets.iter().map(|secret| secret.name.as_str()));
    Ok(WorkerPreview {
        job: configuration.manifest,
        template,
        configuration,
        entries,
        overridden,
        settings,
        secrets,
        redacted_names,
    })
}

/// Who gave which value of `env`: by the bytes it was written in, for values are copied and made into texts.
struct Origins(HashMap<(*const Text, usize), WorkerEnvOrigin>);

impl Origins {
    fn of(heap: &Heap, given: &Given) -> Self {
        let mut origins = HashMap::new();
        let variables = heap.item(given.template, "variables").and_then(|own| heap.item(own, "properties"));
        let default = variables.and_then(|own| heap.item(own, "env")).and_then(|own| heap.item(own, "default"));
        let base = heap.item(given.template, "job_configuration").and_then(|own| heap.item(own, "env"));
        let mut add = |env: Option<Id>, origin| {
            for value in env.into_iter().flat_map(|env| values(heap, env)) {
                origins.extend(heap.place(value).map(|place| (key_of(place), origin)));
            }
        };
        add(base, WorkerEnvOrigin::Template);
        add(default, WorkerEnvOrigin::Default);
        for (variables, origin) in
            [(given.deployment, WorkerEnvOrigin::Deployment), (given.run, WorkerEnvOrigin::JobVariables)]
        {
            let pairs = variables.and_then(|variables| heap.dict(variables)).unwrap_or_default();
            for (key, value) in pairs {
                match heap.str(*key) {
                    Some("env") => add(Some(*value), origin),
                    Some(key) if key.starts_with("env.") => add(Some(*value), origin),
                    _ => {}
                }
            }
        }
        Origins(origins)
    }

    fn get(&self, place: Option<&Place>) -> Option<WorkerEnvOrigin> {
        self.0.get(&key_of(place?)).copied()
    }
}

fn key_of(place: &Place) -> (*const Text, usize) {
    (Rc::as_ptr(&place.source), place.span.start)
}

/// All that sets a variable to something, whether or not it wins.
fn candidates(heap: &mut Heap, given: &Given, exported: &[Exported]) -> Vec<WorkerEnvEntry> {
    let mut found = Vec::new();
    for Exported { name, value, place } in exported {
        let value = heap.put(value.clone().into(), place.clone());
        found.push((name.clone(), value, WorkerEnvOrigin::Worker));
    }
    let item = |heap: &Heap, of: Option<Id>, key: &str| of.and_then(|of| heap.item(of, key));
    let base = item(heap, Some(given.template), "job_configuration");
    let variables = item(heap, Some(given.template), "variables");
    let variables = item(heap, variables, "properties");
    let of_env = item(heap, variables, "env");
    let envs = [
        (item(heap, base, "env"), WorkerEnvOrigin::Template),
        (item(heap, of_env, "default"), WorkerEnvOrigin::Default),
        (item(heap, given.deployment, "env"), WorkerEnvOrigin::Deployment),
        (item(heap, given.run, "env"), WorkerEnvOrigin::JobVariables),
    ];
    for (env, origin) in envs {
        let pairs = env.and_then(|env| heap.dict(env)).unwrap_or_default();
        let pairs = pairs.iter().filter(|(_, value)| *heap.get(*value) != Data::None);
        found.extend(pairs.filter_map(|(name, value)| Some((heap.str(*name)?.to_owned(), *value, origin))));
    }
    let entry = |(name, value, origin): (String, Id, WorkerEnvOrigin)| {
        let place = heap.place(value).cloned();
        let (entry, name) = (heap.put(Data::Dict(Vec::new()), None), heap.text(name));
        heap.set_item(entry, "name", name);
        heap.set_item(entry, "value", value);
        WorkerEnvEntry { entry, origin, place }
    };
    found.into_iter().map(entry).collect()
}

/// Who set which name, of entries that the container gets.
struct Winners<'h>(HashSet<(WorkerEnvOrigin, &'h str)>, HashSet<Id>);

impl<'h> Winners<'h> {
    fn of(heap: &'h Heap, entries: &[WorkerEnvEntry]) -> Self {
        let names = entries.iter().filter_map(|entry| Some((entry.origin, name(heap, entry)?)));
        Winners(names.collect(), entries.iter().map(|entry| entry.entry).collect())
    }

    fn has(&self, heap: &Heap, own: &WorkerEnvEntry) -> bool {
        self.1.contains(&own.entry) || name(heap, own).is_some_and(|name| self.0.contains(&(own.origin, name)))
    }
}

fn name<'h>(heap: &'h Heap, entry: &WorkerEnvEntry) -> Option<&'h str> {
    heap.item(entry.entry, "name").and_then(|name| heap.str(name))
}

/// The values of variables in a mapping, the entries of a list.
fn values(heap: &Heap, env: Id) -> Vec<Id> {
    match heap.get(env) {
        Data::List(items) => items.clone(),
        Data::Dict(pairs) => pairs.iter().map(|(_, value)| *value).collect(),
        _ => vec![env],
    }
}
