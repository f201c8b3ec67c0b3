//! Converts a job template to the Job that the agent creates, in the order of Prefect's `generate_job_spec`.
//!
//! If the agent would raise a `TypeError`, the error points to the location in the template.

use jobplate_diagnostic::{Error, Result, suggest};

use super::agent::{Agent, default_setting};
use super::config::Config;
use super::environment::{FlowEnvironment, FlowVariableOrigin};
use super::flow::Flow;
use super::managed::{self, ManagedValue};
use super::run_config::RunConfig;
use super::version::AgentVersion;
use crate::kwargs::iterate;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate;
use crate::pyvalue::string;

/// The input from which a Job is generated.
#[derive(Debug)]
pub(super) struct JobRequest<'r> {
    /// The version of Prefect.
    pub version: AgentVersion,
    /// The template. [`generate`] modifies it in place.
    pub template: ValueId,
    /// The run config of the flow.
    pub run_config: &'r RunConfig,
    /// The agent that creates the Job.
    pub agent: &'r Agent,
    /// The agent's configuration.
    pub config: Config,
    /// The flow that the Job runs.
    pub flow: Flow,
    /// The ID of the flow run.
    pub flow_run_id: ValueId,
    /// The characters at the end of the Job's name.
    pub identifier: &'r str,
}

/// A generated Job.
#[derive(Debug)]
pub struct Job {
    /// The whole Job object.
    pub root: ValueId,
    /// The spec of the Job's pod template.
    pub pod: ValueId,
    /// The container that runs the flow.
    pub container: ValueId,
    /// The variables of that container.
    pub environment: FlowEnvironment,
    /// The keys of the template that the agent replaces, with their old values.
    pub replaced: Vec<(&'static str, ValueId)>,
}

/// The maximum number of characters that the Job's name takes from the template's name.
const MAX_NAME_LENGTH: usize = 48;

/// Creates the Job by modifying the template. Fails if Prefect fails.
pub(super) fn generate(arena: &mut Arena, run: &JobRequest<'_>) -> Result<Job> {
    let job = run.template;
    let mut replaced = Vec::new();
    set_metadata(arena, run, &mut replaced)?;
    let template = get_required(arena, job, "spec").and_then(|spec| get_required(arena, spec, "template"))?;
    let Some(pod) = arena.dict_get(template, "spec") else {
        let kind = arena.dict_get(job, "kind").filter(|kind| arena.as_str(*kind).is_some_and(|kind| kind != "Job"));
        // Values that this module creates have no location, so the error may have to point to the Job.
        let nearest = kind.or_else(|| arena.location(template).map(|_| template)).unwrap_or(job);
        let describe =
            |kind| Some(format!("a job template must be a Job, not {}", suggest::quote_key(arena.as_str(kind)?)));
        return Err(fail(arena, nearest, kind.and_then(describe).as_deref().unwrap_or("missing `spec.template.spec`"))
            .hint("a job template is a Job with its containers in `spec.template.spec`"));
    };
    must_be_mapping(arena, pod, "`spec.template.spec`")?;
    set_service_account(arena, run, pod, &mut replaced);
    set_pull_secrets(arena, run, pod, &mut replaced)?;
    get_or_create(arena, pod, &["restartPolicy"], Value::Str("Never".to_owned()))?;
    let container = first_container(arena, pod)?;
    let template_image = arena.dict_get(container, "image");
    let image = run.flow.image(arena, run.run_config.image, template_image)?;
    replaced.extend(template_image.filter(|old| !arena.is_same_key(*old, image)).map(|old| ("image", old)));
    arena.dict_set_str(container, "image", image);
    if let Some(policy) = run.run_config.image_pull_policy {
        arena.dict_set_str(container, "imagePullPolicy", policy);
    }
    replaced.extend(arena.dict_get(container, "args").map(|args| ("args", args)));
    let command = run.flow.command(arena, run.version)?;
    let args = Value::List(command.map(|word| arena.alloc_str(word)).to_vec());
    let args = arena.alloc(args, None);
    arena.dict_set_str(container, "args", args);

    let environment = set_env(arena, run, container, image)?;
    set_resources(arena, run, container)?;
    Ok(Job { root: job, pod, container, environment, replaced })
}

/// Sets the name and the labels of the Job and of its pod template.
fn set_metadata(arena: &mut Arena, run: &JobRequest<'_>, replaced: &mut Vec<(&'static str, ValueId)>) -> Result<()> {
    let job = run.template;
    let (name, location) = match run.version {
        AgentVersion::V0_15 => {
            let old_name = arena.dict_get(job, "metadata").and_then(|metadata| arena.dict_get(metadata, "name"));
            replaced.extend(old_name.map(|name| ("metadata.name", name)));
            (format!("prefect-job-{}", run.identifier), None)
        }
        AgentVersion::V1_4 => {
            let name = get_or_create(arena, job, &["metadata", "name"], Value::Str("prefect-job".to_owned()))?;
            (format!("{}-{}", first_part(arena, name)?, run.identifier), arena.location(name).cloned())
        }
    };
    let labels = [
        ("prefect.io/identifier", arena.alloc_str(run.identifier)),
        ("prefect.io/flow_run_id", run.flow_run_id),
        ("prefect.io/flow_id", run.flow.id),
    ];
    let own_labels = get_or_create(arena, job, &["metadata", "labels"], Value::empty_dict())?;
    let pod_labels = get_or_create(arena, job, &["spec", "template", "metadata", "labels"], Value::empty_dict())?;
    let metadata = get_required(arena, job, "metadata")?;
    let name = arena.alloc(Value::Str(name), location);
    arena.dict_set_str(metadata, "name", name);
    for map in [own_labels, pod_labels] {
        must_be_mapping(arena, map, "`labels`")?;
        labels.iter().for_each(|(key, value)| arena.dict_set_str(map, key, *value));
    }
    Ok(())
}

