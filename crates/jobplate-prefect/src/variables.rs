//! Prefect's environment variables: names of secrets, settings as entries, and those that an agent manages.

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::env::{EnvValue, EnvVar};

use super::program::Generation;
use super::settings::{Backend, Settings};

/// What stands before the name of a Prefect 1 secret in its variable.
const SECRETS: &str = "PREFECT__CONTEXT__SECRETS__";

/// What Prefect 1 reads a secret NAME from: `PREFECT__CONTEXT__SECRETS__NAME`.
pub fn secret_variable(name: &str) -> String {
    format!("{SECRETS}{name}")
}

/// The Prefect 1 secret that a variable is, if it is one.
pub fn secret_name(variable: &str) -> Option<&str> {
    variable.strip_prefix(SECRETS)
}

/// Prefect 1: `server` or `cloud`.
pub const BACKEND: &str = "PREFECT__BACKEND";
/// Prefect 1: the URL of the API.
pub const API: &str = "PREFECT__CLOUD__API";
/// Prefect 1: the key for the API, since 0.15.0.
pub const API_KEY: &str = "PREFECT__CLOUD__API_KEY";
/// Prefect 1: whether a flow run under Prefect Cloud finds its secrets in its own environment only.
pub const LOCAL_SECRETS: &str = "PREFECT__CLOUD__USE_LOCAL_SECRETS";
/// Prefect 1: the API Prefect Cloud has.
pub const CLOUD: &str = "https://api.prefect.io";

/// Variables that the Prefect 1 agent puts into every flow run itself, whatever the job template says
/// (`generate_job_spec` of prefect 0.14.7 to 1.4.1).
const MANAGED_BY_AGENT: [&str; 14] = [
    "PREFECT__BACKEND",
    "PREFECT__CLOUD__AGENT__LABELS",
    "PREFECT__CLOUD__API",
    "PREFECT__CLOUD__API_KEY",
    "PREFECT__CLOUD__AUTH_TOKEN",
    "PREFECT__CLOUD__SEND_FLOW_RUN_LOGS",
    "PREFECT__CLOUD__TENANT_ID",
    "PREFECT__CLOUD__USE_LOCAL_SECRETS",
    "PREFECT__CONTEXT__FLOW_ID",
    "PREFECT__CONTEXT__FLOW_RUN_ID",
    "PREFECT__CONTEXT__IMAGE",
    "PREFECT__ENGINE__FLOW_RUNNER__DEFAULT_CLASS",
    "PREFECT__LOGGING__LEVEL",
    "PREFECT__LOGGING__LOG_TO_CLOUD",
];

/// Whether the Prefect 1 agent replaces this variable in flow runs.
pub fn is_managed_by_agent(name: &str) -> bool {
    MANAGED_BY_AGENT.contains(&name)
}

/// The flag that sets a variable on an agent, which hands it on; none for what it decides itself for each
/// flow run, such as its id, or `USE_LOCAL_SECRETS`, which is always false.
pub fn agent_flag(name: &str, settings: &Settings) -> Option<String> {
    Some(match name {
        "PREFECT__BACKEND" => format!("--backend {}", settings.backend.map_or("BACKEND", Backend::name)),
        "PREFECT__CLOUD__API" => "--api URL".to_owned(),
        "PREFECT__CLOUD__API_KEY" | "PREFECT__CLOUD__AUTH_TOKEN" => match &settings.api_key {
            Some(key) => format!("--api-key {}/{}", key.name, key.key),
            None => "--api-key SECRET/KEY".to_owned(),
        },
        "PREFECT__CLOUD__AGENT__LABELS" | "PREFECT__CLOUD__TENANT_ID" | "PREFECT__LOGGING__LEVEL" => {
            format!("--env {name}=VALUE")
        }
        _ => return None,
    })
}

/// The entries that settings become for a generation of Prefect.
pub fn entries(settings: &Settings, generation: Generation) -> Result<Vec<EnvVar>> {
    let mut entries = Vec::new();
    let mut add = |name: &str, value| entries.push(EnvVar { name: name.to_owned(), value });
    match generation {
        Generation::One => {
            if let Some(backend) = settings.backend {
                add(BACKEND, EnvValue::Literal(backend.name().to_owned()));
            }
            if let Some(api) = &settings.api {
                add(API, EnvValue::Literal(api.clone()));
            }
            if let Some(key) = &settings.api_key {
                add(API_KEY, EnvValue::SecretKey(key.clone()));
            }
            if let Some(local) = settings.local_secrets {
                add(LOCAL_SECRETS, EnvValue::Literal(local.to_string()));
            }
        }
        Generation::TwoOrThree => {
            let flag = match (settings.backend, settings.local_secrets) {
                (Some(_), _) => Some("--backend"),
                (_, Some(_)) => Some("--local-secrets"),
                _ => None,
            };
            if let Some(flag) = flag {
                return Err(Error::usage(format!("`{flag}` has no meaning for Prefect 2 and 3"))
                    .hint("there the API URL alone decides (`--api`); leave the flag out, or name other targets with `--target`"));
            }
            if let Some(api) = &settings.api {
                add("PREFECT_API_URL", EnvValue::Literal(api.clone()));
            }
            if let Some(key) = &settings.api_key {
                add("PREFECT_API_KEY", EnvValue::SecretKey(key.clone()));
            }
        }
    }
    Ok(entries)
}
