//! Previews the Job that a Kubernetes worker of Prefect 2 and 3 creates.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::Args;
use indexmap::IndexMap;
use jobplate_diagnostic::{Diagnostic, Error, Result, display_path};
use jobplate_manifest::sensitive::MaskPolicy;
use jobplate_prefect::pyvalue::arena::Arena;
use jobplate_prefect::pyvalue::source::SourceFile;
use jobplate_prefect::pyvalue::string;
use jobplate_prefect::value_description::{ValueDescription, describe_entry};
use jobplate_prefect::worker::deployment::{self, WorkerDeployment};
use jobplate_prefect::worker::environment::{WorkerEnvEntry, WorkerEnvOrigin};
use jobplate_prefect::worker::preview::{self, WorkerPreview};
use jobplate_prefect::worker::scenario::{self, SETTINGS_PREFIX, WorkerScenario};
use jobplate_prefect::worker::version::WorkerVersion;
use jobplate_prefect::worker::{manifest, notes, project, values};

use super::output::{PreviewOutput, VariableRow, describe_value, format_variable_table};
use crate::shared::flag_values;
use crate::shared::input_reader::InputReader;

#[derive(Args)]
#[command(next_help_heading = "Prefect 2 and 3")]
pub(in crate::commands) struct WorkerArgs {
    /// Manifest of the worker: its variables and the options of `prefect worker start`
    #[arg(long, value_name = "FILE")]
    worker: Option<PathBuf>,
    /// Job variables of the flow run, or a prefect.yaml with those of a deployment
    #[arg(long, value_name = "FILE")]
    job_variables: Option<PathBuf>,
    /// Deployment of the prefect.yaml in --job-variables [default: the only one]
    #[arg(long, value_name = "NAME", requires = "job_variables")]
    deployment: Option<String>,
    /// Setting of the worker: read the API key from this Secret
    #[arg(long, value_name = "SECRET/KEY")]
    api_key_secret: Option<String>,
    /// Setting of the worker: read the API auth string from this Secret
    #[arg(long, value_name = "SECRET/KEY")]
    api_auth_string_secret: Option<String>,
    /// Setting of the worker: create a Secret with the API key
    #[arg(long)]
    create_secret_for_api_key: bool,
    /// Setting of the worker: create a Secret with all plain variables of each Job
    #[arg(long)]
    store_env_as_secret: bool,
    /// Version of prefect-kubernetes in the worker [default: latest known]
    #[arg(long, value_name = "VERSION")]
    prefect_kubernetes: Option<String>,
}

impl WorkerArgs {
    /// Returns the files that the flags name.
    pub(in crate::commands) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.worker, &self.job_variables].into_iter().flatten()
    }

    /// Returns whether `--worker` is set.
    pub(super) fn has_manifest(&self) -> bool {
        self.worker.is_some()
    }

    /// Returns the first of these flags that is set, or `None` if no flag is set.
    pub(in crate::commands) fn first_given_flag(&self) -> Option<&'static str> {
        let first_given_flag = [
            ("--worker", self.worker.is_some()),
            ("--job-variables", self.job_variables.is_some()),
            ("--api-key-secret", self.api_key_secret.is_some()),
            ("--api-auth-string-secret", self.api_auth_string_secret.is_some()),
            ("--create-secret-for-api-key", self.create_secret_for_api_key),
            ("--store-env-as-secret", self.store_env_as_secret),
            ("--prefect-kubernetes", self.prefect_kubernetes.is_some()),
        ];
        first_given_flag.into_iter().find(|(_, is)| *is).map(|(flag, _)| flag)
    }
}

/// Previews the Job of a base job template.
///
/// # Errors
///
/// Fails if a file or the scenario is invalid, or if Prefect would raise an error.
pub(in crate::commands) fn preview(
    arena: &mut Arena,
    files: &mut InputReader,
    template: &Rc<SourceFile>,
    scenario: Option<&Path>,
    args: &WorkerArgs,
    policy: &MaskPolicy,
) -> Result<PreviewOutput> {
    let chosen = args.prefect_kubernetes.as_deref();
    let chosen = chosen.map(|text| flag_values::parse_worker_version("--prefect-kubernetes", text)).transpose()?;
    let version = chosen.unwrap_or_default();
    let RunInputs { scenario, worker, notes: input_notes } = read_inputs(scenario, args, version, arena, files)?;
    let preview = preview::preview(arena, version, template, &scenario)?;
    let variable_table = format_variables(arena, &preview, policy);
    let mut notes = notes::find(arena, version, &preview, &scenario);
    notes.extend(input_notes);
    if let Some((file, worker)) = worker {
        // The flag says which version the image has.
        notes.extend(worker.version_warning(version).filter(|_| chosen.is_none()));
        notes.extend(worker.notes(arena, &preview, &file, template));
    }
    Ok(PreviewOutput { job: preview.job, variable_table, notes })
}

