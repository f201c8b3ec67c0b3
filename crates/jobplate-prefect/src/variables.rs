//! Prefect's environment variables for Prefect 1 secrets and requested settings.

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::credentials::PREFECT_SECRET_PREFIX;
use jobplate_manifest::env::{EnvValue, EnvVar};

use super::generation::Generation;
use super::requested_settings::RequestedSettings;

/// Returns the variable of the Prefect 1 secret NAME: `PREFECT__CONTEXT__SECRETS__NAME`.
pub fn secret_variable(name: &str) -> String {
    format!("{PREFECT_SECRET_PREFIX}{name}")
}

/// Returns the name of the Prefect 1 secret that a variable holds, or `None` if the variable does not hold a secret.
pub fn secret_name(variable: &str) -> Option<&str> {
    variable.strip_prefix(PREFECT_SECRET_PREFIX)
}

/// Prefect 1: the backend, `server` or `cloud`.
pub const BACKEND: &str = "PREFECT__BACKEND";
/// Prefect 1: the URL of the API.
pub const API: &str = "PREFECT__CLOUD__API";
/// Prefect 1: the key for the API, since 0.15.0.
pub const API_KEY: &str = "PREFECT__CLOUD__API_KEY";
/// Prefect 1: the token for the API, before 0.15.0.
pub(crate) const AUTH_TOKEN: &str = "PREFECT__CLOUD__AUTH_TOKEN";
/// Prefect 1: whether a flow run with Prefect Cloud reads secrets from its own environment only.
pub const LOCAL_SECRETS: &str = "PREFECT__CLOUD__USE_LOCAL_SECRETS";
/// Prefect 1: the URL of Prefect Cloud's API.
pub const CLOUD_API_URL: &str = "https://api.prefect.io";

/// Returns the variables that set the requested settings in a generation of Prefect.
///
/// # Errors
/// Fails if the generation does not have a requested setting.
pub fn setting_env_vars(settings: &RequestedSettings, generation: Generation) -> Result<Vec<EnvVar>> {
    let mut entries = Vec::new();
    let mut add = |name: &str, value| entries.push(EnvVar { name: name.to_owned(), value });
    match generation {
        Generation::Prefect1 => {
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
        Generation::Prefect2Or3 => {
            let flag = match (settings.backend, settings.local_secrets) {
                (Some(_), _) => Some("--backend"),
                (_, Some(_)) => Some("--local-secrets"),
                _ => None,
            };
            if let Some(flag) = flag {
                return Err(Error::usage(format!("`{flag}` is only for Prefect 1"))
                    .hint(format!("remove {flag}: in Prefect 2 and 3, the API URL (`--api`) selects the backend")));
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
