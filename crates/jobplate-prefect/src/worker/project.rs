//! The deployments of a project file, `prefect.yaml`, as `prefect deploy` of 3.8.8 reads them (`prefect.cli.deploy`).

use std::collections::HashSet;

use jobplate_diagnostic::{Diagnostic, Error, Result, suggest};

use super::scenario::WorkerScenario;
use super::values::{prefect_error, require_pairs, to_json};
use crate::placeholder;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::{Location, locate, locate_diagnostic};

/// The prefix of the placeholders that `prefect deploy` keeps. The worker replaces them.
const RUN_PREFIX: &str = "ctx.";

/// The maximum number of deployments that a hint lists.
const MAX_LISTED: usize = 10;

/// A deployment of a project file.
#[derive(Debug)]
pub struct ProjectDeployment {
    /// The name of the deployment, if it is known.
    name: Option<LocatedName>,
    /// The name of the deployment's work pool, if it is known.
    pool: Option<LocatedName>,
    /// The job variables, if there are any. A string that `prefect deploy` changes is unknown.
    variables: Option<ValueId>,
    /// Notes about values that only `prefect deploy` knows.
    pub notes: Vec<Diagnostic>,
}

/// A name, with its location.
type LocatedName = (String, Option<Location>);

/// Returns whether a value is the content of a project file with deployments.
pub fn is_project(arena: &Arena, root: ValueId) -> bool {
    let has = |key: &str| arena.dict_get(root, key).is_some();
    has("deployments") && !has("apiVersion") && !has("job_configuration")
}

/// Returns the deployment that `--deployment` selects: by NAME or FLOW/NAME, as `prefect deploy --name` does. Without a
/// selection, returns the only deployment.
///
/// # Errors
/// Fails if Prefect rejects the deployments, or if no deployment or several deployments are selected.
pub fn select(arena: &mut Arena, root: ValueId, selection: Option<&str>) -> Result<ProjectDeployment> {
    let entries = read_entries(arena, root)?;
    let selected: Vec<&DeploymentEntry> =
        entries.iter().filter(|entry| selection.is_none_or(|selection| entry.is_selected_by(selection))).collect();
    let list = arena.dict_get(root, "deployments").and_then(|list| arena.location(list));
    match selected.as_slice() {
        [entry] => read_deployment(arena, entry),
        [] => Err(locate(not_found_error(&entries, selection), list)),
        several => {
            let error = match selection {
                None => Error::usage(format!("the project file has {} deployments", several.len())),
                Some(name) => Error::usage(format!("{} deployments are named `{name}`", several.len())),
            };
            Err(locate(error.hint(selection_hint(&entries, several)), list))
        }
    }
}

/// An item of `deployments`.
struct DeploymentEntry {
    deployment: ValueId,
    name: Option<String>,
    /// The function in `entrypoint`.
    function: Option<String>,
}

impl DeploymentEntry {
    /// Returns whether NAME or FLOW/NAME selects the deployment.
    fn is_selected_by(&self, selection: &str) -> bool {
        match selection.split_once('/') {
            Some((flow, name)) => {
                self.name.as_deref() == Some(name) && self.function.as_deref() == Some(&*flow.replace('-', "_"))
            }
            None => self.name.as_deref() == Some(selection),
        }
    }
}

/// Reads the items of `deployments`.
fn read_entries(arena: &Arena, root: ValueId) -> Result<Vec<DeploymentEntry>> {
    let list = arena.dict_get(root, "deployments").unwrap_or(root);
    let Value::List(items) = arena.get(list) else {
        let text = format!("`deployments` must be a list, not {}", arena.describe_kind(list));
        return Err(prefect_error(arena, list, text));
    };
    let to_entry = |deployment: &ValueId| {
        require_pairs(arena, *deployment, "a deployment")?;
        let entrypoint = read_string(arena, *deployment, "entrypoint")?;
        let function = entrypoint.and_then(|text| text.rsplit(':').next()).map(str::to_owned);
        let name = read_string(arena, *deployment, "name")?.map(str::to_owned);
        Ok(DeploymentEntry { deployment: *deployment, name, function })
    };
    items.iter().map(to_entry).collect()
}

/// Returns the string at `key`, or `None` if it is missing or null.
fn read_string<'h>(arena: &'h Arena, mapping: ValueId, key: &str) -> Result<Option<&'h str>> {
    match arena.dict_get(mapping, key).map(|id| (id, arena.get(id))) {
        None | Some((_, Value::None)) => Ok(None),
        Some((_, Value::Str(text))) => Ok(Some(text)),
        Some((id, _)) => {
            let error = Error::input(format!("`{key}` must be a string, not {}", arena.describe_kind(id)));
            Err(locate(error.hint("put it in quotes"), arena.location(id)))
        }
    }
}

/// Returns the error for a selection that no deployment has.
fn not_found_error(entries: &[DeploymentEntry], selection: Option<&str>) -> Error {
    let Some(selection) = selection else {
        return Error::input("the project file has no deployments").hint("add an item to `deployments`");
    };
    let error = Error::usage(format!("deployment `{selection}` not found"));
    match suggest::closest(selection, entries.iter().filter_map(|entry| entry.name.as_deref())) {
        Some(name) => error.hint(format!("did you mean `{}`?", flag(name))),
        None => error.hint(selection_hint(entries, &entries.iter().collect::<Vec<_>>())),
    }
}

