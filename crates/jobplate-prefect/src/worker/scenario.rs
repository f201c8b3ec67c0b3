//! A scenario: the input of a worker's preview in addition to the base job template.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};

use super::run::{self, FlowRunContext, Record};
use super::settings;
use super::values::{load, to_json};
use crate::kwargs::{Kwargs, first_key};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::environ::{Environ, EnvironVar, Resolved};
use crate::pyvalue::source::{Location, SourceFile, locate};
use crate::pyvalue::string;

/// The flow run and the worker of a preview.
#[derive(Debug)]
pub struct WorkerScenario {
    /// The flow run.
    pub run: FlowRunContext,
    /// The deployment's job variables.
    pub deployment_variables: Option<ValueId>,
    /// The flow run's job variables.
    pub run_variables: Option<ValueId>,
    /// The worker.
    pub worker: Worker,
    /// Whether the scenario sets the worker.
    pub has_worker: bool,
    /// Whether the scenario has the key `deployment`, even with the value null.
    pub has_deployment: bool,
    /// Whether the scenario sets the work pool.
    pub has_work_pool: bool,
}

/// The worker of a scenario.
#[derive(Debug)]
pub struct Worker {
    /// The worker's ID. Only Prefect Cloud assigns IDs to workers.
    pub id: Option<String>,
    /// The worker's name.
    pub name: Option<String>,
    /// The location of the name. `None` for a default name.
    pub name_location: Option<Location>,
    /// The worker's environment.
    pub environ: Environ,
}

const KEYS: [&str; 6] = ["job_variables", "deployment", "flow", "flow_run", "work_pool", "worker"];

/// The keys of a scenario for Prefect 1.
const PREFECT_1_KEYS: [&str; 6] = ["run_config", "agent", "environ", "user_config", "flow_run_id", "identifier"];

/// The prefix of the variables that set a Kubernetes worker's own settings.
pub const SETTINGS_PREFIX: &str = "PREFECT_INTEGRATIONS_KUBERNETES_WORKER_";

/// The characters that the server rejects in the names of flows and work pools.
pub(super) const FORBIDDEN_IN_NAMES: &str = "/%&><";

/// The characters that Prefect rejects in the names of workers.
pub(super) const FORBIDDEN_IN_WORKER_NAMES: &str = "/%";

/// Checks that the content of a file is job variables.
///
/// # Errors
/// Fails if the file is of another kind, such as a scenario.
pub fn check_job_variables(arena: &Arena, root: ValueId) -> Result<()> {
    let has = |keys: &[&str]| keys.iter().all(|key| arena.dict_get(root, key).is_some());
    let (description, hint) = match () {
        () if has(&["apiVersion", "kind"]) => {
            ("a Kubernetes object", "pass the Deployment of a worker with `--worker`")
        }
        () if has(&["job_configuration", "variables"]) => ("a base job template", "pass it as FILE, without a flag"),
        () if has(&["job_variables"]) => match has(&["worker"]) || has(&["deployment"]) || has(&["flow_run"]) {
            true => ("a scenario", "pass it with `--scenario`"),
            false => {
                ("a mapping that contains `job_variables`", "move the contents of `job_variables` to the top level")
            }
        },
        () => return Ok(()),
    };
    Err(locate(Error::input(format!("expected job variables, found {description}")).hint(hint), arena.location(root)))
}

impl WorkerScenario {
    /// Returns a scenario with default values.
    ///
    /// # Errors
    /// Fails if a default is invalid, which is a bug.
    pub fn with_defaults(arena: &mut Arena) -> Result<Self> {
        let empty = arena.alloc(Value::empty_dict(), None);
        WorkerScenario::from_value(arena, empty)
    }

    /// Reads a scenario file.
    ///
    /// # Errors
    /// Fails if a key is unknown or a value is invalid.
    pub fn read(arena: &mut Arena, source: &Rc<SourceFile>) -> Result<Self> {
        let root = load(arena, source)?;
        let root = match arena.get(root) {
            Value::None => arena.alloc(Value::empty_dict(), None),
            _ => to_json(arena, root)?,
        };
        if let Some(key) = first_key(arena, root, &PREFECT_1_KEYS) {
            let error = Error::input("the scenario is for Prefect 1, but the template is for Prefect 2 or 3");
            let hint = format!("use the keys for Prefect 2 and 3: {}", KEYS.join(", "));
            return Err(locate(error.hint(hint), arena.location(key)));
        }
        WorkerScenario::from_value(arena, root)
    }

