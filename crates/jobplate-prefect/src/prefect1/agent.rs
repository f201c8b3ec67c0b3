//! The Kubernetes agent as it starts: what its arguments, its environment and its configuration come to
//! (`Agent.__init__`, `KubernetesAgent.__init__`, `Client.__init__`).

use jobplate_diagnostic::{Error, Result};

use super::config::{Config, check_level};
use super::version::Version;
use crate::kwargs::{Kwargs, iterate};
use crate::pyvalue::environ::Environ;
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::at;
use crate::pyvalue::text;

/// What stands for the tenant that an agent with an API key asks Prefect's API for.
pub(super) const TENANT: &str = "00000000-0000-0000-0000-00000000d0d0";

/// How an agent is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start {
    /// The arguments of Python's `KubernetesAgent`, as a mapping; none for no arguments.
    pub kwargs: Option<Id>,
    /// `--key`
    pub key: Option<Id>,
    /// `--tenant-id`
    pub tenant_id: Option<Id>,
    /// `--api`
    pub api: Option<Id>,
    /// `--token`, which 0.15 still takes.
    pub token: Option<Id>,
    /// `--log-level`
    pub log_level: Option<Id>,
}

/// A started agent.
#[derive(Debug)]
pub struct Agent {
    /// Names and values for every flow run, in order.
    pub env_vars: Vec<(Id, Id)>,
    /// Variables for flow runs of which only the cluster knows.
    pub unknown_env: Option<Id>,
    /// Its labels as Python prints them.
    pub labels: Id,
    /// For Jobs that name none.
    pub service_account_name: Option<Id>,
    /// For Jobs that name none.
    pub image_pull_secrets: Option<Id>,
    /// Whether flow runs send their logs.
    pub log_to_cloud: Id,
    /// The API key, or nothing.
    pub api_key: Id,
    /// The tenant; nothing without an API key.
    pub tenant_id: Id,
    /// Whether the tenant is only stood for.
    pub asks_for_tenant: bool,
    /// The job template that it is started with.
    pub job_template_path: Option<Id>,
    /// Where its Jobs are made.
    pub namespace: Option<Id>,
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
    /// Starts an agent; what it was started with goes into the configuration. Fails where the real one can't start.
    pub fn start(heap: &mut Heap, version: Version, start: Start, environ: &Environ, config: Config) -> Result<Self> {
        let given = start.kwargs.unwrap_or_else(|| heap.put(Data::Dict(Vec::new()), None));
        let kwargs = Kwargs::read(heap, given, &ARGUMENTS, "KubernetesAgent")?;
        for (setting, value) in [
            ("cloud.api_key", start.key),
            ("cloud.tenant_id", start.tenant_id),
            ("cloud.api", start.api),
            ("cloud.agent.auth_token", start.token),
            ("cloud.agent.level", start.log_level),
        ] {
            if let Some(value) = value.filter(|value| heap.is_true(*value)) {
                config.set(heap, setting, value);
            }
        }
        let (api_key, tenant_id, asks_for_tenant) = credentials(heap, version, config)?;
        check_name(heap, kwargs, config)?;
        check_level(heap, config, "cloud.agent.level")?;
        let attributes = config.get(heap, "logging.log_attributes");
        let is_loud = config.get(heap, "cloud.agent.level").is_some_and(|level| heap.str(level) == Some("DEBUG"));
        if let Some(attributes) = attributes.filter(|_| is_loud) {
            // What it says when it starts has them in it.
            iterate(heap, attributes, "`logging.log_attributes`")?;
        }
        let mut unknown_env = None;
        let env_vars = match kwargs.truthy(heap, "env_vars").or_else(|| config.get(heap, "cloud.agent.env_vars")) {
            Some(given) if matches!(heap.get(given), Data::Unknown(_)) => {
                unknown_env = Some(given);
                Vec::new()
            }
            Some(given) => pairs(heap, given)?,
            None => Vec::new(),
        };
        let log_to_cloud = match kwargs.get(heap, "no_cloud_logs") {
            Some(no) => {
                let data = Data::Bool(!heap.is_true(no));
                let place = heap.place(no).cloned();
                heap.put(data, place)
            }
            None => setting(heap, config, "cloud.send_flow_run_logs")?,
        };
        let variable = |heap: &mut Heap, name: &str| {
            let variable = environ.get(name)?;
            Some(heap.put(variable.value.clone().into(), variable.place.clone()))
        };
        let service_account_name = match kwargs.truthy(heap, "service_account_name") {
            Some(name) => Some(name),
            None => variable(heap, "SERVICE_ACCOUNT_NAME"),
        };
        let image_pull_secrets = match kwargs.truthy(heap, "image_pull_secrets") {
            Some(secrets) => Some(secrets),
            None => variable(heap, "IMAGE_PULL_SECRETS")
                .filter(|secrets| heap.is_true(*secrets))
                .map(|secrets| split_at_commas(heap, secrets)),
        };
        let namespace = match kwargs.truthy(heap, "namespace") {
            Some(namespace) => Some(namespace),
            None => variable(heap, "NAMESPACE"),
        };
        Ok(Agent {
            env_vars,
            unknown_env,
            labels: labels(heap, kwargs, config)?,
            service_account_name,
            image_pull_secrets,
            log_to_cloud,
            api_key,
            tenant_id,
            asks_for_tenant,
            job_template_path: kwargs.truthy(heap, "job_template_path"),
            namespace,
        })
    }
}

/// A setting that Prefect has by itself.
pub(super) fn setting(heap: &Heap, config: Config, name: &str) -> Result<Id> {
    config.get(heap, name).ok_or_else(|| Error::input(format!("Prefect has no setting `{name}` here")))
}

