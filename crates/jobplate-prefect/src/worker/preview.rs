//! Previews the Job that a worker creates for a flow run: all steps in one call.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use jobplate_diagnostic::Result;

use super::configuration::{self, Configuration, ConfigurationSources};
use super::environment::{self, WorkerEnvEntry, WorkerEnvOrigin};
use super::fill::RedactedNames;
use super::scenario::WorkerScenario;
use super::secret_references::{self, SecretSettings, WrittenSecret};
use super::settings::ExportedVariable;
use super::version::WorkerVersion;
use super::{manifest, settings, template_source};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::json;
use crate::pyvalue::source::{Location, SourceFile};

/// A Job, and the values that it was created from.
#[derive(Debug)]
pub struct WorkerPreview<'s> {
    /// The Job that the worker creates.
    pub job: ValueId,
    /// The base job template.
    pub template: ValueId,
    /// The job configuration.
    pub configuration: Configuration,
    /// The `env` of the flow's container.
    pub entries: Vec<WorkerEnvEntry>,
    /// The entries that another entry with the same name overrides.
    pub overridden: Vec<WorkerEnvEntry>,
    /// The worker's settings for secrets.
    pub settings: SecretSettings<'s>,
    /// The Secrets that the worker writes.
    pub secrets: Vec<WrittenSecret>,
    /// The values of the worker's environment that output must not show.
    pub redacted_names: RedactedNames,
}

/// Returns the Job that a worker creates for a flow run, and the values that the Job was created from.
///
/// # Errors
/// Fails if Prefect raises an error, or if the input is not supported.
pub fn preview<'s>(
    arena: &mut Arena,
    version: WorkerVersion,
    source: &Rc<SourceFile>,
    scenario: &'s WorkerScenario,
) -> Result<WorkerPreview<'s>> {
    let template = template_source::read(arena, source)?;
    // A YAML parser can accept invalid JSON and read another value. The invalid JSON is then the cause of any error.
    let source = arena.location(template).map(|location| Rc::clone(&location.source));
    let explain = |error| source.as_ref().and_then(json::invalid_json).unwrap_or(error);
    create_job(arena, version, template, scenario).map_err(explain)
}

fn create_job<'s>(
    arena: &mut Arena,
    version: WorkerVersion,
    template: ValueId,
    scenario: &'s WorkerScenario,
) -> Result<WorkerPreview<'s>> {
    let exported = settings::export(&scenario.worker.environ, version)?;
    let settings = SecretSettings::read(&scenario.worker)?;
    let sources =
        ConfigurationSources { template, deployment: scenario.deployment_variables, run: scenario.run_variables };
    let origins = Origins::collect(arena, &sources);
    let mut candidates = collect_candidates(arena, &sources, &exported);
    let configuration = configuration::resolve(arena, version, &sources, &scenario.worker.environ)?;
    let worker_entries = environment::prepare(arena, version, scenario, exported, &configuration, &|arena, id| {
        origins.get(arena.location(id)).unwrap_or(WorkerEnvOrigin::Template)
    })?;
    let container = manifest::container(arena, configuration.manifest);
    let container_env = container.and_then(|container| arena.dict_get(container, "env"));
    let (mut entries, dropped) = environment::merge(arena, version, worker_entries, container_env)?;
    if let Some(container) = container {
        let list = arena.alloc(Value::List(entries.iter().map(|entry| entry.entry).collect()), None);
        arena.dict_set_str(container, "env", list);
    }
    manifest::prepare(arena, version, scenario, &configuration)?;
    arena.check_size(configuration.manifest, "the Job")?;
    let secrets = secret_references::apply(arena, &settings, &scenario.worker, &configuration, &mut entries)?;
    // A value that a placeholder copied into the container is already among the candidates, so its entry is not added
    // again.
    candidates.extend(dropped.into_iter().filter(|entry| origins.get(entry.location.as_ref()).is_none()));
    let moved = secrets.iter().flat_map(|secret| &secret.moved);
    let effective = EffectiveEntries::new(arena, entries.iter().chain(moved));
    candidates.retain(|entry| !effective.contains(arena, entry));
    let overridden = candidates;
    let texts = [Some(template), sources.deployment, sources.run].into_iter().flatten();
    let mut redacted_names = RedactedNames::collect(arena, texts, &scenario.worker.environ)?;
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

/// The source of each value of `env`, keyed by the value's file and offset. Copies of a value keep its location.
struct Origins(HashMap<(*const SourceFile, usize), WorkerEnvOrigin>);

