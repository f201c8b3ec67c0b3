//! `generate_job_spec`: from a job template to the Job that the agent posts, step by step in its order.
//!
//! Faults of the template are told where they are, in words of our own; the real program dies of a `TypeError`.

use jobplate_diagnostic::{Error, Result};

use super::agent::{Agent, setting};
use super::config::Config;
use super::environment::{FlowEnvironment, FlowVariableOrigin};
use super::flow::Flow;
use super::managed::{self, Managed};
use super::run_config::RunConfig;
use super::version::AgentVersion;
use crate::kwargs::iterate;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate;
use crate::pyvalue::string;

/// What is known when a Job is made.
#[derive(Debug)]
pub(super) struct Run<'r> {
    /// Of Prefect.
    pub version: AgentVersion,
    /// The template, which becomes the Job.
    pub template: ValueId,
    /// What the flow asks for.
    pub run_config: &'r RunConfig,
    /// Who makes the Job.
    pub agent: &'r Agent,
    /// The agent's configuration.
    pub config: Config,
    /// The flow.
    pub flow: Flow,
    /// The id of the flow run.
    pub flow_run_id: ValueId,
    /// What stands behind the Job's name.
    pub identifier: &'r str,
}

/// A finished Job.
#[derive(Debug)]
pub struct Job {
    /// The whole object.
    pub root: ValueId,
    /// Its pod's spec.
    pub pod: ValueId,
    /// The container that runs the flow.
    pub container: ValueId,
    /// That container's variables.
    pub environment: FlowEnvironment,
    /// What the template had that is no more, as key and its value.
    pub replaced: Vec<(&'static str, ValueId)>,
}

/// How many letters of a template's name stay.
const NAME: usize = 48;

/// Makes the Job. The template is changed. Fails where Prefect fails.
pub(super) fn generate(arena: &mut Arena, run: &Run<'_>) -> Result<Job> {
    let job = run.template;
    let mut replaced = Vec::new();
    let name = match run.version {
        AgentVersion::V0_15 => {
            replaced.extend(
                arena
                    .dict_get(job, "metadata")
                    .and_then(|own| arena.dict_get(own, "name"))
                    .map(|name| ("metadata.name", name)),
            );
            format!("prefect-job-{}", run.identifier)
        }
        AgentVersion::V1_4 => {
            let name = get_or_create(arena, job, &["metadata", "name"], Value::Str("prefect-job".to_owned()))?;
            format!("{}-{}", first_part(arena, name)?, run.identifier)
        }
    };
    let labels = [
        ("prefect.io/identifier", arena.alloc_str(run.identifier)),
        ("prefect.io/flow_run_id", run.flow_run_id),
        ("prefect.io/flow_id", run.flow.id),
    ];
    let own_labels = get_or_create(arena, job, &["metadata", "labels"], Value::empty_dict())?;
    let pod_labels = get_or_create(arena, job, &["spec", "template", "metadata", "labels"], Value::empty_dict())?;
    let metadata = step(arena, job, "metadata")?;
    let name = arena.alloc_str(name);
    arena.dict_set_str(metadata, "name", name);
    for location in [own_labels, pod_labels] {
        must_be_mapping(arena, location, "`labels`")?;
        labels.iter().for_each(|(key, value)| arena.dict_set_str(location, key, *value));
    }
    let template = step(arena, job, "spec").and_then(|spec| step(arena, spec, "template"))?;
    let Some(pod) = arena.dict_get(template, "spec") else {
        // What was made on the way stands nowhere.
        let nearest = if arena.location(template).is_some() { template } else { job };
        return Err(fail(arena, nearest, "there is no `spec.template.spec` here")
            .hint("a job template is a Job: the containers stand in `spec.template.spec`"));
    };
    must_be_mapping(arena, pod, "`spec.template.spec`")?;
    set_account(arena, run, pod, &mut replaced);
    set_pull_secrets(arena, run, pod, &mut replaced)?;
    get_or_create(arena, pod, &["restartPolicy"], Value::Str("Never".to_owned()))?;
    let container = first_container(arena, pod)?;

    let template_image = arena.dict_get(container, "image");
    let image = run.flow.image(arena, run.run_config.image, template_image)?;
    replaced.extend(template_image.filter(|own| !arena.is_same_key(*own, image)).map(|own| ("image", own)));
    arena.dict_set_str(container, "image", image);
    if let Some(policy) = run.run_config.image_pull_policy {
        arena.dict_set_str(container, "imagePullPolicy", policy);
    }
    replaced.extend(arena.dict_get(container, "args").map(|args| ("args", args)));
    let command = run.flow.command(arena, run.version)?;
    let args = command.map(|word| arena.alloc_str(word)).to_vec();
    let args = arena.alloc(Value::List(args), None);
    arena.dict_set_str(container, "args", args);

    let environment = set_env(arena, run, container, image)?;
    set_resources(arena, run, container)?;
    Ok(Job { root: job, pod, container, environment, replaced })
}

fn fail(arena: &Arena, id: ValueId, what: impl Into<String>) -> Error {
    locate(Error::input(what), arena.location(id)).hint("Prefect's agent fails here")
}

fn must_be_mapping(arena: &Arena, id: ValueId, what: &str) -> Result<()> {
    match arena.as_dict(id) {
        Some(_) => Ok(()),
        None => Err(fail(arena, id, format!("{what} must be a mapping, and is {}", arena.describe_kind(id)))
            .hint("Prefect's agent fails here; leave an empty key out")),
    }
}

/// The value under a key that is there.
fn step(arena: &Arena, dict: ValueId, key: &str) -> Result<ValueId> {
    arena.dict_get(dict, key).ok_or_else(|| fail(arena, dict, format!("there is no `{key}` here")))
}

/// The value at the end of a way of keys, which are made where they are missing.
fn get_or_create(arena: &mut Arena, root: ValueId, way: &[&str], last: Value) -> Result<ValueId> {
    let mut here = root;
    for (position, key) in way.iter().enumerate() {
        if arena.as_dict(here).is_none() {
            let what = match position {
                0 => "the job template".to_owned(),
                _ => format!("`{}`", way[..position].join(".")),
            };
            must_be_mapping(arena, here, &what)?;
        }
        here = match arena.dict_get(here, key) {
            Some(next) => next,
            None => {
                let data = if position + 1 == way.len() { last.clone() } else { Value::empty_dict() };
                let made = arena.alloc(data, None);
                arena.dict_set_str(here, key, made);
                made
            }
        };
    }
    Ok(here)
}

/// The beginning of a template's name, as Python cuts it.
fn first_part(arena: &mut Arena, name: ValueId) -> Result<String> {
    match arena.get(name).clone() {
        Value::Str(text) => Ok(text.chars().take(NAME).collect()),
        Value::Bytes(bytes) => {
            let first = arena.alloc(Value::Bytes(bytes.into_iter().take(NAME).collect()), None);
            Ok(string::str(arena, first))
        }
        Value::List(items) => {
            let first = arena.alloc(Value::List(items.into_iter().take(NAME).collect()), None);
            Ok(string::str(arena, first))
        }
        _ => Err(fail(arena, name, format!("`metadata.name` must be text, and is {}", arena.describe_kind(name)))
            .hint("Prefect's agent fails here; put the name in quotes")),
    }
}

/// Sets a key of the pod's spec, and remembers what was there.
fn replace(
    arena: &mut Arena,
    pod: ValueId,
    key: &'static str,
    value: ValueId,
    replaced: &mut Vec<(&'static str, ValueId)>,
) {
    replaced.extend(arena.dict_get(pod, key).map(|own| (key, own)));
    arena.dict_set_str(pod, key, value);
}

/// The run config's account, else that of its template, else the agent's, else the agent's template's.
fn set_account(arena: &mut Arena, run: &Run<'_>, pod: ValueId, replaced: &mut Vec<(&'static str, ValueId)>) {
    const KEY: &str = "serviceAccountName";
    let stays = arena.dict_get(pod, KEY).is_some() && run.run_config.has_template();
    let account = match run.run_config.service_account_name {
        None if stays => None,
        None => run.agent.service_account_name,
        own => own,
    };
    if let Some(account) = account {
        replace(arena, pod, KEY, account, replaced);
    }
}

/// The same for pull secrets, but that an empty list asks for nothing.
fn set_pull_secrets(
    arena: &mut Arena,
    run: &Run<'_>,
    pod: ValueId,
    replaced: &mut Vec<(&'static str, ValueId)>,
) -> Result<()> {
    const KEY: &str = "imagePullSecrets";
    let stays = arena.dict_get(pod, KEY).is_some() && run.run_config.has_template();
    let names = match run.run_config.image_pull_secrets.as_slice() {
        [] if stays => None,
        [] => match run.agent.image_pull_secrets {
            None => None,
            Some(secrets) => Some(iterate(arena, secrets, "the agent's image pull secrets")?),
        },
        own => Some(own.to_vec()),
    };
    let Some(names) = names else { return Ok(()) };
    let entry = |name: ValueId| {
        let key = arena.alloc_str("name");
        let location = arena.location(name).cloned();
        let entry = arena.new_dict([(key, name)]);
        arena.alloc(entry, location)
    };
    let entries = names.into_iter().map(entry).collect();
    let list = arena.alloc(Value::List(entries), None);
    replace(arena, pod, KEY, list, replaced);
    Ok(())
}

/// The container that runs the flow: the first one, which is made where there is none.
fn first_container(arena: &mut Arena, pod: ValueId) -> Result<ValueId> {
    let containers = get_or_create(arena, pod, &["containers"], Value::List(Vec::new()))?;
    let container = match arena.get(containers).clone() {
        Value::List(items) => items.first().copied().unwrap_or_else(|| {
            let made = arena.alloc(Value::empty_dict(), None);
            if let Value::List(items) = arena.get_mut(containers) {
                items.push(made);
            }
            made
        }),
        // Python finds the first one of a mapping, too, where its key is the number.
        Value::Dict(_) => {
            let zero = arena.alloc(Value::Int(num_bigint::BigInt::ZERO), None);
            match arena.dict_get_by_key(containers, zero) {
                Some(first) => first,
                None => return Err(fail(arena, containers, "`containers` must be a list, and is a mapping")),
            }
        }
        _ => {
            let what = format!("`containers` must be a list, and is {}", arena.describe_kind(containers));
            return Err(fail(arena, containers, what));
        }
    };
    must_be_mapping(arena, container, "the first container")?;
    Ok(container)
}

/// Sets the container's env: what the agent gives, then what it takes over from the template.
fn set_env(arena: &mut Arena, run: &Run<'_>, container: ValueId, image: ValueId) -> Result<FlowEnvironment> {
    let (agent, config) = (run.agent, run.config);
    let mut env = FlowEnvironment::default();
    let level = arena.alloc_str(managed::LOGGING_LEVEL);
    env.set(arena, level, setting(arena, config, "logging.level")?, FlowVariableOrigin::Agent);
    agent.env_vars.iter().for_each(|(name, value)| env.set(arena, *name, *value, FlowVariableOrigin::AgentEnv));
    run.run_config.env.iter().for_each(|(name, value)| env.set(arena, *name, *value, FlowVariableOrigin::RunConfig));
    let logs_name = arena.alloc_str(managed::SEND_LOGS);
    let logs = string::str(arena, agent.log_to_cloud).to_lowercase();
    let logs_place = arena.location(agent.log_to_cloud).cloned();
    let logs = arena.alloc(Value::Str(logs), logs_place);
    let may_stay = arena.is_truthy(agent.log_to_cloud) && env.get(arena, logs_name).is_some();
    if run.version == AgentVersion::V1_4 && !may_stay {
        env.set(arena, logs_name, logs, FlowVariableOrigin::Agent);
    }
    for (name, managed) in managed::last(run.version) {
        let (value, origin) = match managed {
            Managed::ApiKey => (agent.api_key, FlowVariableOrigin::Agent),
            Managed::ApiUrl => (setting(arena, config, "cloud.api")?, FlowVariableOrigin::Agent),
            Managed::AuthToken => {
                let token = config.get(arena, "cloud.agent.auth_token").filter(|token| arena.is_truthy(*token));
                (
                    token.filter(|_| run.version == AgentVersion::V0_15).unwrap_or(agent.api_key),
                    FlowVariableOrigin::Agent,
                )
            }
            Managed::Backend => (setting(arena, config, "backend")?, FlowVariableOrigin::Agent),
            Managed::FlowId => (run.flow.id, FlowVariableOrigin::FlowRun),
            Managed::FlowRunId => (run.flow_run_id, FlowVariableOrigin::FlowRun),
            Managed::FlowRunner => {
                (arena.alloc_str("prefect.engine.cloud.CloudFlowRunner"), FlowVariableOrigin::Prefect)
            }
            Managed::Image => (image, FlowVariableOrigin::FlowRun),
            Managed::Labels => (agent.labels, FlowVariableOrigin::Agent),
            Managed::LocalSecrets => (arena.alloc_str("false"), FlowVariableOrigin::Prefect),
            Managed::SendLogs => (logs, FlowVariableOrigin::Agent),
            Managed::TaskRunner => {
                (arena.alloc_str("prefect.engine.cloud.CloudTaskRunner"), FlowVariableOrigin::Prefect)
            }
            Managed::TenantId => (agent.tenant_id, FlowVariableOrigin::Agent),
        };
        let name = arena.alloc_str(name);
        env.set(arena, name, value, origin);
    }
    let mut entries = Vec::new();
    for position in 0..env.0.len() {
        let (name, value) = (env.0[position].name, env.0[position].value);
        let keys = ["name", "value"].map(|key| arena.alloc_str(key));
        let entry = arena.new_dict([(keys[0], name), (keys[1], value)]);
        entries.push(arena.alloc(entry, None));
    }
    let taken = entries.len();
    let own = match arena.dict_get(container, "env") {
        Some(own) => iterate(arena, own, "`env` of the first container")?,
        None => Vec::new(),
    };
    for entry in own {
        must_be_mapping(arena, entry, "an entry of `env`")?;
        let Some(name) = arena.dict_get(entry, "name") else {
            return Err(fail(arena, entry, "an entry of `env` has no name"));
        };
        if !arena.is_hashable(name) {
            return Err(fail(arena, name, format!("the name of a variable is {}", arena.describe_kind(name))));
        }
        if env.add_entry(arena, name, entry, taken) {
            entries.push(entry);
        }
    }
    let list = arena.alloc(Value::List(entries), None);
    arena.dict_set_str(container, "env", list);
    Ok(env)
}

/// Sets what the run config asks for; `requests` and `limits` are there in any case.
fn set_resources(arena: &mut Arena, run: &Run<'_>, container: ValueId) -> Result<()> {
    for group in ["requests", "limits"] {
        get_or_create(arena, container, &["resources", group], Value::empty_dict())?;
    }
    let resources = step(arena, container, "resources")?;
    for (group, key, value) in &run.run_config.resources {
        let group_value = step(arena, resources, group)?;
        must_be_mapping(arena, group_value, &format!("`resources.{group}`"))?;
        arena.dict_set_str(group_value, key, *value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prefect1::preview::preview;
    use crate::prefect1::scenario::AgentScenario;

    /// What `render` warns of is what the agent sets.
    #[test]
    fn every_variable_of_a_plain_job_is_known_to_be_the_agents() {
        let mut arena = Arena::default();
        let scenario = AgentScenario::minimal(&mut arena);
        let none = |_: &str| Err(Error::input("no file is read"));
        let made = preview(&mut arena, AgentVersion::V1_4, None, &scenario, &none).unwrap();
        let names: Vec<_> = made.job.environment.0.iter().map(|own| string::str(&arena, own.name)).collect();
        assert!(names.iter().all(|name| managed::is_managed(name)), "{names:?}");
        assert_eq!(names.len(), 14);
    }
}
