//! A scenario: all that a preview of a worker's Job needs to know beside the base job template.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};

use super::run::{self, Record, Run};
use super::settings;
use super::values::{as_json, load};
use crate::kwargs::{Kwargs, first_key};
use crate::pyvalue::environ::{Environ, Known, Variable};
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::{Text, at};
use crate::pyvalue::text;

/// The flow run with its job variables, and the worker.
#[derive(Debug)]
pub struct WorkerScenario {
    /// Who the Job is made for.
    pub run: Run,
    /// Job variables of the deployment.
    pub deployment_variables: Option<Id>,
    /// Job variables of the flow run.
    pub run_variables: Option<Id>,
    /// The worker.
    pub worker: Worker,
    /// Whether the scenario itself says who the worker is.
    pub has_worker: bool,
    /// Whether it says which work pool it is.
    pub has_work_pool: bool,
}

/// A worker.
#[derive(Debug)]
pub struct Worker {
    /// Its id, which only Prefect Cloud gives.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its environment.
    pub environ: Environ,
}

const KEYS: [&str; 6] = ["job_variables", "deployment", "flow", "flow_run", "work_pool", "worker"];

/// The keys of a scenario that only Prefect 1 has.
const OF_PREFECT_1: [&str; 6] = ["run_config", "agent", "environ", "user_config", "flow_run_id", "identifier"];

/// What the settings of a Kubernetes worker begin with in its environment.
pub const SETTINGS_PREFIX: &str = "PREFECT_INTEGRATIONS_KUBERNETES_WORKER_";

/// Reads a file of job variables.
///
/// # Errors
/// Fails at what is another file by mistake.
pub fn read_job_variables(heap: &mut Heap, source: &Rc<Text>) -> Result<Id> {
    let root = load(heap, source)?;
    let has = |keys: &[&str]| keys.iter().all(|key| heap.item(root, key).is_some());
    let (what, hint) = match () {
        () if has(&["apiVersion", "kind"]) => ("a Kubernetes object", "the Deployment of a worker is for `--worker`"),
        () if has(&["job_configuration", "variables"]) => ("a base job template", "it is FILE, without a flag"),
        () if has(&["deployments"]) => ("a prefect.yaml", "they stand below `job_variables` of a `work_pool` there"),
        () if has(&["job_variables"]) => match has(&["worker"]) || has(&["deployment"]) || has(&["flow_run"]) {
            true => ("a scenario", "it is for `--scenario`"),
            false => ("a mapping with job variables in it", "write what stands below `job_variables` at the margin"),
        },
        () => return Ok(root),
    };
    Err(at(Error::input(format!("this is {what}, not job variables")).hint(hint), heap.place(root)))
}

impl WorkerScenario {
    /// A flow run with nothing special to it.
    ///
    /// # Errors
    /// Fails only if the built-in scenario could not be read.
    pub fn with_defaults(heap: &mut Heap) -> Result<Self> {
        let empty = heap.put(Data::Dict(Vec::new()), None);
        WorkerScenario::of(heap, empty)
    }

    /// Reads a scenario file.
    ///
    /// # Errors
    /// Fails at a key or value that no scenario has.
    pub fn read(heap: &mut Heap, source: &Rc<Text>) -> Result<Self> {
        let root = load(heap, source)?;
        let root = match heap.get(root) {
            Data::None => heap.put(Data::Dict(Vec::new()), None),
            _ => as_json(heap, root)?,
        };
        if let Some(key) = first_key(heap, root, &OF_PREFECT_1) {
            let error = Error::input("this is a scenario for Prefect 1, and the template is one of Prefect 2 or 3");
            let hint = format!("for a worker it takes {}", KEYS.join(", "));
            return Err(at(error.hint(hint), heap.place(key)));
        }
        WorkerScenario::of(heap, root)
    }