/// The flow run to preview.
struct RunInputs {
    scenario: WorkerScenario,
    /// The file of `--worker`, and the worker in it.
    worker: Option<(String, WorkerDeployment)>,
    /// Notes about the job variables.
    notes: Vec<Diagnostic>,
}

/// Reads the scenario, the job variables, the worker's manifest and the flags of the worker's settings.
fn read_inputs(
    scenario: Option<&Path>,
    args: &WorkerArgs,
    version: WorkerVersion,
    arena: &mut Arena,
    files: &mut InputReader,
) -> Result<RunInputs> {
    let mut scenario = match scenario {
        Some(name) => WorkerScenario::read(arena, &files.read_source(name, false)?)?,
        None => WorkerScenario::with_defaults(arena)?,
    };
    let notes = match &args.job_variables {
        Some(name) => {
            read_job_variables(arena, &files.read_source(name, false)?, args.deployment.as_deref(), &mut scenario)?
        }
        None => Vec::new(),
    };
    let mut deployed = None;
    if let Some(name) = &args.worker {
        if scenario.has_worker {
            return Err(
                Error::usage("`--worker` cannot be used with `worker` in the scenario").hint("remove one of them")
            );
        }
        let worker = deployment::find(&files.read_source(name, false)?, version)?;
        worker.apply_to(&mut scenario);
        deployed = Some((display_path(name), worker));
    }
    for (flag, first_given_flag, setting) in [
        ("--api-key-secret", &args.api_key_secret, "API_KEY_SECRET"),
        ("--api-auth-string-secret", &args.api_auth_string_secret, "API_AUTH_STRING_SECRET"),
    ] {
        let Some(first_given_flag) = first_given_flag else { continue };
        let reference = flag_values::parse_api_key(flag, first_given_flag)?;
        scenario.worker.set(&format!("{SETTINGS_PREFIX}{setting}_NAME"), reference.name, None);
        scenario.worker.set(&format!("{SETTINGS_PREFIX}{setting}_KEY"), reference.key, None);
    }
    for (first_given_flag, setting) in [
        (args.create_secret_for_api_key, "CREATE_SECRET_FOR_API_KEY"),
        (args.store_env_as_secret, "STORE_ENV_AS_SECRET"),
    ] {
        if first_given_flag {
            scenario.worker.set(&format!("{SETTINGS_PREFIX}{setting}"), "true".to_owned(), None);
        }
    }
    Ok(RunInputs { scenario, worker: deployed, notes })
}

/// Reads the file of `--job-variables` into a scenario: the job variables of the flow run, or those of a deployment.
/// Returns notes about values that are not known here.
fn read_job_variables(
    arena: &mut Arena,
    source: &Rc<SourceFile>,
    deployment: Option<&str>,
    scenario: &mut WorkerScenario,
) -> Result<Vec<Diagnostic>> {
    let root = values::load(arena, source)?;
    if project::is_project(arena, root) {
        let deployment = project::select(arena, root, deployment)?;
        deployment.apply_to(scenario)?;
        return Ok(deployment.notes);
    }
    scenario::check_job_variables(arena, root)?;
    if deployment.is_some() {
        return Err(Error::usage(
            "`--deployment` needs a prefect.yaml: the file of `--job-variables` has no `deployments`",
        )
        .in_file(&*source.name)
        .hint("remove `--deployment`, or pass `--job-variables prefect.yaml`"));
    }
    if scenario.run_variables.is_some() {
        return Err(Error::usage("`--job-variables` cannot be used with `job_variables` in the scenario")
            .hint("remove one of them"));
    }
    scenario.run_variables = Some(root);
    Ok(Vec::new())
}

