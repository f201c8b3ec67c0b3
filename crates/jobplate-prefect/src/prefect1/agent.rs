//! Computes the attributes of a Kubernetes agent at its start, from its arguments, environment and configuration
//! (`Agent.__init__`, `KubernetesAgent.__init__`, `Client.__init__`).

use jobplate_diagnostic::{Error, Result};
use num_bigint::BigInt;

use super::config::Config;
use super::config_check::check_level;
use super::version::AgentVersion;
use crate::kwargs::{Kwargs, iterate};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::environ::Environ;
use crate::pyvalue::source::locate;
use crate::pyvalue::string::{self, format_uuid};

/// The placeholder for the tenant ID that an agent with an API key reads from Prefect's API.
pub(super) const DEFAULT_TENANT_ID: &str = "00000000-0000-0000-0000-00000000d0d0";

/// The arguments of an agent.
#[derive(Clone, Copy, Debug, Default)]
pub struct AgentArguments {
    /// The keyword arguments of `KubernetesAgent`, as a mapping.
    pub kwargs: Option<ValueId>,
    /// `--key`
    pub key: Option<ValueId>,
    /// `--tenant-id`
    pub tenant_id: Option<ValueId>,
    /// `--api`
    pub api: Option<ValueId>,
    /// `--token`. Prefect 1.0 removed this option.
    pub token: Option<ValueId>,
    /// `--log-level`
    pub log_level: Option<ValueId>,
}

/// A started agent.
#[derive(Debug)]
pub struct Agent {
    /// The names and values of the variables that every flow run gets, in order.
    pub env_vars: Vec<(ValueId, ValueId)>,
    /// The value of `env_vars` if only the cluster knows it. If this value is set, the field `env_vars` is empty.
    pub unknown_env: Option<ValueId>,
    /// The labels as a string, formatted by Python's `str()`.
    pub labels: ValueId,
    /// The default service account of Jobs, if any.
    pub service_account_name: Option<ValueId>,
    /// The default image pull secrets of Jobs, if any.
    pub image_pull_secrets: Option<ValueId>,
    /// Whether flow runs send their logs to Prefect's API.
    pub log_to_cloud: ValueId,
    /// The API key, or an empty string if no API key is set.
    pub api_key: ValueId,
    /// The tenant ID, or an empty string if no API key is set.
    pub tenant_id: ValueId,
    /// Whether the tenant ID is a placeholder.
    pub is_tenant_placeholder: bool,
    /// The path of the agent's job template, if any.
    pub job_template_path: Option<ValueId>,
    /// The namespace of Jobs, if the agent has one.
    pub namespace: Option<ValueId>,
}

const ARGUMENTS: [&str; 14] = [
    "agent_config_id",
    "namespace",
    "service_account_name",
    "image_pull_secrets",
    "job_template_path",
    "name",
    "labels",
    "env_vars",
    "max_polls",
    "agent_address",
    "no_cloud_logs",
    "volume_mounts",
    "volumes",
    "delete_finished_jobs",
];

impl Agent {
    /// Starts an agent. Writes its arguments to `config`, like Prefect.
    ///
    /// Fails if Prefect's agent does not start.
    pub fn start(
        arena: &mut Arena,
        version: AgentVersion,
        arguments: AgentArguments,
        environ: &Environ,
        config: Config,
    ) -> Result<Self> {
        let kwargs_value = arguments.kwargs.unwrap_or_else(|| arena.alloc(Value::empty_dict(), None));
        let kwargs = Kwargs::read(arena, kwargs_value, &ARGUMENTS, "KubernetesAgent")?;
        set_config(arena, arguments, config);
        let (api_key, tenant_id, is_tenant_placeholder) = read_credentials(arena, version, config)?;
        check_logging(arena, kwargs, config)?;
        let env_vars = kwargs.truthy(arena, "env_vars").or_else(|| config.get(arena, "cloud.agent.env_vars"));
        let (env_vars, unknown_env) = match env_vars {
            Some(value) if matches!(arena.get(value), Value::Unknown(_)) => (Vec::new(), Some(value)),
            Some(value) => (update_pairs(arena, value)?, None),
            None => (Vec::new(), None),
        };
        let log_to_cloud = match kwargs.get(arena, "no_cloud_logs") {
            Some(no_logs) => {
                let data = Value::Bool(!arena.is_truthy(no_logs));
                let location = arena.location(no_logs).cloned();
                arena.alloc(data, location)
            }
            None => default_setting(arena, config, "cloud.send_flow_run_logs")?,
        };
        let mut read_argument_or_variable = |argument: &str, name: &str| {
            let value = kwargs.truthy(arena, argument);
            value.or_else(|| {
                let variable = environ.get(name)?;
                Some(arena.alloc(variable.value.clone().into(), variable.location.clone()))
            })
        };
        let service_account_name = read_argument_or_variable("service_account_name", "SERVICE_ACCOUNT_NAME");
        let namespace = read_argument_or_variable("namespace", "NAMESPACE");
        let image_pull_secrets = match kwargs.truthy(arena, "image_pull_secrets") {
            Some(secrets) => Some(secrets),
            None => environ.get("IMAGE_PULL_SECRETS").and_then(|variable| {
                let secrets = arena.alloc(variable.value.clone().into(), variable.location.clone());
                arena.is_truthy(secrets).then(|| split_at_commas(arena, secrets))
            }),
        };
        Ok(Agent {
            env_vars,
            unknown_env,
            labels: format_labels(arena, kwargs, config)?,
            service_account_name,
            image_pull_secrets,
            log_to_cloud,
            api_key,
            tenant_id,
            is_tenant_placeholder,
            job_template_path: kwargs.truthy(arena, "job_template_path"),
            namespace,
        })
    }
}