fn fail(arena: &Arena, id: ValueId, message: impl Into<String>) -> Error {
    locate(Error::input(message), arena.location(id)).hint("correct this value: Prefect's agent fails here too")
}

fn must_be_mapping(arena: &Arena, id: ValueId, label: &str) -> Result<()> {
    arena.as_dict(id).map(drop).ok_or_else(|| {
        fail(arena, id, format!("{label} must be a mapping, not {}", arena.describe_kind(id)))
            .hint("write a mapping, or remove the key: Prefect's agent fails here too")
    })
}

/// Returns the value of a required key. Fails if the key is missing.
fn get_required(arena: &Arena, dict: ValueId, key: &str) -> Result<ValueId> {
    arena.dict_get(dict, key).ok_or_else(|| fail(arena, dict, format!("missing `{key}`")))
}

/// Returns the value at a path of keys. Creates missing mappings on the path, and sets the last key to `default` if
/// it is missing. Fails if a value on the path is not a mapping.
fn get_or_create(arena: &mut Arena, root: ValueId, path: &[&str], default: Value) -> Result<ValueId> {
    let mut current = root;
    for (position, key) in path.iter().enumerate() {
        if arena.as_dict(current).is_none() {
            let label = match position {
                0 => "the job template".to_owned(),
                _ => format!("`{}`", path[..position].join(".")),
            };
            must_be_mapping(arena, current, &label)?;
        }
        current = match arena.dict_get(current, key) {
            Some(next) => next,
            None => {
                let data = if position + 1 == path.len() { default.clone() } else { Value::empty_dict() };
                let created = arena.alloc(data, None);
                arena.dict_set_str(current, key, created);
                created
            }
        };
    }
    Ok(current)
}

/// Returns the template's name, cut to [`MAX_NAME_LENGTH`] like a Python slice. Python can also slice bytes and
/// lists. Fails for values of other types.
fn first_part(arena: &mut Arena, name: ValueId) -> Result<String> {
    match arena.get(name).clone() {
        Value::Str(text) => Ok(text.chars().take(MAX_NAME_LENGTH).collect()),
        Value::Bytes(bytes) => {
            let first = arena.alloc(Value::Bytes(bytes.into_iter().take(MAX_NAME_LENGTH).collect()), None);
            Ok(string::str(arena, first))
        }
        Value::List(items) => {
            let first = arena.alloc(Value::List(items.into_iter().take(MAX_NAME_LENGTH).collect()), None);
            Ok(string::str(arena, first))
        }
        _ => Err(fail(arena, name, format!("`metadata.name` must be a string, not {}", arena.describe_kind(name)))
            .hint("put the name in quotes: Prefect's agent fails here too")),
    }
}

