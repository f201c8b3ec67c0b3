//! The ways in which a worker keeps secrets out of a Job: it replaces values with references, or moves `env` to a
//! Secret (`KubernetesWorker._create_job`).

use indexmap::IndexSet;
use jobplate_diagnostic::Result;

use super::configuration::Configuration;
use super::environment::{WorkerEnvEntry, WorkerEnvOrigin};
use super::manifest::container;
use super::scenario::{SETTINGS_PREFIX, Worker};
use super::settings::KubernetesSetting;
use super::values::prefect_error;
use super::{labels, settings};
use crate::kwargs::iterate;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::environ::{EnvironVar, Resolved};
use crate::pyvalue::source::Location;
use crate::pyvalue::string;

/// The placeholder for the suffix that Prefect generates at random for the name of a Secret.
const PLACEHOLDER_SUFFIX: &str = "0a1b2c3d";

/// A Secret that the worker writes.
#[derive(Debug)]
pub struct WrittenSecret {
    /// The name of the Secret.
    pub name: String,
    /// The keys of the Secret.
    pub keys: Vec<String>,
    /// The entries that the worker moves from the Job to the Secret.
    pub moved: Vec<WorkerEnvEntry>,
    /// Whether the worker deletes the Secret when it stops. Otherwise, the Secret is deleted with its Job.
    pub ends_with_worker: bool,
}

/// A setting that has no effect without another setting.
#[derive(Debug)]
pub struct IncompleteSetting<'w> {
    /// The variable that sets the setting.
    pub setting: &'w EnvironVar,
    /// The name of the missing setting.
    pub missing: String,
    /// The description of the value that is left in plain text.
    pub description: &'static str,
    /// The variable that holds the value.
    pub variable: &'static str,
}

/// The settings of a worker for secrets.
#[derive(Debug, Default)]
pub struct SecretSettings<'w> {
    api_key: [Option<&'w EnvironVar>; 2],
    auth_string: [Option<&'w EnvironVar>; 2],
    creates_secret: bool,
    stores_env: bool,
    /// Switches whose values only the cluster knows. They are assumed to be unset.
    pub unknown: Vec<&'w EnvironVar>,
}

impl<'w> SecretSettings<'w> {
    /// Reads the settings from the worker's environment.
    ///
    /// # Errors
    /// Fails if the worker would not start with its settings.
    pub fn read(worker: &'w Worker) -> Result<Self> {
        let kubernetes_settings = settings::read_kubernetes_settings(&worker.environ)?;
        let find = |name: &str| {
            let name = format!("{SETTINGS_PREFIX}{name}");
            kubernetes_settings.iter().find(|setting| name.strip_prefix("PREFECT_") == Some(setting.name))
        };
        let variable_of = |name: &str| find(name).map(|setting| setting.variable);
        let switches = ["CREATE_SECRET_FOR_API_KEY", "STORE_ENV_AS_SECRET"].map(find);
        let is_on = |setting: Option<&KubernetesSetting<'_>>| {
            setting.is_some_and(|setting| setting.value == Resolved::Text("True".to_owned()))
        };
        let [creates_secret, stores_env] = switches.map(is_on);
        let is_unknown = |setting: &&KubernetesSetting<'_>| matches!(setting.value, Resolved::Unknown(_));
        let unknown = switches.into_iter().flatten().filter(is_unknown).map(|setting| setting.variable).collect();
        Ok(SecretSettings {
            api_key: [variable_of("API_KEY_SECRET_NAME"), variable_of("API_KEY_SECRET_KEY")],
            auth_string: [variable_of("API_AUTH_STRING_SECRET_NAME"), variable_of("API_AUTH_STRING_SECRET_KEY")],
            creates_secret,
            stores_env,
            unknown,
        })
    }

    /// Returns the settings that have no effect: the name of a Secret without a key, or a key without a name.
    pub fn incomplete(&self) -> Vec<IncompleteSetting<'w>> {
        let incomplete = |pair: [Option<&'w EnvironVar>; 2], stem: &str, description, variable| match pair
            .map(|variable| variable.filter(is_set))
        {
            [Some(setting), None] => Some(IncompleteSetting {
                setting,
                missing: format!("{SETTINGS_PREFIX}{stem}_KEY"),
                description,
                variable,
            }),
            [None, Some(setting)] => Some(IncompleteSetting {
                setting,
                missing: format!("{SETTINGS_PREFIX}{stem}_NAME"),
                description,
                variable,
            }),
            _ => None,
        };
        let api_key = incomplete(self.api_key, "API_KEY_SECRET", "API key", "PREFECT_API_KEY");
        // A worker that creates its own Secret does not need a name, so a key alone is then not reported.
        let is_named = self.api_key[0].filter(is_set).is_some();
        let api_key = api_key.filter(|_| is_named || !self.creates_secret);
        let (stem, variable) = ("API_AUTH_STRING_SECRET", "PREFECT_API_AUTH_STRING");
        api_key.into_iter().chain(incomplete(self.auth_string, stem, "API auth string", variable)).collect()
    }
}