    fn of(heap: &mut Heap, root: Id) -> Result<Self> {
        let keys = Kwargs::read(heap, root, &KEYS, "a scenario")?;
        let record = |heap: &mut Heap, key: &str, number: u8, name: &str| {
            let given = keys.truthy(heap, key);
            if let Some(given) = given.filter(|given| heap.dict(*given).is_none()) {
                let error = Error::input(format!("`{key}` is {}, not a mapping", heap.kind(given)));
                return Err(at(error.hint("write `name: NAME` below it"), heap.place(given)));
            }
            Record::read(heap, given, number, name)
        };
        let flow = record(heap, "flow", 2, "test-flow")?;
        let has_deployment = heap.item(root, "deployment").is_none_or(|id| *heap.get(id) != Data::None);
        let deployment = match has_deployment {
            true => Some(record(heap, "deployment", 3, "test-deployment")?),
            false => None,
        };
        let flow_run = record(heap, "flow_run", 1, "test-run")?;
        if let Some(key) = first_key(heap, flow_run.fields, &["job_variables"]) {
            let error = Error::input("a scenario has the job variables of the flow run beside `flow_run`");
            return Err(at(error.hint("write `job_variables:` at the margin"), heap.place(key)));
        }
        let work_pool = record(heap, "work_pool", 4, "test-pool")?;
        for (record, odd, is_drawn) in [(&flow, "/%&><", false), (&work_pool, "/%&><", false), (&flow_run, "", true)] {
            check_name(heap, record, odd, is_drawn)?;
        }
        for record in [&flow, &flow_run] {
            check_fields(heap, record)?;
        }
        let deployment_updated = match &deployment {
            Some(deployment) => run::updated(heap, deployment)?,
            None => None,
        };
        let deployment_variables =
            deployment.as_ref().and_then(|deployment| heap.item(deployment.fields, "job_variables"));
        Ok(WorkerScenario {
            run_variables: keys.get(heap, "job_variables"),
            deployment_variables,
            run: Run { flow, flow_run, deployment, work_pool, deployment_updated },
            has_worker: keys.get(heap, "worker").is_some(),
            has_work_pool: keys.get(heap, "work_pool").is_some(),
            worker: worker(heap, keys.truthy(heap, "worker"))?,
        })
    }
}

/// The fields that Prefect's models have types for, and a name may refer to.
fn check_fields(heap: &Heap, record: &Record) -> Result<()> {
    let field = |key: &str| heap.item(record.fields, key);
    let is_null = |id: Id| *heap.get(id) == Data::None;
    let fault = [
        ("parameters", "a mapping", field("parameters").filter(|id| heap.dict(*id).is_none())),
        ("labels", "a mapping", field("labels").filter(|id| heap.dict(*id).is_none() && !is_null(*id))),
        ("tags", "a list", field("tags").filter(|id| !matches!(heap.get(*id), Data::List(_)))),
    ];
    match fault.into_iter().find_map(|(key, wanted, id)| Some((key, wanted, id?))) {
        Some((key, wanted, id)) => {
            let error = Error::input(format!("`{key}` is {}, and must be {wanted}", heap.kind(id)));
            Err(at(error.hint("Prefect itself fails here"), heap.place(id)))
        }
        None => Ok(()),
    }
}

/// What no server takes as a name. In the place of an empty one of a flow run or a worker, Prefect draws one.
fn check_name(heap: &Heap, record: &Record, odd: &str, is_drawn: bool) -> Result<()> {
    let error = match record.name.as_str() {
        "" if is_drawn => Error::input("an empty name: Prefect draws one").hint("leave it out, or give one"),
        "" => Error::input("an empty name").hint("Prefect itself fails here: give one"),
        name if name.contains(|c| odd.contains(c)) => {
            Error::input(format!("a name with one of {odd} in it")).hint("Prefect itself fails here: give another one")
        }
        _ => return Ok(()),
    };
    let place = heap.item(record.fields, "name").and_then(|name| heap.place(name));
    Err(at(error, place))
}

fn worker(heap: &mut Heap, given: Option<Id>) -> Result<Worker> {
    let mut worker = Worker { id: None, name: Some("test-worker".to_owned()), environ: Environ::default() };
    let Some(given) = given else { return Ok(worker) };
    let keys = Kwargs::read(heap, given, &["id", "name", "env", "settings"], "a worker")?;
    worker.id = keys.get(heap, "id").map(|id| text::str(heap, id));
    if let Some(name) = heap.item(given, "name") {
        let text = match heap.get(name) {
            Data::None => String::new(),
            Data::Str(text) => text.clone(),
            _ => {
                let error = Error::input(format!("the name of the worker is {}", heap.kind(name)));
                return Err(at(error.hint("put it in quotes"), heap.place(name)));
            }
        };
        let record = Record { id: String::new(), name: text.clone(), fields: given };
        check_name(heap, &record, "/%", true)?;
        worker.name = Some(text);
    }
    if let Some(environ) = keys.truthy(heap, "env") {
        worker.environ = Environ::read(heap, environ, "`env` of the worker")?;
    }
    if let Some(given) = keys.get(heap, "settings") {
        let keys = settings::keys(SETTINGS_PREFIX);
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        Kwargs::read(heap, given, &keys, "the settings of a worker")?;
        for (key, value) in heap.dict(given).unwrap_or_default().to_vec() {
            let name = format!("{SETTINGS_PREFIX}{}", heap.str(key).unwrap_or_default().to_uppercase());
            let text = match heap.get(value) {
                Data::Bool(is) => is.to_string(),
                _ => text::str(heap, value),
            };
            worker.set(&name, text, heap.place(value).cloned());
        }
    }
    Ok(worker)
}

impl Worker {
    /// Sets a variable of its environment.
    pub fn set(&mut self, name: &str, text: String, place: Option<crate::pyvalue::source::Place>) {
        self.environ.0.retain(|variable| variable.name != name);
        self.environ.0.push(Variable { name: name.to_owned(), value: Known::Text(text), place });
    }
}