/// Overrides settings with the options of `prefect agent kubernetes start`. Ignores empty options.
fn set_config(arena: &mut Arena, arguments: AgentArguments, config: Config) {
    for (setting, value) in [
        ("cloud.api_key", arguments.key),
        ("cloud.tenant_id", arguments.tenant_id),
        ("cloud.api", arguments.api),
        ("cloud.agent.auth_token", arguments.token),
        ("cloud.agent.level", arguments.log_level),
    ] {
        if let Some(value) = value.filter(|value| arena.is_truthy(*value)) {
            config.set(arena, setting, value);
        }
    }
}

/// Fails if the agent cannot create its logger.
fn check_logging(arena: &mut Arena, kwargs: Kwargs, config: Config) -> Result<()> {
    check_name(arena, kwargs, config)?;
    check_level(arena, config, "cloud.agent.level")?;
    // The agent logs at the level INFO when it starts, and sets these attributes of the log record.
    let attributes = config.get(arena, "logging.log_attributes").filter(|_| logs_info(arena, config));
    if let Some(attributes) = attributes.filter(|attributes| !matches!(arena.get(*attributes), Value::Unknown(_))) {
        let names = iterate(arena, attributes, "`logging.log_attributes`")?;
        if names.iter().any(|name| arena.as_str(*name).is_none()) {
            let error = Error::input("items of `logging.log_attributes` must be strings");
            return Err(locate(error, arena.location(attributes)));
        }
    }
    Ok(())
}

/// Returns whether the agent logs records of the level INFO (20).
fn logs_info(arena: &Arena, config: Config) -> bool {
    config.get(arena, "cloud.agent.level").is_some_and(|level| match arena.get(level) {
        Value::Str(name) => ["DEBUG", "INFO"].contains(&name.as_str()),
        Value::Int(level) => *level > BigInt::ZERO && *level <= BigInt::from(20),
        Value::Bool(is_lowest) => *is_lowest,
        _ => false,
    })
}

/// Returns the value of a setting that has a default in Prefect. Fails if the setting is missing.
pub(super) fn default_setting(arena: &Arena, config: Config, name: &str) -> Result<ValueId> {
    config.get(arena, name).ok_or_else(|| Error::input(format!("missing Prefect setting `{name}`")))
}

/// Splits a string at commas and strips each part. Returns a list whose only item is the value itself if it is not a
/// string.
pub(super) fn split_at_commas(arena: &mut Arena, list: ValueId) -> ValueId {
    let location = arena.location(list).cloned();
    let items = match arena.get(list).clone() {
        Value::Str(text) => text
            .split(',')
            .map(|name| arena.alloc(Value::Str(string::strip(name).to_owned()), location.clone()))
            .collect(),
        _ => vec![list],
    };
    arena.alloc(Value::List(items), location)
}

/// Returns the API key, the tenant ID, and whether the tenant ID is a placeholder. The key and the tenant ID are empty
/// if no API key is set. Fails if Prefect's agent does not start, or if a placeholder is needed and the backend is
/// unknown.
fn read_credentials(arena: &mut Arena, version: AgentVersion, config: Config) -> Result<(ValueId, ValueId, bool)> {
    let key = config.get(arena, "cloud.api_key").filter(|key| arena.is_truthy(*key));
    let tenant = config.get(arena, "cloud.tenant_id").filter(|tenant| arena.is_truthy(*tenant));
    let tenant = match (tenant, version) {
        (Some(tenant), AgentVersion::V1_4) => Some(parse_uuid(arena, tenant)?),
        (tenant, AgentVersion::V0_15) => {
            let has = |name: &str| config.get(arena, name).is_some_and(|value| arena.is_truthy(value));
            let has_token = has("cloud.agent.auth_token") || has("cloud.auth_token");
            let is_cloud = arena.as_str(default_setting(arena, config, "backend")?) == Some("cloud");
            if key.is_none() && !has_token && is_cloud {
                // The agent reads a token from a file that is named after the API, and logs in to the tenant, so the
                // API must be a string and the tenant a UUID.
                let api = default_setting(arena, config, "cloud.api")?;
                if arena.is_truthy(api) && !matches!(arena.get(api), Value::Str(_) | Value::Unknown(_)) {
                    let error = Error::input("Prefect's agent cannot start: its API must be a string");
                    return Err(locate(error.hint("write a URL"), arena.location(api)));
                }
                if let Some(tenant) = tenant {
                    parse_uuid(arena, tenant)?;
                }
            }
            tenant
        }
        (None, _) => None,
    };
    let Some(key) = key else { return Ok((arena.alloc_str(""), arena.alloc_str(""), false)) };
    if let Some(tenant) = tenant {
        return Ok((key, tenant, false));
    }
    let backend = default_setting(arena, config, "backend")?;
    if !["cloud", "server"].iter().any(|known| arena.as_str(backend) == Some(known)) {
        let error = Error::input("with this backend, Prefect cannot find the tenant of its API key");
        return Err(locate(error.hint("set PREFECT__BACKEND to `cloud` or `server`"), arena.location(backend)));
    }
    Ok((key, arena.alloc_str(DEFAULT_TENANT_ID), true))
}