/// Returns the settings for the name and the key of a reference, if both are set.
fn complete_pair([name, key]: [Option<&EnvironVar>; 2]) -> Option<(&EnvironVar, &EnvironVar)> {
    Some((name.filter(is_set)?, key.filter(is_set)?))
}

fn is_set(variable: &&EnvironVar) -> bool {
    !variable.value.as_str().is_empty()
}

/// Applies the settings for secrets to the entries of `env`, and sets the `env` of the flow's container to the result.
/// Returns the Secrets that the worker writes.
///
/// # Errors
/// Fails if the worker cannot name a Secret, or if `envFrom` is not a list.
pub(super) fn apply(
    arena: &mut Arena,
    settings: &SecretSettings<'_>,
    worker: &Worker,
    configuration: &Configuration,
    entries: &mut Vec<WorkerEnvEntry>,
) -> Result<Vec<WrittenSecret>> {
    let mut written = Vec::new();
    let has_name = settings.api_key[0].is_some_and(|name| !name.value.as_str().is_empty());
    if let Some((name, key)) = complete_pair(settings.api_key) {
        replace(arena, entries, "PREFECT_API_KEY", name.value.as_str(), key.value.as_str(), name.location.as_ref());
    } else if settings.creates_secret && !has_name && has_value(arena, entries, "PREFECT_API_KEY") {
        let slug = labels::slugify_name(worker.name.as_deref().unwrap_or_default());
        let name = format!("prefect-{}-api-key", slug.as_deref().unwrap_or("None"));
        replace(arena, entries, "PREFECT_API_KEY", &name, "value", None);
        written.push(WrittenSecret { name, keys: vec!["value".to_owned()], moved: Vec::new(), ends_with_worker: true });
    }
    if let Some((name, key)) = complete_pair(settings.auth_string) {
        replace(
            arena,
            entries,
            "PREFECT_API_AUTH_STRING",
            name.value.as_str(),
            key.value.as_str(),
            name.location.as_ref(),
        );
    }
    let Some(container) = container(arena, configuration.manifest) else { return Ok(written) };
    if settings.stores_env {
        written.extend(move_env_to_secret(arena, configuration, container, entries)?);
    }
    let list = arena.alloc(Value::List(entries.iter().map(|entry| entry.entry).collect()), None);
    arena.dict_set_str(container, "env", list);
    Ok(written)
}

fn is_named(arena: &Arena, entry: &WorkerEnvEntry, name: &str) -> bool {
    arena.dict_get(entry.entry, "name").and_then(|value| arena.as_str(value)) == Some(name)
}

/// Returns whether the first entry named `name` has a non-empty value.
fn has_value(arena: &Arena, entries: &[WorkerEnvEntry], name: &str) -> bool {
    let entry = entries.iter().find(|entry| is_named(arena, entry, name));
    entry.and_then(|entry| arena.dict_get(entry.entry, "value")).is_some_and(|value| arena.is_truthy(value))
}