    fn from_value(arena: &mut Arena, root: ValueId) -> Result<Self> {
        let keys = Kwargs::read(arena, root, &KEYS, "a scenario")?;
        let read_record = |arena: &mut Arena, key: &str, number: u8, name: &str| {
            let fields = keys.truthy(arena, key);
            if let Some(fields) = fields.filter(|fields| arena.as_dict(*fields).is_none()) {
                let error = Error::input(format!("`{key}` must be a mapping, not {}", arena.describe_kind(fields)));
                return Err(locate(error.hint(format!("write `{key}: {{name: NAME}}`")), arena.location(fields)));
            }
            Record::read(arena, fields, number, name)
        };
        let flow = read_record(arena, "flow", 2, "test-flow")?;
        let deployment_field = arena.dict_get(root, "deployment");
        let deployment = match deployment_field.is_none_or(|id| *arena.get(id) != Value::None) {
            true => Some(read_record(arena, "deployment", 3, "test-deployment")?),
            false => None,
        };
        let flow_run = read_record(arena, "flow_run", 1, "test-run")?;
        if let Some(key) = first_key(arena, flow_run.fields, &["job_variables"]) {
            let error = Error::input("`job_variables` must be at the top level of the scenario, not in `flow_run`");
            return Err(locate(error.hint("move `job_variables` to the top level"), arena.location(key)));
        }
        let work_pool = read_record(arena, "work_pool", 4, "test-pool")?;
        for (record, forbidden, is_generated) in
            [(&flow, FORBIDDEN_IN_NAMES, false), (&work_pool, FORBIDDEN_IN_NAMES, false), (&flow_run, "", true)]
        {
            check_name(record, forbidden, is_generated)?;
        }
        for record in [&flow, &flow_run] {
            check_fields(arena, record)?;
        }
        let deployment_updated = match &deployment {
            Some(deployment) => run::updated_label(arena, deployment)?,
            None => None,
        };
        let deployment_variables =
            deployment.as_ref().and_then(|deployment| arena.dict_get(deployment.fields, "job_variables"));
        Ok(WorkerScenario {
            run_variables: keys.get(arena, "job_variables"),
            deployment_variables,
            run: FlowRunContext { flow, flow_run, deployment, work_pool, deployment_updated },
            has_deployment: deployment_field.is_some(),
            has_worker: keys.get(arena, "worker").is_some(),
            has_work_pool: keys.get(arena, "work_pool").is_some(),
            worker: read_worker(arena, keys.truthy(arena, "worker"))?,
        })
    }
}

/// Validates the fields that names can refer to against their types in Prefect's models.
fn check_fields(arena: &Arena, record: &Record) -> Result<()> {
    let get_field = |key: &str| arena.dict_get(record.fields, key);
    let is_null = |id: ValueId| *arena.get(id) == Value::None;
    let fault = [
        ("parameters", "a mapping", get_field("parameters").filter(|id| arena.as_dict(*id).is_none())),
        ("labels", "a mapping", get_field("labels").filter(|id| arena.as_dict(*id).is_none() && !is_null(*id))),
        ("tags", "a list", get_field("tags").filter(|id| !matches!(arena.get(*id), Value::List(_)))),
    ];
    match fault.into_iter().find_map(|(key, expected, id)| Some((key, expected, id?))) {
        Some((key, expected, id)) => {
            let error = Error::input(format!("`{key}` must be {expected}, not {}", arena.describe_kind(id)));
            Err(locate(error.hint("correct this value: Prefect fails here too"), arena.location(id)))
        }
        None => Ok(()),
    }
}

/// Fails if the server rejects the record's name because the name is empty or contains a character of `forbidden`. If
/// `is_generated` is true, Prefect generates a random name instead of rejecting an empty name. This is not supported,
/// so an empty name also fails.
fn check_name(record: &Record, forbidden: &str, is_generated: bool) -> Result<()> {
    let error = match record.name.as_str() {
        "" if is_generated => {
            Error::input("`name` must not be empty: Prefect would generate a name").hint("set a name, or remove `name`")
        }
        "" => Error::input("`name` must not be empty").hint("set a name: Prefect fails here too"),
        name if name.contains(|c| forbidden.contains(c)) => {
            Error::input(format!("`name` must not contain any of `{forbidden}`"))
                .hint("use another name: Prefect fails here too")
        }
        _ => return Ok(()),
    };
    Err(locate(error, record.name_location.as_ref()))
}

/// Reads the worker of a scenario, or returns the default worker if the scenario does not set one.
fn read_worker(arena: &mut Arena, mapping: Option<ValueId>) -> Result<Worker> {
    let name = Some("test-worker".to_owned());
    let mut worker = Worker { id: None, name, name_location: None, environ: Environ::default() };
    let Some(mapping) = mapping else { return Ok(worker) };
    let keys = Kwargs::read(arena, mapping, &["id", "name", "env", "settings"], "a worker")?;
    worker.id = keys.get(arena, "id").map(|id| string::str(arena, id));
    if let Some(name) = arena.dict_get(mapping, "name") {
        let text = match arena.get(name) {
            Value::None => String::new(),
            Value::Str(text) => text.clone(),
            _ => {
                let error =
                    Error::input(format!("the name of the worker must be a string, not {}", arena.describe_kind(name)));
                return Err(locate(error.hint("put it in quotes"), arena.location(name)));
            }
        };
        let name_location = arena.location(name).cloned();
        let record = Record { id: String::new(), name: text, name_location, fields: mapping };
        check_name(&record, FORBIDDEN_IN_WORKER_NAMES, true)?;
        (worker.name, worker.name_location) = (Some(record.name), record.name_location);
    }
    if let Some(environ) = keys.truthy(arena, "env") {
        worker.environ = Environ::read(arena, environ, "`env` of the worker")?;
    }
    if let Some(settings) = keys.get(arena, "settings") {
        let keys = settings::keys_with_prefix(SETTINGS_PREFIX);
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        Kwargs::read(arena, settings, &keys, "the settings of a worker")?;
        for (key, value) in arena.as_dict(settings).unwrap_or_default().to_vec() {
            let name = format!("{SETTINGS_PREFIX}{}", arena.as_str(key).unwrap_or_default().to_uppercase());
            let text = match arena.get(value) {
                Value::Bool(flag) => flag.to_string(),
                _ => string::str(arena, value),
            };
            worker.set(&name, text, arena.location(value).cloned());
        }
    }
    Ok(worker)
}

impl Worker {
    /// Sets the variable `name` of the worker, overriding any value.
    pub fn set(&mut self, name: &str, text: String, location: Option<Location>) {
        self.environ.set(EnvironVar { name: name.to_owned(), value: Resolved::Text(text), location });
    }
}
