//! The variables that the agent sets itself in each flow run, overriding the job template (`generate_job_spec` of
//! prefect 0.14.7 to 1.4.1).

use super::version::AgentVersion;
use crate::requested_settings::{Backend, RequestedSettings};
use crate::variables::{API, API_KEY, AUTH_TOKEN, BACKEND, LOCAL_SECRETS};

/// The log level. The agent sets it first, so other sources can override it.
pub(super) const LOGGING_LEVEL: &str = "PREFECT__LOGGING__LEVEL";
/// The variable that determines whether logs are sent to the API. In Prefect 1.4, a run config or `--env` can
/// override it.
pub(super) const SEND_LOGS: &str = "PREFECT__CLOUD__SEND_FLOW_RUN_LOGS";

const LABELS: &str = "PREFECT__CLOUD__AGENT__LABELS";
const TENANT_ID: &str = "PREFECT__CLOUD__TENANT_ID";

/// A value that the agent assigns to a managed variable.
#[derive(Clone, Copy, Debug)]
pub(super) enum ManagedValue {
    ApiKey,
    ApiUrl,
    AuthToken,
    Backend,
    FlowId,
    FlowRunId,
    FlowRunner,
    Image,
    Labels,
    LocalSecrets,
    SendLogs,
    TaskRunner,
    TenantId,
}

/// The variables that the agent sets after all other sources, in the agent's order. The version is `None` if all
/// versions set the variable at this position.
const SET_LAST: [(&str, ManagedValue, Option<AgentVersion>); 15] = [
    (BACKEND, ManagedValue::Backend, None),
    (LABELS, ManagedValue::Labels, None),
    (API, ManagedValue::ApiUrl, None),
    (AUTH_TOKEN, ManagedValue::AuthToken, Some(AgentVersion::V0_15)),
    (API_KEY, ManagedValue::ApiKey, None),
    (TENANT_ID, ManagedValue::TenantId, None),
    (LOCAL_SECRETS, ManagedValue::LocalSecrets, None),
    (SEND_LOGS, ManagedValue::SendLogs, Some(AgentVersion::V0_15)),
    ("PREFECT__CONTEXT__FLOW_RUN_ID", ManagedValue::FlowRunId, None),
    ("PREFECT__CONTEXT__FLOW_ID", ManagedValue::FlowId, None),
    ("PREFECT__CONTEXT__IMAGE", ManagedValue::Image, None),
    ("PREFECT__ENGINE__FLOW_RUNNER__DEFAULT_CLASS", ManagedValue::FlowRunner, None),
    ("PREFECT__ENGINE__TASK_RUNNER__DEFAULT_CLASS", ManagedValue::TaskRunner, Some(AgentVersion::V0_15)),
    ("PREFECT__LOGGING__LOG_TO_CLOUD", ManagedValue::SendLogs, None),
    (AUTH_TOKEN, ManagedValue::AuthToken, Some(AgentVersion::V1_4)),
];

/// Returns the variables that a version of the agent sets after all other sources, in the agent's order.
pub(super) fn variables_set_last(version: AgentVersion) -> impl Iterator<Item = (&'static str, ManagedValue)> {
    let is_set_by =
        move |only_version: Option<AgentVersion>| only_version.is_none_or(|only_version| only_version == version);
    SET_LAST
        .into_iter()
        .filter(move |(.., only_version)| is_set_by(*only_version))
        .map(|(name, managed, _)| (name, managed))
}

/// Returns whether the agent overrides a variable in flow runs.
pub fn is_managed(name: &str) -> bool {
    [LOGGING_LEVEL, SEND_LOGS].contains(&name) || variables_set_last(AgentVersion::V1_4).any(|(own, _)| own == name)
}

/// Returns the hint for a variable of a job template or run config that the agent overrides. Returns `None` if the agent
/// does not set the variable.
pub fn override_hint(name: &str) -> Option<&'static str> {
    let managed = match name {
        LOGGING_LEVEL => return Some("remove it here, and set it on the agent"),
        SEND_LOGS => ManagedValue::SendLogs,
        // Both versions have the same value for a variable.
        _ => SET_LAST.iter().find(|(own, ..)| *own == name)?.1,
    };
    Some(match managed {
        ManagedValue::ApiKey | ManagedValue::ApiUrl | ManagedValue::Backend => {
            "remove it here, and set it on the agent"
        }
        ManagedValue::AuthToken => "remove it here: the agent sets it to its API key or token",
        ManagedValue::FlowId | ManagedValue::FlowRunId => "remove it here: the agent sets it for each flow run",
        ManagedValue::FlowRunner => "remove it here: its value is always `prefect.engine.cloud.CloudFlowRunner`",
        ManagedValue::TaskRunner => "remove it here: its value is always `prefect.engine.cloud.CloudTaskRunner`",
        ManagedValue::Image => "remove it here: the agent sets it to the image of the flow run",
        ManagedValue::Labels => "remove it here: the agent sets it to its own labels (`--label`)",
        ManagedValue::LocalSecrets => "remove it here: its value is always `false`",
        ManagedValue::SendLogs => "remove it here: the agent sets it from its `--no-cloud-logs`",
        ManagedValue::TenantId => "remove it here: the agent sets it to the tenant of its API key (`--tenant-id`)",
    })
}

/// Returns the flag that sets a variable on an agent, which passes it to flow runs. Returns `None` if no flag sets the
/// variable, for example because the agent computes the value.
pub fn agent_flag(name: &str, settings: &RequestedSettings) -> Option<String> {
    Some(match name {
        BACKEND => format!("--backend {}", settings.backend.map_or("BACKEND", Backend::name)),
        API => "--api URL".to_owned(),
        API_KEY | AUTH_TOKEN => match &settings.api_key {
            Some(key) => format!("--api-key {}/{}", key.name, key.key),
            None => "--api-key SECRET/KEY".to_owned(),
        },
        LABELS | TENANT_ID | LOGGING_LEVEL => format!("--env {name}=VALUE"),
        _ => return None,
    })
}