fn replace(
    arena: &mut Arena,
    entries: &mut [WorkerEnvEntry],
    variable: &str,
    name: &str,
    key: &str,
    location: Option<&Location>,
) {
    for entry in entries.iter_mut().filter(|entry| is_named(arena, entry, variable)).collect::<Vec<_>>() {
        let new_dict = |arena: &mut Arena| arena.alloc(Value::empty_dict(), None);
        let (new_entry, from, reference) = (new_dict(arena), new_dict(arena), new_dict(arena));
        for (parent, name, text) in [(new_entry, "name", variable), (reference, "name", name), (reference, "key", key)]
        {
            let value = arena.alloc(Value::Str(text.to_owned()), location.cloned());
            arena.dict_set_str(parent, name, value);
        }
        arena.dict_set_str(from, "secretKeyRef", reference);
        arena.dict_set_str(new_entry, "valueFrom", from);
        *entry = WorkerEnvEntry { entry: new_entry, origin: WorkerEnvOrigin::Secret, location: location.cloned() };
    }
}

/// Moves all literal values to a Secret, and refers to the Secret in the container's `envFrom`. Returns the Secret, or
/// `None` if there are no literal values.
///
/// # Errors
/// Fails if the worker cannot name the Secret, or if `envFrom` is not a list.
fn move_env_to_secret(
    arena: &mut Arena,
    configuration: &Configuration,
    container: ValueId,
    entries: &mut Vec<WorkerEnvEntry>,
) -> Result<Option<WrittenSecret>> {
    let mut keys = IndexSet::new();
    for entry in entries.iter().filter(|entry| arena.dict_get(entry.entry, "valueFrom").is_none()) {
        let name = arena.dict_get(entry.entry, "name").filter(|name| arena.is_truthy(*name));
        if let Some(name) = name.filter(|_| arena.dict_get(entry.entry, "value").is_some()) {
            keys.insert(string::str(arena, name));
        }
    }
    if keys.is_empty() {
        return Ok(None);
    }
    let metadata = arena.dict_get(configuration.manifest, "metadata");
    let generated = metadata.and_then(|metadata| arena.dict_get(metadata, "generateName"));
    let base = match generated.map(|name| (name, arena.get(name))) {
        None => "prefect-job-",
        Some((_, Value::Str(text) | Value::Unknown(text))) => text,
        // Prefect does not validate `generateName`, so it can have any type. The worker fails when it derives the
        // Secret's name.
        Some((name, _)) => {
            let why = format!(
                "`generateName` must be a string, not {}: the worker derives the name of its Secret from it",
                arena.describe_kind(name)
            );
            return Err(prefect_error(arena, name, why));
        }
    };
    let base = base.trim_end_matches('-').to_owned();
    let name = format!("{base}-env-{PLACEHOLDER_SUFFIX}");
    let is_reference = |entry: &WorkerEnvEntry| arena.dict_get(entry.entry, "valueFrom").is_some();
    let (references, moved) = entries.drain(..).partition(is_reference);
    *entries = references;
    let mut sources = match arena.dict_get(container, "envFrom") {
        None => Vec::new(),
        Some(env_from) => iterate(arena, env_from, "`envFrom`")?,
    };
    let (source, reference) = (arena.alloc(Value::empty_dict(), None), arena.alloc(Value::empty_dict(), None));
    let id = arena.alloc_str(name.as_str());
    arena.dict_set_str(reference, "name", id);
    arena.dict_set_str(source, "secretRef", reference);
    sources.push(source);
    let sources = arena.alloc(Value::List(sources), None);
    arena.dict_set_str(container, "envFrom", sources);
    Ok(Some(WrittenSecret { name, keys: keys.into_iter().collect(), moved, ends_with_worker: false }))
}
