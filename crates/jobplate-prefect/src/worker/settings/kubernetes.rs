//! The settings of prefect-kubernetes, which a worker reads for itself.

use jobplate_diagnostic::Result;

use super::read::{Variables, group, plain};
use super::table::{KUBERNETES, PREFIX, Setting, lines};
use crate::pyvalue::environ::{Environ, EnvironVar, Resolved};

/// A setting of prefect-kubernetes that is set.
#[derive(Debug)]
pub(in crate::worker) struct Given<'e> {
    /// Its name in the table, which stands without `PREFECT_`.
    pub name: &'static str,
    /// What sets it.
    pub variable: &'e EnvironVar,
    /// Its value, written again.
    pub value: Resolved,
}

/// The settings of prefect-kubernetes that are set. Fails where the worker would not start.
pub(in crate::worker) fn of_kubernetes(environ: &Environ) -> Result<Vec<Given<'_>>> {
    let variables = Variables::of(environ);
    let mut set = Vec::new();
    for setting @ Setting { name, kind, .. } in lines(KUBERNETES) {
        let Some(variable) = variables.of_setting(setting) else { continue };
        if kind == "group" {
            group(variable)?;
        } else if let Some(value) = plain(variable, kind)? {
            set.push(Given { name, variable, value });
        }
    }
    Ok(set)
}

/// What stands behind `start` in the names of settings of prefect-kubernetes, in small letters. Of a group the name alone,
/// and not what is in it.
pub(in crate::worker) fn keys(start: &str) -> Vec<String> {
    let start = start.strip_prefix(PREFIX).unwrap_or(start);
    let keys = || lines(KUBERNETES).filter_map(|own| Some((own.name.strip_prefix(start)?, own.kind)));
    let is_within = |key: &str, group: &str| key.strip_prefix(group).is_some_and(|rest| rest.starts_with('_'));
    let is_deeper = |key: &str| keys().any(|(own, kind)| kind == "group" && is_within(key, own));
    keys().filter(|(key, _)| !is_deeper(key)).map(|(key, _)| key.to_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_kubernetes_are_read() {
        let worker = |name: &str| format!("PREFECT_INTEGRATIONS_KUBERNETES_{name}");
        for (name, value, wanted) in [
            ("WORKER_STORE_ENV_AS_SECRET", "yes", "True"),
            ("CLUSTER_UID", "", ""),
            ("OBSERVER_NAMESPACES", "b,a", "a,b"),
            ("OBSERVER_ADDITIONAL_LABEL_FILTERS", "a = b,=", r#"{"a": "b", "": ""}"#),
            ("WORKER", "null", "-"),
            ("WORKER", "{x", "! the worker does not start: {} is the name of a group of settings"),
            ("WORKER", "{\"store_env_as_secret\": true}", "! {} sets a group of settings at once"),
            ("WORKER_CREATE_JOB_RETRY", "x", "! the worker does not start: {} is the name of a group of settings"),
            ("WORKER_CREATE_JOB_RETRY_MAX_RETRIES", "0", "! the worker does not start: {} is outside its bounds"),
            ("OBSERVER_ENABLED", "x", "! the worker does not start: {} is neither true nor false"),
        ] {
            let name = worker(name);
            let own = match of_kubernetes(&Environ::from_pairs(&[(name.as_str(), value)])) {
                Ok(given) => given.first().map_or("-".to_owned(), |given| given.value.as_str().to_owned()),
                Err(error) => format!("! {}", error.message()),
            };
            assert_eq!(own, wanted.replace("{}", &name), "{name}={value}");
        }
        let old = Environ::from_pairs(&[
            ("PREFECT_KUBERNETES_CLUSTER_UID", "a"),
            ("prefect_kubernetes_worker_add_tcp_keepalive", "0"),
        ]);
        let given = of_kubernetes(&old).expect("old names are read");
        assert_eq!(given.iter().map(|own| own.value.as_str()).collect::<Vec<_>>(), ["a", "False"]);
        assert_eq!(keys("PREFECT_INTEGRATIONS_KUBERNETES_WORKER_").len(), 8);
    }
}
