//! What a worker does for secrets as it creates a Job: references in the place of values, and all of `env` in a Secret
//! (`KubernetesWorker._create_job`).

use jobplate_diagnostic::Result;

use super::configuration::Configuration;
use super::environment::{WorkerEnvEntry, WorkerEnvOrigin};
use super::manifest::container;
use super::scenario::{SETTINGS_PREFIX, Worker};
use super::settings::Given;
use super::values::fails;
use super::{labels, settings};
use crate::kwargs::iterate;
use crate::pyvalue::environ::{Known, Variable};
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::Place;
use crate::pyvalue::text;

/// The letters that Prefect draws at random for the name of a Secret.
const DRAWN: &str = "0a1b2c3d";

/// A Secret that the worker writes.
#[derive(Debug)]
pub struct WrittenSecret {
    /// Its name.
    pub name: String,
    /// Its keys.
    pub keys: Vec<String>,
    /// Whether the worker deletes it as it stops; else it goes with its Job.
    pub ends_with_worker: bool,
}

/// A setting without the one that it needs.
#[derive(Debug)]
pub struct IncompleteSetting<'w> {
    /// The one that is there.
    pub given: &'w Variable,
    /// The name of the one that is not.
    pub missing: String,
    /// What stays where it is.
    pub what: &'static str,
    /// The variable that it is the value of.
    pub variable: &'static str,
}

/// The settings of a worker that are about secrets.
#[derive(Debug, Default)]
pub struct SecretSettings<'w> {
    api_key: [Option<&'w Variable>; 2],
    auth_string: [Option<&'w Variable>; 2],
    creates_secret: bool,
    stores_env: bool,
    /// Switches whose value only the cluster knows: they are taken as not set.
    pub unknown: Vec<&'w Variable>,
}

impl<'w> SecretSettings<'w> {
    /// Reads them from the worker's environment. Fails where the worker would not take its settings.
    pub fn read(worker: &'w Worker) -> Result<Self> {
        let given = settings::of_kubernetes(&worker.environ)?;
        let find = |name: &str| {
            let name = format!("{SETTINGS_PREFIX}{name}");
            given.iter().find(|own| name.strip_prefix("PREFECT_") == Some(own.name))
        };
        let text = |name: &str| find(name).map(|own| own.variable);
        let switches = ["CREATE_SECRET_FOR_API_KEY", "STORE_ENV_AS_SECRET"].map(find);
        let is_on = |own: Option<&Given<'_>>| own.is_some_and(|own| own.value == Known::Text("True".to_owned()));
        let [creates_secret, stores_env] = switches.map(is_on);
        let is_unknown = |own: &&Given<'_>| matches!(own.value, Known::Unknown(_));
        let unknown = switches.into_iter().flatten().filter(is_unknown).map(|own| own.variable).collect();
        Ok(SecretSettings {
            api_key: [text("API_KEY_SECRET_NAME"), text("API_KEY_SECRET_KEY")],
            auth_string: [text("API_AUTH_STRING_SECRET_NAME"), text("API_AUTH_STRING_SECRET_KEY")],
            creates_secret,
            stores_env,
            unknown,
        })
    }

    /// Settings that do nothing without another: the name of a Secret without a key, a key without a name.
    pub fn halves(&self) -> Vec<IncompleteSetting<'w>> {
        let half =
            |pair: [Option<&'w Variable>; 2], stem: &str, what, variable| match pair.map(|own| own.filter(is_set)) {
                [Some(given), None] => {
                    Some(IncompleteSetting { given, missing: format!("{SETTINGS_PREFIX}{stem}_KEY"), what, variable })
                }
                [None, Some(given)] => {
                    Some(IncompleteSetting { given, missing: format!("{SETTINGS_PREFIX}{stem}_NAME"), what, variable })
                }
                _ => None,
            };
        let api_key = half(self.api_key, "API_KEY_SECRET", "API key", "PREFECT_API_KEY");
        // A Secret of the worker's own is made where none is named.
        let is_named = self.api_key[0].filter(is_set).is_some();
        let api_key = api_key.filter(|_| is_named || !self.creates_secret);
        let (stem, variable) = ("API_AUTH_STRING_SECRET", "PREFECT_API_AUTH_STRING");
        api_key.into_iter().chain(half(self.auth_string, stem, "API auth string", variable)).collect()
    }
}

/// The reference that two settings make, if both are there.
fn reference([name, key]: [Option<&Variable>; 2]) -> Option<(&Variable, &Variable)> {
    Some((name.filter(is_set)?, key.filter(is_set)?))
}

fn is_set(variable: &&Variable) -> bool {
    !variable.value.text().is_empty()
}