/// Normalizes a tenant ID like Python's `uuid.UUID`. Returns an unknown value unchanged. Fails if the ID does not have
/// 32 hexadecimal digits.
fn parse_uuid(arena: &mut Arena, tenant: ValueId) -> Result<ValueId> {
    if let Value::Unknown(_) = arena.get(tenant) {
        return Ok(tenant);
    }
    let uuid = arena.as_str(tenant).and_then(|text| {
        let bare = text.replace("urn:", "").replace("uuid:", "");
        format_uuid(&bare.trim_matches(['{', '}']).replace('-', ""))
    });
    let Some(uuid) = uuid else {
        let error = Error::input("Prefect's agent cannot start: the tenant must be a UUID");
        return Err(locate(error.hint("write it as 12345678-1234-1234-1234-123456789abc"), arena.location(tenant)));
    };
    let location = arena.location(tenant).cloned();
    Ok(arena.alloc(Value::Str(uuid), location))
}

/// Fails if the agent's name is not a string, which Python's logging requires.
fn check_name(arena: &Arena, kwargs: Kwargs, config: Config) -> Result<()> {
    let name = kwargs.truthy(arena, "name").or_else(|| config.get(arena, "cloud.agent.name"));
    match name.filter(|name| arena.is_truthy(*name)) {
        Some(name) if !matches!(arena.get(name), Value::Str(_) | Value::Unknown(_)) => {
            let error = Error::input("Prefect's agent cannot start: its name must be a string");
            Err(locate(error.hint("put the name in quotes"), arena.location(name)))
        }
        _ => Ok(()),
    }
}

/// Returns the labels as a string, formatted by Python's `str()`.
fn format_labels(arena: &mut Arena, kwargs: Kwargs, config: Config) -> Result<ValueId> {
    if let Some(labels) = kwargs.truthy(arena, "labels") {
        let location = arena.location(labels).cloned();
        let printed = string::str(arena, labels);
        return Ok(arena.alloc(Value::Str(printed), location));
    }
    let Some(labels) = config.get(arena, "cloud.agent.labels") else { return Ok(arena.alloc_str("[]")) };
    if let Value::Unknown(_) = arena.get(labels) {
        return Ok(labels);
    }
    let items = iterate(arena, labels, "the agent's labels")?;
    // In the configuration, lists and mappings are objects of the classes `BoxList` and `Config`, and their `repr()`
    // contains the name of the class.
    let print_item = |item: &ValueId| match arena.get(*item) {
        Value::List(_) => format!("BoxList({})", string::repr(arena, *item)),
        Value::Dict(_) => format!("Config({})", string::repr(arena, *item)),
        _ => string::repr(arena, *item),
    };
    let printed = format!("[{}]", items.iter().map(print_item).collect::<Vec<_>>().join(", "));
    let location = arena.location(labels).cloned();
    Ok(arena.alloc(Value::Str(printed), location))
}

/// Returns the pairs that Python's `dict.update` would add. Fails if the value is neither a mapping nor an iterable
/// of two-item iterables.
fn update_pairs(arena: &mut Arena, env: ValueId) -> Result<Vec<(ValueId, ValueId)>> {
    if let Some(pairs) = arena.as_dict(env) {
        return Ok(pairs.to_vec());
    }
    let mut out = Vec::new();
    for item in iterate(arena, env, "the agent's env")? {
        match iterate(arena, item, "an item of the agent's env")?.as_slice() {
            [name, value] if arena.is_hashable(*name) => out.push((*name, *value)),
            _ => {
                let error = Error::input("the agent's `env_vars` must be a mapping");
                return Err(locate(
                    error.hint("write {\"NAME\": \"value\"}: Prefect fails here too"),
                    arena.location(env),
                ));
            }
        }
    }
    Ok(out)
}