/// The names between commas, without the blanks around them.
pub(super) fn split_at_commas(heap: &mut Heap, list: Id) -> Id {
    let place = heap.place(list).cloned();
    let items = match heap.get(list).clone() {
        Data::Str(text) => {
            text.split(',').map(|name| heap.put(Data::Str(text::strip(name).to_owned()), place.clone())).collect()
        }
        _ => vec![list],
    };
    heap.put(Data::List(items), place)
}

/// API key and tenant, and whether the tenant is asked for.
fn credentials(heap: &mut Heap, version: Version, config: Config) -> Result<(Id, Id, bool)> {
    let key = config.get(heap, "cloud.api_key").filter(|key| heap.is_true(*key));
    let tenant = config.get(heap, "cloud.tenant_id").filter(|tenant| heap.is_true(*tenant));
    let tenant = match (tenant, version) {
        (Some(tenant), Version::V1_4) => Some(uuid(heap, tenant)?),
        (tenant, Version::V0_15) => {
            let has = |name: &str| config.get(heap, name).is_some_and(|value| heap.is_true(value));
            let has_token = has("cloud.agent.auth_token") || has("cloud.auth_token");
            let is_cloud = heap.str(setting(heap, config, "backend")?) == Some("cloud");
            if key.is_none() && !has_token && is_cloud {
                // It looks for a token in a file that is called by the API, and logs in to the tenant.
                let api = setting(heap, config, "cloud.api")?;
                if heap.is_true(api) && !matches!(heap.get(api), Data::Str(_) | Data::Unknown(_)) {
                    let error = Error::input("Prefect's agent can't start: its API is no text");
                    return Err(at(error.hint("write a URL"), heap.place(api)));
                }
                if let Some(tenant) = tenant {
                    uuid(heap, tenant)?;
                }
            }
            tenant
        }
        (None, _) => None,
    };
    let Some(key) = key else { return Ok((heap.text(""), heap.text(""), false)) };
    if let Some(tenant) = tenant {
        return Ok((key, tenant, false));
    }
    let backend = setting(heap, config, "backend")?;
    if !["cloud", "server"].iter().any(|known| heap.str(backend) == Some(known)) {
        let error = Error::input("with this backend Prefect can't tell the tenant of its API key");
        return Err(at(error.hint("PREFECT__BACKEND is `cloud` or `server`"), heap.place(backend)));
    }
    Ok((key, heap.text(TENANT), true))
}

/// A tenant as Prefect 1 takes it: 32 hexadecimal digits.
fn uuid(heap: &mut Heap, tenant: Id) -> Result<Id> {
    if let Data::Unknown(_) = heap.get(tenant) {
        return Ok(tenant);
    }
    let digits = heap.str(tenant).map(|text| {
        let bare = text.replace("urn:", "").replace("uuid:", "");
        bare.trim_matches(['{', '}']).replace('-', "").to_lowercase()
    });
    let Some(digits) =
        digits.filter(|digits| digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    else {
        let error = Error::input("Prefect's agent can't start: the tenant is no UUID");
        return Err(at(error.hint("a tenant looks like 12345678-1234-1234-1234-123456789abc"), heap.place(tenant)));
    };
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    let place = heap.place(tenant).cloned();
    Ok(heap.put(Data::Str(parts.join("-")), place))
}

/// Fails where the agent's name is none for a logger.
fn check_name(heap: &Heap, kwargs: Kwargs, config: Config) -> Result<()> {
    let name = kwargs.truthy(heap, "name").or_else(|| config.get(heap, "cloud.agent.name"));
    match name.filter(|name| heap.is_true(*name)) {
        Some(name) if !matches!(heap.get(name), Data::Str(_) | Data::Unknown(_)) => {
            let error = Error::input("Prefect's agent can't start: its name is no text");
            Err(at(error.hint("a name like 42 is read as a number"), heap.place(name)))
        }
        _ => Ok(()),
    }
}

/// The labels as Python prints them.
fn labels(heap: &mut Heap, kwargs: Kwargs, config: Config) -> Result<Id> {
    if let Some(labels) = kwargs.truthy(heap, "labels") {
        let place = heap.place(labels).cloned();
        let printed = text::str(heap, labels);
        return Ok(heap.put(Data::Str(printed), place));
    }
    let Some(labels) = config.get(heap, "cloud.agent.labels") else { return Ok(heap.text("[]")) };
    if let Data::Unknown(_) = heap.get(labels) {
        return Ok(labels);
    }
    let items = iterate(heap, labels, "the agent's labels")?;
    // What the configuration holds are lists and mappings of its own kind.
    let shown = |item: &Id| match heap.get(*item) {
        Data::List(_) => format!("BoxList({})", text::repr(heap, *item)),
        Data::Dict(_) => format!("Config({})", text::repr(heap, *item)),
        _ => text::repr(heap, *item),
    };
    let printed = format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", "));
    let place = heap.place(labels).cloned();
    Ok(heap.put(Data::Str(printed), place))
}

/// What Python's `dict.update` takes: a mapping, or things of two items each.
fn pairs(heap: &mut Heap, given: Id) -> Result<Vec<(Id, Id)>> {
    if let Some(pairs) = heap.dict(given) {
        return Ok(pairs.to_vec());
    }
    let mut out = Vec::new();
    for item in iterate(heap, given, "the agent's env")? {
        match iterate(heap, item, "an item of the agent's env")?.as_slice() {
            [name, value] if heap.is_hashable(*name) => out.push((*name, *value)),
            _ => {
                let error = Error::input("the agent's env is no mapping of names to values");
                return Err(at(
                    error.hint("Prefect itself fails here; write {\"NAME\": \"value\"}"),
                    heap.place(given),
                ));
            }
        }
    }
    Ok(out)
}
