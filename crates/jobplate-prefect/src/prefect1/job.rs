//! `generate_job_spec`: from a job template to the Job that the agent posts, step by step in its order.
//!
//! Faults of the template are told where they are, in words of our own; the real program dies of a `TypeError`.

use jobplate_diagnostic::{Error, Result};

use super::agent::{Agent, setting};
use super::config::Config;
use super::environment::{Environment, Origin};
use super::flow::Flow;
use super::managed::{self, Managed};
use super::run_config::RunConfig;
use super::version::Version;
use crate::kwargs::iterate;
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::at;
use crate::pyvalue::text;

/// What is known when a Job is made.
#[derive(Debug)]
pub(super) struct Run<'r> {
    /// Of Prefect.
    pub version: Version,
    /// The template, which becomes the Job.
    pub template: Id,
    /// What the flow asks for.
    pub run_config: &'r RunConfig,
    /// Who makes the Job.
    pub agent: &'r Agent,
    /// The agent's configuration.
    pub config: Config,
    /// The flow.
    pub flow: Flow,
    /// The id of the flow run.
    pub flow_run_id: Id,
    /// What stands behind the Job's name.
    pub identifier: &'r str,
}

/// A finished Job.
#[derive(Debug)]
pub struct Job {
    /// The whole object.
    pub root: Id,
    /// Its pod's spec.
    pub pod: Id,
    /// The container that runs the flow.
    pub container: Id,
    /// That container's variables.
    pub environment: Environment,
    /// What the template had that is no more, as key and its value.
    pub replaced: Vec<(&'static str, Id)>,
}

/// How many letters of a template's name stay.
const NAME: usize = 48;

/// Makes the Job. The template is changed. Fails where Prefect fails.
pub(super) fn generate(heap: &mut Heap, run: &Run<'_>) -> Result<Job> {
    let job = run.template;
    let mut replaced = Vec::new();
    let name = match run.version {
        Version::V0_15 => {
            replaced.extend(
                heap.item(job, "metadata").and_then(|own| heap.item(own, "name")).map(|name| ("metadata.name", name)),
            );
            format!("prefect-job-{}", run.identifier)
        }
        Version::V1_4 => {
            let name = get_or_create(heap, job, &["metadata", "name"], Data::Str("prefect-job".to_owned()))?;
            format!("{}-{}", first_part(heap, name)?, run.identifier)
        }
    };
    let labels = [
        ("prefect.io/identifier", heap.text(run.identifier)),
        ("prefect.io/flow_run_id", run.flow_run_id),
        ("prefect.io/flow_id", run.flow.id),
    ];
    let own_labels = get_or_create(heap, job, &["metadata", "labels"], Data::Dict(Vec::new()))?;
    let pod_labels = get_or_create(heap, job, &["spec", "template", "metadata", "labels"], Data::Dict(Vec::new()))?;
    let metadata = step(heap, job, "metadata")?;
    let name = heap.text(name);
    heap.set_item(metadata, "name", name);
    for place in [own_labels, pod_labels] {
        must_be_mapping(heap, place, "`labels`")?;
        labels.iter().for_each(|(key, value)| heap.set_item(place, key, *value));
    }
    let template = step(heap, job, "spec").and_then(|spec| step(heap, spec, "template"))?;
    let Some(pod) = heap.item(template, "spec") else {
        // What was made on the way stands nowhere.
        let nearest = if heap.place(template).is_some() { template } else { job };
        return Err(fail(heap, nearest, "there is no `spec.template.spec` here")
            .hint("a job template is a Job: the containers stand in `spec.template.spec`"));
    };
    must_be_mapping(heap, pod, "`spec.template.spec`")?;
    set_account(heap, run, pod, &mut replaced);
    set_pull_secrets(heap, run, pod, &mut replaced)?;
    get_or_create(heap, pod, &["restartPolicy"], Data::Str("Never".to_owned()))?;
    let container = first_container(heap, pod)?;

    let template_image = heap.item(container, "image");
    let image = run.flow.image(heap, run.run_config.image, template_image)?;
    replaced.extend(template_image.filter(|own| !heap.equal(*own, image)).map(|own| ("image", own)));
    heap.set_item(container, "image", image);
    if let Some(policy) = run.run_config.image_pull_policy {
        heap.set_item(container, "imagePullPolicy", policy);
    }
    replaced.extend(heap.item(container, "args").map(|args| ("args", args)));
    let command = run.flow.command(heap, run.version)?;
    let args = command.map(|word| heap.text(word)).to_vec();
    let args = heap.put(Data::List(args), None);
    heap.set_item(container, "args", args);

    let environment = set_env(heap, run, container, image)?;
    set_resources(heap, run, container)?;
    Ok(Job { root: job, pod, container, environment, replaced })
}

fn fail(heap: &Heap, id: Id, what: impl Into<String>) -> Error {
    at(Error::input(what), heap.place(id)).hint("Prefect's agent fails here")
}

fn must_be_mapping(heap: &Heap, id: Id, what: &str) -> Result<()> {
    match heap.dict(id) {
        Some(_) => Ok(()),
        None => Err(fail(heap, id, format!("{what} must be a mapping, and is {}", heap.kind(id)))
            .hint("Prefect's agent fails here; leave an empty key out")),
    }
}

/// The value under a key that is there.
fn step(heap: &Heap, dict: Id, key: &str) -> Result<Id> {
    heap.item(dict, key).ok_or_else(|| fail(heap, dict, format!("there is no `{key}` here")))
}

/// The value at the end of a way of keys, which are made where they are missing.
fn get_or_create(heap: &mut Heap, root: Id, way: &[&str], last: Data) -> Result<Id> {
    let mut here = root;
    for (position, key) in way.iter().enumerate() {
        if heap.dict(here).is_none() {
            let what = match position {
                0 => "the job template".to_owned(),
                _ => format!("`{}`", way[..position].join(".")),
            };
            must_be_mapping(heap, here, &what)?;
        }
        here = match heap.item(here, key) {
            Some(next) => next,
            None => {
                let data = if position + 1 == way.len() { last.clone() } else { Data::Dict(Vec::new()) };
                let made = heap.put(data, None);
                heap.set_item(here, key, made);
                made
            }
        };
    }
    Ok(here)
}

/// The beginning of a template's name, as Python cuts it.
fn first_part(heap: &mut Heap, name: Id) -> Result<String> {
    match heap.get(name).clone() {
        Data::Str(text) => Ok(text.chars().take(NAME).collect()),
        Data::Bytes(bytes) => {
            let first = heap.put(Data::Bytes(bytes.into_iter().take(NAME).collect()), None);
            Ok(text::str(heap, first))
        }
        Data::List(items) => {
            let first = heap.put(Data::List(items.into_iter().take(NAME).collect()), None);
            Ok(text::str(heap, first))
        }
        _ => Err(fail(heap, name, format!("`metadata.name` must be text, and is {}", heap.kind(name)))
            .hint("Prefect's agent fails here; put the name in quotes")),
    }
}

/// Sets a key of the pod's spec, and remembers what was there.
fn replace(heap: &mut Heap, pod: Id, key: &'static str, value: Id, replaced: &mut Vec<(&'static str, Id)>) {
    replaced.extend(heap.item(pod, key).map(|own| (key, own)));
    heap.set_item(pod, key, value);
}

