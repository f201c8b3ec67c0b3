//! The settings of prefect-kubernetes 0.8.0. The worker uses these settings itself and does not export them.

use jobplate_diagnostic::Result;

use super::read::{SettingVariables, check_group, read_value};
use super::setting::Limits::{Any, AtLeast};
use super::setting::SettingKind::{Bool, Group, Int, LabelFilters, Names, Text};
use super::setting::{PREFIX, Setting, renamed, setting};
use super::value::normalize;
use crate::pyvalue::environ::{Environ, EnvironVar, Resolved};

/// All settings of prefect-kubernetes and their groups, in the order of its models.
#[rustfmt::skip] // one setting per line
pub static KUBERNETES_SETTINGS: [Setting; 22] = [
    renamed("INTEGRATIONS_KUBERNETES_CLUSTER_UID", Text, "KUBERNETES_CLUSTER_UID"),
    setting("INTEGRATIONS_KUBERNETES_WORKER", Group),
    setting("INTEGRATIONS_KUBERNETES_WORKER_API_KEY_SECRET_NAME", Text),
    setting("INTEGRATIONS_KUBERNETES_WORKER_API_KEY_SECRET_KEY", Text),
    setting("INTEGRATIONS_KUBERNETES_WORKER_API_AUTH_STRING_SECRET_NAME", Text),
    setting("INTEGRATIONS_KUBERNETES_WORKER_API_AUTH_STRING_SECRET_KEY", Text),
    renamed("INTEGRATIONS_KUBERNETES_WORKER_CREATE_SECRET_FOR_API_KEY", Bool, "KUBERNETES_WORKER_STORE_PREFECT_API_IN_SECRET"),
    setting("INTEGRATIONS_KUBERNETES_WORKER_STORE_ENV_AS_SECRET", Bool),
    renamed("INTEGRATIONS_KUBERNETES_WORKER_ADD_TCP_KEEPALIVE", Bool, "KUBERNETES_WORKER_ADD_TCP_KEEPALIVE"),
    setting("INTEGRATIONS_KUBERNETES_WORKER_CREATE_JOB_RETRY", Group),
    setting("INTEGRATIONS_KUBERNETES_WORKER_CREATE_JOB_RETRY_MAX_RETRIES", Int(AtLeast(1))),
    setting("INTEGRATIONS_KUBERNETES_WORKER_CREATE_JOB_RETRY_DELAY_SECONDS", Int(AtLeast(0))),
    setting("INTEGRATIONS_KUBERNETES_WORKER_CREATE_JOB_RETRY_JITTER_MIN_SECONDS", Int(AtLeast(0))),
    setting("INTEGRATIONS_KUBERNETES_WORKER_CREATE_JOB_RETRY_JITTER_MAX_SECONDS", Int(AtLeast(0))),
    setting("INTEGRATIONS_KUBERNETES_OBSERVER", Group),
    setting("INTEGRATIONS_KUBERNETES_OBSERVER_ENABLED", Bool),
    setting("INTEGRATIONS_KUBERNETES_OBSERVER_REPLICATE_POD_EVENTS", Bool),
    setting("INTEGRATIONS_KUBERNETES_OBSERVER_NAMESPACES", Names),
    setting("INTEGRATIONS_KUBERNETES_OBSERVER_ADDITIONAL_LABEL_FILTERS", LabelFilters),
    setting("INTEGRATIONS_KUBERNETES_OBSERVER_STARTUP_EVENT_CONCURRENCY", Int(Any)),
    setting("INTEGRATIONS_KUBERNETES_OBSERVER_FORWARD_CRASHED_RUN_LOGS", Bool),
    setting("INTEGRATIONS_KUBERNETES_OBSERVER_FORWARD_CRASHED_RUN_LOGS_TAIL_LINES", Int(AtLeast(1))),
];