impl Origins {
    fn collect(arena: &Arena, sources: &ConfigurationSources) -> Self {
        let mut origins = HashMap::new();
        let variables =
            arena.dict_get(sources.template, "variables").and_then(|schema| arena.dict_get(schema, "properties"));
        let default = variables
            .and_then(|schema| arena.dict_get(schema, "env"))
            .and_then(|schema| arena.dict_get(schema, "default"));
        let base = arena
            .dict_get(sources.template, "job_configuration")
            .and_then(|configuration| arena.dict_get(configuration, "env"));
        let mut add = |env: Option<ValueId>, origin| {
            for value in env.into_iter().flat_map(|env| values(arena, env)) {
                origins.extend(arena.location(value).map(|location| (key_of(location), origin)));
            }
        };
        add(base, WorkerEnvOrigin::Template);
        add(default, WorkerEnvOrigin::Default);
        for (variables, origin) in
            [(sources.deployment, WorkerEnvOrigin::Deployment), (sources.run, WorkerEnvOrigin::JobVariables)]
        {
            let pairs = variables.and_then(|variables| arena.as_dict(variables)).unwrap_or_default();
            for (key, value) in pairs {
                match arena.as_str(*key) {
                    Some("env") => add(Some(*value), origin),
                    Some(key) if key.starts_with("env.") => add(Some(*value), origin),
                    _ => {}
                }
            }
        }
        Origins(origins)
    }

    fn get(&self, location: Option<&Location>) -> Option<WorkerEnvOrigin> {
        self.0.get(&key_of(location?)).copied()
    }
}

fn key_of(location: &Location) -> (*const SourceFile, usize) {
    (Rc::as_ptr(&location.source), location.span.start)
}

/// Returns an entry for each variable that a source sets, including overridden entries.
fn collect_candidates(
    arena: &mut Arena,
    sources: &ConfigurationSources,
    exported: &[ExportedVariable],
) -> Vec<WorkerEnvEntry> {
    let mut found = Vec::new();
    for ExportedVariable { name, value, location } in exported {
        let value = arena.alloc(value.clone().into(), location.clone());
        found.push((name.clone(), value, WorkerEnvOrigin::Worker));
    }
    let get_item =
        |arena: &Arena, parent: Option<ValueId>, key: &str| parent.and_then(|parent| arena.dict_get(parent, key));
    let base = get_item(arena, Some(sources.template), "job_configuration");
    let variables = get_item(arena, Some(sources.template), "variables");
    let variables = get_item(arena, variables, "properties");
    let of_env = get_item(arena, variables, "env");
    let envs = [
        (get_item(arena, base, "env"), WorkerEnvOrigin::Template),
        (get_item(arena, of_env, "default"), WorkerEnvOrigin::Default),
        (get_item(arena, sources.deployment, "env"), WorkerEnvOrigin::Deployment),
        (get_item(arena, sources.run, "env"), WorkerEnvOrigin::JobVariables),
    ];
    for (env, origin) in envs {
        let pairs = env.and_then(|env| arena.as_dict(env)).unwrap_or_default();
        let pairs = pairs.iter().filter(|(_, value)| *arena.get(*value) != Value::None);
        found.extend(pairs.filter_map(|(name, value)| Some((arena.as_str(*name)?.to_owned(), *value, origin))));
    }
    let to_entry = |(name, value, origin): (String, ValueId, WorkerEnvOrigin)| {
        let location = arena.location(value).cloned();
        let (entry, name) = (arena.alloc(Value::empty_dict(), None), arena.alloc_str(name));
        arena.dict_set_str(entry, "name", name);
        arena.dict_set_str(entry, "value", value);
        WorkerEnvEntry { entry, origin, location }
    };
    found.into_iter().map(to_entry).collect()
}

/// The entries of the container and of the Secret that holds its variables: their origins and names, and the entries
/// themselves.
struct EffectiveEntries<'h>(HashSet<(WorkerEnvOrigin, &'h str)>, HashSet<ValueId>);

impl<'h> EffectiveEntries<'h> {
    fn new<'e>(arena: &'h Arena, entries: impl Iterator<Item = &'e WorkerEnvEntry> + Clone) -> Self {
        let names = entries.clone().filter_map(|entry| Some((entry.origin, name(arena, entry)?)));
        EffectiveEntries(names.collect(), entries.map(|entry| entry.entry).collect())
    }

    fn contains(&self, arena: &Arena, entry: &WorkerEnvEntry) -> bool {
        self.1.contains(&entry.entry) || name(arena, entry).is_some_and(|name| self.0.contains(&(entry.origin, name)))
    }
}

fn name<'h>(arena: &'h Arena, entry: &WorkerEnvEntry) -> Option<&'h str> {
    arena.dict_get(entry.entry, "name").and_then(|name| arena.as_str(name))
}

/// Returns the values of a mapping or the entries of a list. Returns any other value itself.
fn values(arena: &Arena, env: ValueId) -> Vec<ValueId> {
    match arena.get(env) {
        Value::List(items) => items.clone(),
        Value::Dict(pairs) => pairs.iter().map(|(_, value)| *value).collect(),
        _ => vec![env],
    }
}