/// The run config's account, else that of its template, else the agent's, else the agent's template's.
fn set_account(heap: &mut Heap, run: &Run<'_>, pod: Id, replaced: &mut Vec<(&'static str, Id)>) {
    const KEY: &str = "serviceAccountName";
    let stays = heap.item(pod, KEY).is_some() && run.run_config.has_template();
    let account = match run.run_config.service_account_name {
        None if stays => None,
        None => run.agent.service_account_name,
        own => own,
    };
    if let Some(account) = account {
        replace(heap, pod, KEY, account, replaced);
    }
}

/// The same for pull secrets, but that an empty list asks for nothing.
fn set_pull_secrets(heap: &mut Heap, run: &Run<'_>, pod: Id, replaced: &mut Vec<(&'static str, Id)>) -> Result<()> {
    const KEY: &str = "imagePullSecrets";
    let stays = heap.item(pod, KEY).is_some() && run.run_config.has_template();
    let names = match run.run_config.image_pull_secrets.as_slice() {
        [] if stays => None,
        [] => match run.agent.image_pull_secrets {
            None => None,
            Some(secrets) => Some(iterate(heap, secrets, "the agent's image pull secrets")?),
        },
        own => Some(own.to_vec()),
    };
    let Some(names) = names else { return Ok(()) };
    let entry = |name: Id| {
        let key = heap.text("name");
        let place = heap.place(name).cloned();
        heap.put(Data::Dict(vec![(key, name)]), place)
    };
    let entries = names.into_iter().map(entry).collect();
    let list = heap.put(Data::List(entries), None);
    replace(heap, pod, KEY, list, replaced);
    Ok(())
}

/// The container that runs the flow: the first one, which is made where there is none.
fn first_container(heap: &mut Heap, pod: Id) -> Result<Id> {
    let containers = get_or_create(heap, pod, &["containers"], Data::List(Vec::new()))?;
    let container = match heap.get(containers).clone() {
        Data::List(items) => items.first().copied().unwrap_or_else(|| {
            let made = heap.put(Data::Dict(Vec::new()), None);
            if let Data::List(items) = heap.get_mut(containers) {
                items.push(made);
            }
            made
        }),
        // Python finds the first one of a mapping, too, where its key is the number.
        Data::Dict(_) => {
            let zero = heap.put(Data::Int(num_bigint::BigInt::ZERO), None);
            match heap.item_of(containers, zero) {
                Some(first) => first,
                None => return Err(fail(heap, containers, "`containers` must be a list, and is a mapping")),
            }
        }
        _ => {
            let what = format!("`containers` must be a list, and is {}", heap.kind(containers));
            return Err(fail(heap, containers, what));
        }
    };
    must_be_mapping(heap, container, "the first container")?;
    Ok(container)
}

