//! The variables that the agent sets in each flow run itself, whatever the job template says (`generate_job_spec` of
//! prefect 0.14.7 to 1.4.1).

use super::version::AgentVersion;
use crate::requested_settings::{Backend, RequestedSettings};
use crate::variables::{API, API_KEY, AUTH_TOKEN, BACKEND, LOCAL_SECRETS};

/// The log level, which the agent sets before everything else.
pub(super) const LOGGING_LEVEL: &str = "PREFECT__LOGGING__LEVEL";
/// Whether logs are sent to the API, which a run config or `--env` may override in Prefect 1.4.
pub(super) const SEND_LOGS: &str = "PREFECT__CLOUD__SEND_FLOW_RUN_LOGS";

const LABELS: &str = "PREFECT__CLOUD__AGENT__LABELS";
const TENANT_ID: &str = "PREFECT__CLOUD__TENANT_ID";

/// What the agent sets a variable to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Managed {
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

/// What is set after everything else, in the agent's order, each with the only version that sets it there.
const LAST: [(&str, Managed, Option<AgentVersion>); 15] = [
    (BACKEND, Managed::Backend, None),
    (LABELS, Managed::Labels, None),
    (API, Managed::ApiUrl, None),
    (AUTH_TOKEN, Managed::AuthToken, Some(AgentVersion::V0_15)),
    (API_KEY, Managed::ApiKey, None),
    (TENANT_ID, Managed::TenantId, None),
    (LOCAL_SECRETS, Managed::LocalSecrets, None),
    (SEND_LOGS, Managed::SendLogs, Some(AgentVersion::V0_15)),
    ("PREFECT__CONTEXT__FLOW_RUN_ID", Managed::FlowRunId, None),
    ("PREFECT__CONTEXT__FLOW_ID", Managed::FlowId, None),
    ("PREFECT__CONTEXT__IMAGE", Managed::Image, None),
    ("PREFECT__ENGINE__FLOW_RUNNER__DEFAULT_CLASS", Managed::FlowRunner, None),
    ("PREFECT__ENGINE__TASK_RUNNER__DEFAULT_CLASS", Managed::TaskRunner, Some(AgentVersion::V0_15)),
    ("PREFECT__LOGGING__LOG_TO_CLOUD", Managed::SendLogs, None),
    (AUTH_TOKEN, Managed::AuthToken, Some(AgentVersion::V1_4)),
];

/// Returns what a version of the agent sets after everything else, in its order.
pub(super) fn last(version: AgentVersion) -> impl Iterator<Item = (&'static str, Managed)> {
    let of_version = move |own: Option<AgentVersion>| own.is_none_or(|own| own == version);
    LAST.into_iter().filter(move |(.., own)| of_version(*own)).map(|(name, managed, _)| (name, managed))
}

/// Returns whether the agent overrides a variable in flow runs.
pub fn is_managed(name: &str) -> bool {
    [LOGGING_LEVEL, SEND_LOGS].contains(&name) || last(AgentVersion::V1_4).any(|(own, _)| own == name)
}

/// Returns the flag that sets a variable on an agent, which passes it on. `None` for what the agent decides itself for
/// each flow run, such as its ID, or `USE_LOCAL_SECRETS`, which is always false.
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