/// A setting of prefect-kubernetes that is set.
#[derive(Debug)]
pub(in crate::worker) struct KubernetesSetting<'e> {
    /// The name of the setting, without `PREFECT_`.
    pub name: &'static str,
    /// The variable that sets the setting.
    pub variable: &'e EnvironVar,
    /// The value of the setting in the form that Prefect exports.
    pub value: Resolved,
}

/// Returns the settings of prefect-kubernetes that a worker's environment sets.
///
/// # Errors
/// Fails if the worker would not start with these values.
pub(in crate::worker) fn read_kubernetes_settings(environ: &Environ) -> Result<Vec<KubernetesSetting<'_>>> {
    let variables = SettingVariables::new(environ);
    let mut found = Vec::new();
    for setting in &KUBERNETES_SETTINGS {
        let Some(variable) = variables.get(setting) else { continue };
        if setting.kind == Group {
            check_group(variable)?;
        } else if let Some(value) = read_value(variable, setting.kind, normalize)? {
            found.push(KubernetesSetting { name: setting.name, variable, value });
        }
    }
    Ok(found)
}

/// Returns the keys of `settings` in a scenario: the names of settings that start with `prefix`, without the prefix and
/// in lower case. A nested group is one key.
pub(in crate::worker) fn keys_with_prefix(prefix: &str) -> Vec<String> {
    let prefix = prefix.strip_prefix(PREFIX).unwrap_or(prefix);
    let keys =
        || KUBERNETES_SETTINGS.iter().filter_map(|setting| Some((setting.name.strip_prefix(prefix)?, setting.kind)));
    let is_in_group = |key: &str, group: &str| key.strip_prefix(group).is_some_and(|rest| rest.starts_with('_'));
    let is_nested = |key: &str| keys().any(|(group, kind)| kind == Group && is_in_group(key, group));
    keys().filter(|(key, _)| !is_nested(key)).map(|(key, _)| key.to_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_settings_and_rejects_what_the_worker_rejects() {
        for (name, value, expected) in [
            ("WORKER_STORE_ENV_AS_SECRET", "yes", "True"),
            ("CLUSTER_UID", "", ""),
            ("OBSERVER_NAMESPACES", "b,a", "a,b"),
            ("OBSERVER_ADDITIONAL_LABEL_FILTERS", "a = b,=", r#"{"a": "b", "": ""}"#),
            ("WORKER", "null", "-"),
            ("WORKER", "{x", "! the worker does not start: {} is the name of a group of settings"),
            ("WORKER", "{\"store_env_as_secret\": true}", "! {} sets a group of settings at once"),
            ("WORKER_CREATE_JOB_RETRY", "x", "! the worker does not start: {} is the name of a group of settings"),
            ("WORKER_CREATE_JOB_RETRY_MAX_RETRIES", "0", "! the worker does not start: {} is out of range"),
            ("OBSERVER_ENABLED", "x", "! the worker does not start: {} is neither true nor false"),
        ] {
            let name = format!("PREFECT_INTEGRATIONS_KUBERNETES_{name}");
            let found = match read_kubernetes_settings(&Environ::from_pairs(&[(name.as_str(), value)])) {
                Ok(found) => found.first().map_or("-".to_owned(), |setting| setting.value.as_str().to_owned()),
                Err(error) => format!("! {}", error.message()),
            };
            assert_eq!(found, expected.replace("{}", &name), "{name}={value}");
        }
    }

    #[test]
    fn reads_former_names_in_any_case() {
        let environ = Environ::from_pairs(&[
            ("PREFECT_KUBERNETES_CLUSTER_UID", "a"),
            ("prefect_kubernetes_worker_add_tcp_keepalive", "0"),
        ]);
        let found = read_kubernetes_settings(&environ).expect("valid values");
        assert_eq!(found.iter().map(|setting| setting.value.as_str()).collect::<Vec<_>>(), ["a", "False"]);
        assert_eq!(keys_with_prefix("PREFECT_INTEGRATIONS_KUBERNETES_WORKER_").len(), 8);
    }
}