/// Sets the container's env: what the agent gives, then what it takes over from the template.
fn set_env(heap: &mut Heap, run: &Run<'_>, container: Id, image: Id) -> Result<Environment> {
    let (agent, config) = (run.agent, run.config);
    let mut env = Environment::default();
    let level = heap.text(managed::LOGGING_LEVEL);
    env.set(heap, level, setting(heap, config, "logging.level")?, Origin::Agent);
    agent.env_vars.iter().for_each(|(name, value)| env.set(heap, *name, *value, Origin::AgentEnv));
    run.run_config.env.iter().for_each(|(name, value)| env.set(heap, *name, *value, Origin::RunConfig));
    let logs_name = heap.text(managed::SEND_LOGS);
    let logs = text::str(heap, agent.log_to_cloud).to_lowercase();
    let logs_place = heap.place(agent.log_to_cloud).cloned();
    let logs = heap.put(Data::Str(logs), logs_place);
    let may_stay = heap.is_true(agent.log_to_cloud) && env.get(heap, logs_name).is_some();
    if run.version == Version::V1_4 && !may_stay {
        env.set(heap, logs_name, logs, Origin::Agent);
    }
    for (name, managed) in managed::last(run.version) {
        let (value, origin) = match managed {
            Managed::ApiKey => (agent.api_key, Origin::Agent),
            Managed::ApiUrl => (setting(heap, config, "cloud.api")?, Origin::Agent),
            Managed::AuthToken => {
                let token = config.get(heap, "cloud.agent.auth_token").filter(|token| heap.is_true(*token));
                (token.filter(|_| run.version == Version::V0_15).unwrap_or(agent.api_key), Origin::Agent)
            }
            Managed::Backend => (setting(heap, config, "backend")?, Origin::Agent),
            Managed::FlowId => (run.flow.id, Origin::FlowRun),
            Managed::FlowRunId => (run.flow_run_id, Origin::FlowRun),
            Managed::FlowRunner => (heap.text("prefect.engine.cloud.CloudFlowRunner"), Origin::Prefect),
            Managed::Image => (image, Origin::FlowRun),
            Managed::Labels => (agent.labels, Origin::Agent),
            Managed::LocalSecrets => (heap.text("false"), Origin::Prefect),
            Managed::SendLogs => (logs, Origin::Agent),
            Managed::TaskRunner => (heap.text("prefect.engine.cloud.CloudTaskRunner"), Origin::Prefect),
            Managed::TenantId => (agent.tenant_id, Origin::Agent),
        };
        let name = heap.text(name);
        env.set(heap, name, value, origin);
    }
    let mut entries = Vec::new();
    for position in 0..env.0.len() {
        let (name, value) = (env.0[position].name, env.0[position].value);
        let keys = ["name", "value"].map(|key| heap.text(key));
        entries.push(heap.put(Data::Dict(vec![(keys[0], name), (keys[1], value)]), None));
    }
    let taken = entries.len();
    let own = match heap.item(container, "env") {
        Some(own) => iterate(heap, own, "`env` of the first container")?,
        None => Vec::new(),
    };
    for entry in own {
        must_be_mapping(heap, entry, "an entry of `env`")?;
        let Some(name) = heap.item(entry, "name") else {
            return Err(fail(heap, entry, "an entry of `env` has no name"));
        };
        if !heap.is_hashable(name) {
            return Err(fail(heap, name, format!("the name of a variable is {}", heap.kind(name))));
        }
        if env.add_entry(heap, name, entry, taken) {
            entries.push(entry);
        }
    }
    let list = heap.put(Data::List(entries), None);
    heap.set_item(container, "env", list);
    Ok(env)
}

/// Sets what the run config asks for; `requests` and `limits` are there in any case.
fn set_resources(heap: &mut Heap, run: &Run<'_>, container: Id) -> Result<()> {
    for group in ["requests", "limits"] {
        get_or_create(heap, container, &["resources", group], Data::Dict(Vec::new()))?;
    }
    let resources = step(heap, container, "resources")?;
    for (group, key, value) in &run.run_config.resources {
        let group_value = step(heap, resources, group)?;
        must_be_mapping(heap, group_value, &format!("`resources.{group}`"))?;
        heap.set_item(group_value, key, *value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prefect1::preview::preview;
    use crate::prefect1::scenario::Scenario;

    /// What `render` warns of is what the agent sets.
    #[test]
    fn every_variable_of_a_plain_job_is_known_to_be_the_agents() {
        let mut heap = Heap::default();
        let scenario = Scenario::plain(&mut heap);
        let none = |_: &str| Err(Error::input("no file is read"));
        let made = preview(&mut heap, Version::V1_4, None, &scenario, &none).unwrap();
        let names: Vec<_> = made.job.environment.0.iter().map(|own| text::str(&heap, own.name)).collect();
        assert!(names.iter().all(|name| managed::is_managed(name)), "{names:?}");
        assert_eq!(names.len(), 14);
    }
}
