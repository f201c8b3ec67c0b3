//! A preview: everything that a worker does between a flow run and its Job, in one call.

use std::collections::HashMap;
use std::rc::Rc;

use super::configuration::{self, Configuration, Given};
use super::environment::{self, Entry, Origin};
use super::scenario::Scenario;
use super::secrets::{self, Settings, Written};
use super::version::Version;
use super::{manifest, settings, template};
use crate::error::Result;
use crate::python::heap::{Data, Heap, Id, Text};

/// A Job, and how it came to be.
#[derive(Debug)]
pub struct Preview {
    /// The Job that the worker posts.
    pub job: Id,
    /// The base job template.
    pub template: Id,
    /// The configuration that it was made of.
    pub configuration: Configuration,
    /// The `env` of the flow's container.
    pub entries: Vec<Entry>,
    /// What does not get there: what something else of the same name hides.
    pub hidden: Vec<Entry>,
    /// The Secrets that the worker writes.
    pub secrets: Vec<Written>,
}

/// Makes the Job of a flow run. Fails where Prefect fails.
pub fn preview(heap: &mut Heap, version: Version, source: &Rc<Text>, scenario: &Scenario) -> Result<Preview> {
    let template = template::read(heap, source)?;
    let exported = settings::export(&scenario.worker.environ)?;
    let settings = Settings::read(&scenario.worker)?;
    let given = Given { template, deployment: scenario.deployment_variables, run: scenario.run_variables };
    let origins = Origins::of(heap, &given);
    let configuration = configuration::fill(heap, version, &given, &scenario.worker.environ)?;
    let own = environment::prepare(heap, version, scenario, exported, &configuration, &|id| origins.get(id))?;
    let container = manifest::container(heap, configuration.manifest);
    let container_env = container.and_then(|container| heap.item(container, "env"));
    let (mut entries, hidden) = environment::merge(heap, version, own, container_env)?;
    if let Some(container) = container {
        let list = heap.put(Data::List(entries.iter().map(|entry| entry.entry).collect()), None);
        heap.set_item(container, "env", list);
    }
    manifest::prepare(heap, version, scenario, &configuration)?;
    let secrets = secrets::apply(heap, &settings, &scenario.worker, &configuration, &mut entries)?;
    Ok(Preview { job: configuration.manifest, template, configuration, entries, hidden, secrets })
}

/// Who gave which value of `env`.
struct Origins(HashMap<Id, Origin>);

impl Origins {
    fn of(heap: &Heap, given: &Given) -> Self {
        let mut origins = HashMap::new();
        let variables = heap.item(given.template, "variables").and_then(|own| heap.item(own, "properties"));
        let default = variables.and_then(|own| heap.item(own, "env")).and_then(|own| heap.item(own, "default"));
        let base = heap.item(given.template, "job_configuration").and_then(|own| heap.item(own, "env"));
        let mut add = |env: Option<Id>, origin| {
            for value in env.into_iter().flat_map(|env| values(heap, env)) {
                origins.insert(value, origin);
            }
        };
        add(base, Origin::Template);
        add(default, Origin::Default);
        for (variables, origin) in [(given.deployment, Origin::Deployment), (given.run, Origin::JobVariables)] {
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

    fn get(&self, id: Id) -> Origin {
        self.0.get(&id).copied().unwrap_or(Origin::Template)
    }
}

/// The values of variables in a mapping, the entries of a list.
fn values(heap: &Heap, env: Id) -> Vec<Id> {
    match heap.get(env) {
        Data::List(items) => items.clone(),
        Data::Dict(pairs) => pairs.iter().map(|(_, value)| *value).collect(),
        _ => vec![env],
    }
}