/// Puts secrets where the settings say. Gives the Secrets that are written.
pub(super) fn apply(
    heap: &mut Heap,
    settings: &SecretSettings<'_>,
    worker: &Worker,
    configuration: &Configuration,
    entries: &mut Vec<WorkerEnvEntry>,
) -> Result<Vec<WrittenSecret>> {
    let mut written = Vec::new();
    let named = settings.api_key[0].is_some_and(|name| !name.value.text().is_empty());
    if let Some((name, key)) = reference(settings.api_key) {
        replace(heap, entries, "PREFECT_API_KEY", name.value.text(), key.value.text(), name.place.as_ref());
    } else if settings.creates_secret && !named && has_value(heap, entries, "PREFECT_API_KEY") {
        let slug = labels::name(worker.name.as_deref().unwrap_or_default());
        let name = format!("prefect-{}-api-key", slug.as_deref().unwrap_or("None"));
        replace(heap, entries, "PREFECT_API_KEY", &name, "value", None);
        written.push(WrittenSecret { name, keys: vec!["value".to_owned()], ends_with_worker: true });
    }
    if let Some((name, key)) = reference(settings.auth_string) {
        replace(heap, entries, "PREFECT_API_AUTH_STRING", name.value.text(), key.value.text(), name.place.as_ref());
    }
    let Some(container) = container(heap, configuration.manifest) else { return Ok(written) };
    if settings.stores_env {
        written.extend(store(heap, configuration, container, entries)?);
    }
    let list = heap.put(Data::List(entries.iter().map(|entry| entry.entry).collect()), None);
    heap.set_item(container, "env", list);
    Ok(written)
}

fn is_named(heap: &Heap, entry: &WorkerEnvEntry, name: &str) -> bool {
    heap.item(entry.entry, "name").and_then(|own| heap.str(own)) == Some(name)
}

/// Whether the first entry of a name has a value.
fn has_value(heap: &Heap, entries: &[WorkerEnvEntry], name: &str) -> bool {
    let entry = entries.iter().find(|entry| is_named(heap, entry, name));
    entry.and_then(|entry| heap.item(entry.entry, "value")).is_some_and(|value| heap.is_true(value))
}

fn replace(
    heap: &mut Heap,
    entries: &mut [WorkerEnvEntry],
    variable: &str,
    name: &str,
    key: &str,
    place: Option<&Place>,
) {
    for entry in entries.iter_mut().filter(|entry| is_named(heap, entry, variable)).collect::<Vec<_>>() {
        let dict = |heap: &mut Heap| heap.put(Data::Dict(Vec::new()), None);
        let (own, from, reference) = (dict(heap), dict(heap), dict(heap));
        for (of, name, text) in [(own, "name", variable), (reference, "name", name), (reference, "key", key)] {
            let value = heap.text(text);
            heap.set_item(of, name, value);
        }
        heap.set_item(from, "secretKeyRef", reference);
        heap.set_item(own, "valueFrom", from);
        *entry = WorkerEnvEntry { entry: own, origin: WorkerEnvOrigin::Secret, place: place.cloned() };
    }
}

/// Moves all values into a Secret of their own, of which the container gets every key.
fn store(
    heap: &mut Heap,
    configuration: &Configuration,
    container: Id,
    entries: &mut Vec<WorkerEnvEntry>,
) -> Result<Option<WrittenSecret>> {
    let mut keys: Vec<String> = Vec::new();
    for entry in entries.iter().filter(|entry| heap.item(entry.entry, "valueFrom").is_none()) {
        let name = heap.item(entry.entry, "name").filter(|name| heap.is_true(*name));
        if let Some(name) = name.filter(|_| heap.item(entry.entry, "value").is_some()) {
            let name = text::str(heap, name);
            if !keys.contains(&name) {
                keys.push(name);
            }
        }
    }
    if keys.is_empty() {
        return Ok(None);
    }
    let metadata = heap.item(configuration.manifest, "metadata");
    let generated = metadata.and_then(|metadata| heap.item(metadata, "generateName"));
    let base = match generated.map(|name| (name, heap.get(name))) {
        None => "prefect-job-",
        Some((_, Data::Str(text) | Data::Unknown(text))) => text,
        // A manifest may have any; the name of the Secret is made of it.
        Some((name, _)) => {
            let why = format!("`generateName` is {}, and the worker names its Secret after it", heap.kind(name));
            return Err(fails(heap, name, why));
        }
    };
    let base = base.trim_end_matches('-').to_owned();
    let name = format!("{base}-env-{DRAWN}");
    entries.retain(|entry| heap.item(entry.entry, "valueFrom").is_some());
    let mut sources = match heap.item(container, "envFrom") {
        None => Vec::new(),
        Some(own) => iterate(heap, own, "`envFrom`")?,
    };
    let (source, reference) = (heap.put(Data::Dict(Vec::new()), None), heap.put(Data::Dict(Vec::new()), None));
    let id = heap.text(name.as_str());
    heap.set_item(reference, "name", id);
    heap.set_item(source, "secretRef", reference);
    sources.push(source);
    let sources = heap.put(Data::List(sources), None);
    heap.set_item(container, "envFrom", sources);
    Ok(Some(WrittenSecret { name, keys, ends_with_worker: false }))
}