/// Returns a hint with the flag that selects each of the `listed` entries.
fn selection_hint(entries: &[DeploymentEntry], listed: &[&DeploymentEntry]) -> String {
    let is_unique = |name: &str| entries.iter().filter(|entry| entry.name.as_deref() == Some(name)).count() == 1;
    let to_flag = |entry: &&DeploymentEntry| match (entry.name.as_deref()?, &entry.function) {
        (name, Some(function)) if !is_unique(name) => Some(flag(&format!("{}/{name}", function.replace('_', "-")))),
        (name, _) => Some(flag(name)),
    };
    let mut flags: Vec<String> = listed.iter().filter_map(to_flag).map(|flag| format!("`{flag}`")).collect();
    flags.dedup();
    match flags.len() {
        0 => "give each deployment a `name`".to_owned(),
        1 => format!("the names must differ to select one: {}", flags.concat()),
        2..=MAX_LISTED => format!("select one: {}", flags.join(", ")),
        count => format!("select one: {}, and {} more", flags[..MAX_LISTED].join(", "), count - MAX_LISTED),
    }
}

/// Returns the flag that selects a deployment, for a shell.
fn flag(name: &str) -> String {
    format!("--deployment {}", shlex::try_quote(name).unwrap_or_default())
}

/// Reads the work pool of a deployment.
fn read_deployment(arena: &mut Arena, entry: &DeploymentEntry) -> Result<ProjectDeployment> {
    let mut reader = ValueReader::default();
    let name = arena.dict_get(entry.deployment, "name");
    let name = reader.read_known(arena, name, entry.name.as_deref());
    let (mut pool, mut variables) = (None, None);
    if let Some(work_pool) = arena.dict_get(entry.deployment, "work_pool") {
        require_pairs(arena, work_pool, "`work_pool`")?;
        pool = reader.read_known(arena, arena.dict_get(work_pool, "name"), read_string(arena, work_pool, "name")?);
        variables = arena.dict_get(work_pool, "job_variables");
    }
    if let Some(mapping) = variables {
        require_pairs(arena, mapping, "`job_variables`")?;
        let json = to_json(arena, mapping)?;
        variables = Some(reader.mark_unknown(arena, json));
    }
    Ok(ProjectDeployment { name, pool, variables, notes: reader.notes })
}

/// Reads values with placeholders. `prefect deploy` replaces most of them: with variables of its own environment, with
/// outputs of build and push steps, and with blocks and variables from Prefect's API.
#[derive(Default)]
struct ValueReader {
    notes: Vec<Diagnostic>,
    /// The placeholders that have a note.
    noted: HashSet<String>,
}

impl ValueReader {
    /// Returns a string, unless `prefect deploy` changes it.
    fn read_known(&mut self, arena: &Arena, id: Option<ValueId>, text: Option<&str>) -> Option<LocatedName> {
        let location = id.and_then(|id| arena.location(id));
        let text = text.filter(|text| !self.note_replaced(text, location))?;
        Some((text.to_owned(), location.cloned()))
    }

    /// Returns a copy of a value in which the strings that `prefect deploy` changes are unknown.
    fn mark_unknown(&mut self, arena: &mut Arena, id: ValueId) -> ValueId {
        let location = arena.location(id).cloned();
        let data = match arena.get(id).clone() {
            Value::Str(text) if self.note_replaced(&text, location.as_ref()) => Value::Unknown(text),
            Value::List(items) => Value::List(items.into_iter().map(|item| self.mark_unknown(arena, item)).collect()),
            Value::Dict(pairs) => {
                let pairs: Vec<_> =
                    pairs.into_iter().map(|(key, value)| (key, self.mark_unknown(arena, value))).collect();
                arena.new_dict(pairs)
            }
            _ => return id,
        };
        arena.alloc(data, location)
    }

    /// Returns whether `prefect deploy` changes a string, and adds a note about each placeholder that it replaces.
    fn note_replaced(&mut self, text: &str, location: Option<&Location>) -> bool {
        let mut is_changed = false;
        for placeholder in placeholder::find_all(text).filter(|found| !found.name.starts_with(RUN_PREFIX)) {
            is_changed = true;
            if self.noted.insert(placeholder.full.to_owned()) {
                let text = format!("only `prefect deploy` knows the value of `{}`", placeholder.full);
                let note = Diagnostic::info("unknown-value", text)
                    .help("to preview its value, describe the deployment in a file for `--scenario`");
                self.notes.push(locate_diagnostic(note, location));
            }
        }
        is_changed
    }
}

impl ProjectDeployment {
    /// Sets the deployment and the work pool of a scenario, unless the scenario sets the work pool.
    ///
    /// # Errors
    /// Fails if the scenario sets a deployment.
    pub fn apply_to(&self, scenario: &mut WorkerScenario) -> Result<()> {
        if scenario.has_deployment {
            let error = Error::usage("the project file of `--job-variables` and the scenario both set the deployment");
            return Err(error.hint("remove `deployment` from the scenario"));
        }
        scenario.deployment_variables = self.variables;
        if let (Some(deployment), Some(name)) = (&mut scenario.run.deployment, &self.name) {
            (deployment.name, deployment.name_location) = name.clone();
        }
        if let Some(pool) = self.pool.as_ref().filter(|_| !scenario.has_work_pool) {
            (scenario.run.work_pool.name, scenario.run.work_pool.name_location) = pool.clone();
        }
        Ok(())
    }
}