/// Sets a key of the pod spec. Adds the old value, if any, to `replaced`.
fn replace(
    arena: &mut Arena,
    pod: ValueId,
    key: &'static str,
    value: ValueId,
    replaced: &mut Vec<(&'static str, ValueId)>,
) {
    replaced.extend(arena.dict_get(pod, key).map(|old| (key, old)));
    arena.dict_set_str(pod, key, value);
}

/// Sets the service account. In descending priority, it comes from the run config, the run config's template, the
/// agent, or the agent's template.
fn set_service_account(
    arena: &mut Arena,
    run: &JobRequest<'_>,
    pod: ValueId,
    replaced: &mut Vec<(&'static str, ValueId)>,
) {
    const KEY: &str = "serviceAccountName";
    let is_kept = arena.dict_get(pod, KEY).is_some() && run.run_config.has_template();
    let account = match run.run_config.service_account_name {
        None if is_kept => None,
        None => run.agent.service_account_name,
        own => own,
    };
    if let Some(account) = account {
        replace(arena, pod, KEY, account, replaced);
    }
}

/// Sets the image pull secrets with the priorities of [`set_service_account`]. Ignores an empty list in the run
/// config.
fn set_pull_secrets(
    arena: &mut Arena,
    run: &JobRequest<'_>,
    pod: ValueId,
    replaced: &mut Vec<(&'static str, ValueId)>,
) -> Result<()> {
    const KEY: &str = "imagePullSecrets";
    let is_kept = arena.dict_get(pod, KEY).is_some() && run.run_config.has_template();
    let names = match run.run_config.image_pull_secrets.as_slice() {
        [] if is_kept => None,
        [] => match run.agent.image_pull_secrets {
            None => None,
            Some(secrets) => Some(iterate(arena, secrets, "the agent's image pull secrets")?),
        },
        own => Some(own.to_vec()),
    };
    let Some(names) = names else { return Ok(()) };
    let new_entry = |name: ValueId| {
        let key = arena.alloc_str("name");
        let location = arena.location(name).cloned();
        let entry = arena.new_dict([(key, name)]);
        arena.alloc(entry, location)
    };
    let entries = names.into_iter().map(new_entry).collect();
    let list = arena.alloc(Value::List(entries), None);
    replace(arena, pod, KEY, list, replaced);
    Ok(())
}

/// Returns the first container, which runs the flow. Creates the container if the list is missing or empty. Fails if
/// Prefect fails.
fn first_container(arena: &mut Arena, pod: ValueId) -> Result<ValueId> {
    let containers = get_or_create(arena, pod, &["containers"], Value::List(Vec::new()))?;
    let container = match arena.get(containers).clone() {
        Value::List(items) => items.first().copied().unwrap_or_else(|| {
            let created = arena.alloc(Value::empty_dict(), None);
            if let Value::List(items) = arena.get_mut(containers) {
                items.push(created);
            }
            created
        }),
        // In Python, `containers[0]` also finds the key 0 of a mapping.
        Value::Dict(_) => {
            let zero = arena.alloc(Value::Int(num_bigint::BigInt::ZERO), None);
            match arena.dict_get_by_key(containers, zero) {
                Some(first) => first,
                None => return Err(fail(arena, containers, "`containers` must be a list, not a mapping")),
            }
        }
        _ => {
            let message = format!("`containers` must be a list, not {}", arena.describe_kind(containers));
            return Err(fail(arena, containers, message));
        }
    };
    must_be_mapping(arena, container, "the first container")?;
    Ok(container)
}

/// Sets the container's variables: first the agent's variables, then the template's variables that the agent does not
/// override.
fn set_env(arena: &mut Arena, run: &JobRequest<'_>, container: ValueId, image: ValueId) -> Result<FlowEnvironment> {
    let mut env = FlowEnvironment::default();
    set_agent_variables(arena, run, image, &mut env)?;
    let mut entries = Vec::new();
    let keys = ["name", "value"].map(|key| arena.alloc_str(key));
    for variable in env.variables() {
        let entry = arena.new_dict([(keys[0], variable.name), (keys[1], variable.source.value)]);
        entries.push(arena.alloc(entry, None));
    }
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
            return Err(fail(
                arena,
                name,
                format!("the name of a variable must be a string, not {}", arena.describe_kind(name)),
            ));
        }
        if env.add_entry(arena, name, entry) {
            entries.push(entry);
        }
    }
    let list = arena.alloc(Value::List(entries), None);
    arena.dict_set_str(container, "env", list);
    Ok(env)
}

/// Sets the variables that do not come from the template, in the agent's order.
fn set_agent_variables(
    arena: &mut Arena,
    run: &JobRequest<'_>,
    image: ValueId,
    env: &mut FlowEnvironment,
) -> Result<()> {
    let (agent, config) = (run.agent, run.config);
    let level = arena.alloc_str(managed::LOGGING_LEVEL);
    env.set(arena, level, default_setting(arena, config, "logging.level")?, FlowVariableOrigin::Agent);
    for (name, value) in &agent.env_vars {
        env.set(arena, *name, *value, FlowVariableOrigin::AgentEnv);
    }
    for (name, value) in &run.run_config.env {
        env.set(arena, *name, *value, FlowVariableOrigin::RunConfig);
    }
    let logs_name = arena.alloc_str(managed::SEND_LOGS);
    let logs = string::str(arena, agent.log_to_cloud).to_lowercase();
    let logs_location = arena.location(agent.log_to_cloud).cloned();
    let logs = arena.alloc(Value::Str(logs), logs_location);
    let keeps_own = arena.is_truthy(agent.log_to_cloud) && env.is_set(arena, logs_name);
    if run.version == AgentVersion::V1_4 && !keeps_own {
        env.set(arena, logs_name, logs, FlowVariableOrigin::Agent);
    }
    for (name, managed) in managed::variables_set_last(run.version) {
        let (value, origin) = match managed {
            ManagedValue::ApiKey => (agent.api_key, FlowVariableOrigin::Agent),
            ManagedValue::ApiUrl => (default_setting(arena, config, "cloud.api")?, FlowVariableOrigin::Agent),
            ManagedValue::AuthToken => {
                let token = config.get(arena, "cloud.agent.auth_token").filter(|token| arena.is_truthy(*token));
                let token = token.filter(|_| run.version == AgentVersion::V0_15);
                (token.unwrap_or(agent.api_key), FlowVariableOrigin::Agent)
            }
            ManagedValue::Backend => (default_setting(arena, config, "backend")?, FlowVariableOrigin::Agent),
            ManagedValue::FlowId => (run.flow.id, FlowVariableOrigin::FlowRun),
            ManagedValue::FlowRunId => (run.flow_run_id, FlowVariableOrigin::FlowRun),
            ManagedValue::FlowRunner => {
                (arena.alloc_str("prefect.engine.cloud.CloudFlowRunner"), FlowVariableOrigin::Prefect)
            }
            ManagedValue::Image => (image, FlowVariableOrigin::FlowRun),
            ManagedValue::Labels => (agent.labels, FlowVariableOrigin::Agent),
            ManagedValue::LocalSecrets => (arena.alloc_str("false"), FlowVariableOrigin::Prefect),
            ManagedValue::SendLogs => (logs, FlowVariableOrigin::Agent),
            ManagedValue::TaskRunner => {
                (arena.alloc_str("prefect.engine.cloud.CloudTaskRunner"), FlowVariableOrigin::Prefect)
            }
            ManagedValue::TenantId => (agent.tenant_id, FlowVariableOrigin::Agent),
        };
        let name = arena.alloc_str(name);
        env.set(arena, name, value, origin);
    }
    Ok(())
}

/// Sets the resources of the run config. Creates `requests` and `limits` even if the run config has no resources.
fn set_resources(arena: &mut Arena, run: &JobRequest<'_>, container: ValueId) -> Result<()> {
    for group in ["requests", "limits"] {
        get_or_create(arena, container, &["resources", group], Value::empty_dict())?;
    }
    let resources = get_required(arena, container, "resources")?;
    for (group, key, value) in &run.run_config.resources {
        let group_value = get_required(arena, resources, group)?;
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

    // `render` warns about the variables that `managed` lists, so the list must be complete.
    #[test]
    fn all_variables_of_a_minimal_job_are_managed() {
        let mut arena = Arena::default();
        let scenario = AgentScenario::minimal(&mut arena);
        let refuse_file = |_: &str| Err(Error::input("no file is read"));
        let preview = preview(&mut arena, AgentVersion::V1_4, None, &scenario, &refuse_file).unwrap();
        let names: Vec<_> =
            preview.job.environment.variables().iter().map(|variable| string::str(&arena, variable.name)).collect();
        assert!(names.iter().all(|name| managed::is_managed(name)), "{names:?}");
        assert_eq!(names.len(), 14);
    }
}