/// Formats the table of the flow container's variables, in the order of `env`.
fn format_variables(arena: &Arena, preview: &WorkerPreview<'_>, policy: &MaskPolicy) -> String {
    let name_of = |entry: &WorkerEnvEntry| {
        arena.dict_get(entry.entry, "name").map_or("?".to_owned(), |name| string::str(arena, name))
    };
    // Some workers keep several entries with the same name. Kubernetes uses the last one, so that the others are
    // overridden, too.
    let mut last_names = HashSet::new();
    let has_name = |entry: &WorkerEnvEntry| arena.dict_get(entry.entry, "name").is_some();
    let is_repeated = |entry: &&WorkerEnvEntry| has_name(entry) && !last_names.insert(name_of(entry));
    let repeated: Vec<&WorkerEnvEntry> = preview.entries.iter().rev().filter(is_repeated).collect();
    let mut overridden: HashMap<String, Vec<&WorkerEnvEntry>> = HashMap::new();
    for entry in preview.overridden.iter().chain(repeated.into_iter().rev()) {
        overridden.entry(name_of(entry)).or_default().push(entry);
    }
    let values: Vec<String> = preview
        .entries
        .iter()
        .map(|entry| {
            let name = name_of(entry);
            let values = overridden.get(&name).into_iter().flatten().map(|entry| describe_entry(arena, entry.entry));
            describe_value(arena, &name, &describe_entry(arena, entry.entry), values, policy)
        })
        .collect();
    let mut to_row = |position: String, entry: &WorkerEnvEntry, value: String| {
        let name = name_of(entry);
        let overridden = overridden.remove(&name).into_iter().flatten();
        VariableRow {
            is_literal: !position.is_empty()
                && matches!(describe_entry(arena, entry.entry), ValueDescription::Literal(_)),
            position,
            name: preview.redacted_names.redact(&name),
            value: preview.redacted_names.redact(&value),
            source: describe_source(entry),
            overridden: overridden.map(|entry| describe_overridden(arena, entry)).collect::<Vec<_>>().join("; "),
        }
    };
    let numbered = preview.entries.iter().zip(values).enumerate();
    let mut rows: Vec<VariableRow> =
        numbered.rev().map(|(at, (entry, value))| to_row((at + 1).to_string(), entry, value)).collect();
    rows.reverse();
    // The keys of the Secret that the worker writes. An entry of `env` overrides the key with its name, and the last
    // value of a name counts.
    let names: HashSet<String> = preview.entries.iter().map(name_of).collect();
    for secret in &preview.secrets {
        let moved: IndexMap<String, &WorkerEnvEntry> =
            secret.moved.iter().map(|entry| (name_of(entry), entry)).collect();
        let keys: HashSet<&String> = secret.keys.iter().collect();
        let moved = moved.into_iter().filter(|(name, _)| keys.contains(name) && !names.contains(name));
        rows.extend(
            moved.map(|(name, entry)| to_row(String::new(), entry, format!("Secret {}, key {name}", secret.name))),
        );
    }
    let redact = |name: &str| preview.redacted_names.redact(name);
    format_variable_table(arena, manifest::container(arena, preview.job), rows, &redact)
}

fn describe_source(entry: &WorkerEnvEntry) -> String {
    let who = match entry.origin {
        WorkerEnvOrigin::Worker => "worker",
        WorkerEnvOrigin::FlowRun => "flow run",
        WorkerEnvOrigin::Template => "job_configuration",
        WorkerEnvOrigin::Default => "default",
        WorkerEnvOrigin::Deployment => "deployment",
        WorkerEnvOrigin::JobVariables => "job variables",
        WorkerEnvOrigin::Eviction => "Prefect, by backoffLimit",
        WorkerEnvOrigin::Container => "container",
        WorkerEnvOrigin::Secret => "worker's setting",
    };
    match &entry.location {
        Some(place) => format!("{who}, {place}"),
        None => who.to_owned(),
    }
}

fn describe_overridden(arena: &Arena, entry: &WorkerEnvEntry) -> String {
    match describe_entry(arena, entry.entry) {
        ValueDescription::Reference(to) => format!("{} ({to})", describe_source(entry)),
        _ => describe_source(entry),
    }
}
