//! What becomes of a variable of Prefect 1 in Prefect 2 and 3: another name, none, or its own.
//!
//! New names are settings that prefect 2.20 and 3.8 both know; of the old ones, those are meant that
//! prefect 1.4's `config.toml` has, and the few that its agent or older versions set.

use crate::generation::is_set_by_workers;
use crate::variables::secret_name;

/// Which values a setting of Prefect 2 and 3 takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// Any text.
    Text,
    /// The name of a level.
    Level,
    /// `true` or `false`, in any case; `1` or `0`.
    Bool,
    /// A whole number that is not negative.
    Count,
    /// Seconds.
    Number,
    /// Names with commas between them; Prefect 1 has a list of Python's there.
    Names,
}

/// The names that variables get in the result, by those they had. Empty: it is left out.
pub(super) type Renamed = Vec<(String, Option<String>)>;

/// What becomes of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate<'n> {
    /// It is none of Prefect 1's.
    Stays,
    /// It looks like one of Prefect 1's, but Prefect itself does not read it: it stays, and that is said.
    IsOfTheUser,
    /// Prefect 2 and 3 have it under another name; what is to be known beside.
    Renamed(&'static str, Takes, &'static str),
    /// A secret of Prefect 1, by its own name.
    Secret(&'n str),
    /// Nothing reads it any more; what there is in its place.
    Dropped(&'static str),
}

use Takes::{Bool, Count, Level, Names, Number, Text};

/// Old and new names. Of several that become the same one, the first counts.
const RENAMED: [(&str, &str, Takes, &str); 12] = [
    (
        "PREFECT__CLOUD__API",
        "PREFECT_API_URL",
        Text,
        "check the URL: it must be that of the new API, as in http://prefect-server:4200/api; left out, flow runs get the worker's",
    ),
    ("PREFECT__CLOUD__API_KEY", "PREFECT_API_KEY", Text, "the key must be one of the new API's"),
    ("PREFECT__CLOUD__AUTH_TOKEN", "PREFECT_API_KEY", Text, "the key must be one of the new API's"),
    ("PREFECT__CLOUD__AGENT__AUTH_TOKEN", "PREFECT_API_KEY", Text, "the key must be one of the new API's"),
    ("PREFECT__LOGGING__LEVEL", "PREFECT_LOGGING_LEVEL", Level, ""),
    ("PREFECT__LOGGING__EXTRA_LOGGERS", "PREFECT_LOGGING_EXTRA_LOGGERS", Names, ""),
    ("PREFECT__CLOUD__SEND_FLOW_RUN_LOGS", "PREFECT_LOGGING_TO_API_ENABLED", Bool, ""),
    ("PREFECT__LOGGING__LOG_TO_CLOUD", "PREFECT_LOGGING_TO_API_ENABLED", Bool, ""),
    ("PREFECT__CLOUD__REQUEST_TIMEOUT", "PREFECT_API_REQUEST_TIMEOUT", Number, ""),
    ("PREFECT__DEBUG", "PREFECT_DEBUG_MODE", Bool, ""),
    ("PREFECT__HOME_DIR", "PREFECT_HOME", Text, ""),
    ("PREFECT__TASKS__DEFAULTS__MAX_RETRIES", "PREFECT_TASK_DEFAULT_RETRIES", Count, ""),
];

/// Names, or beginnings of names (with `*`), that have no successor, and what there is in their place. The first
/// that fits counts.
const DROPPED: [(&str, &str); 20] = [
    ("PREFECT__BACKEND", "the worker's PREFECT_API_URL alone says which API there is"),
    ("PREFECT__CLOUD__USE_LOCAL_SECRETS", "secrets are Secret blocks, or variables like any other"),
    ("PREFECT__CLOUD__TENANT_ID", "a workspace is a part of PREFECT_API_URL"),
    ("PREFECT__CLOUD__AGENT__LABELS", "work pools and their queues say which worker takes which runs"),
    ("PREFECT__CLOUD__AGENT__*", "there are workers, with settings of their own (PREFECT_WORKER_...)"),
    ("PREFECT__CLOUD__HEARTBEAT_*", "the nearest is PREFECT_RUNNER_HEARTBEAT_FREQUENCY, in seconds (Prefect 3)"),
    ("PREFECT__CLOUD__*", "what is left of it is set by PREFECT_API_... and PREFECT_CLIENT_..."),
    ("PREFECT__CONTEXT__SECRETS__*", "a secret has a name"),
    (
        "PREFECT__CONTEXT__*",
        "what the agent put there is in prefect.runtime; all else is for parameters of the flow, or a variable with a name of your own",
    ),
    ("PREFECT__ENGINE__*", "the task runner stands in the flow's code: @flow(task_runner=...)"),
    (
        "PREFECT__FLOWS__CHECKPOINTING",
        "the nearest is PREFECT_RESULTS_PERSIST_BY_DEFAULT; where results go is said in the flow's code",
    ),
    ("PREFECT__FLOWS__*", "it is said in the flow's code, or in its deployment"),
    ("PREFECT__TASKS__DEFAULTS__RETRY_DELAY", "the nearest is PREFECT_TASK_DEFAULT_RETRY_DELAY_SECONDS"),
    ("PREFECT__TASKS__*", "it is said in the flow's code"),
    ("PREFECT__LOGGING__*", "formats are in the file that PREFECT_LOGGING_SETTINGS_PATH names"),
    ("PREFECT__SERVER__*", "the server has settings of its own (PREFECT_SERVER_...)"),
    ("PREFECT__USER_CONFIG_PATH", "profiles are in the file that PREFECT_PROFILES_PATH names"),
    ("PREFECT__BACKEND_CONFIG_PATH", "profiles are in the file that PREFECT_PROFILES_PATH names"),
    ("PREFECT__HOME*", "there is PREFECT_HOME"),
    ("PREFECT__DEBUG*", "there is PREFECT_DEBUG_MODE"),
];

/// What becomes of a variable.
pub(super) fn fate(name: &str) -> Fate<'_> {
    if !name.starts_with("PREFECT__") || is_set_by_workers(name) {
        return Fate::Stays;
    }
    if let Some((_, new, takes, more)) = RENAMED.iter().find(|(old, ..)| *old == name) {
        return Fate::Renamed(new, *takes, more);
    }
    if let Some(secret) = secret_name(name).filter(|secret| !secret.is_empty()) {
        return Fate::Secret(secret);
    }
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    };
    match DROPPED.iter().find(|(pattern, _)| fits(pattern)) {
        Some((_, instead)) => Fate::Dropped(instead),
        None => Fate::IsOfTheUser,
    }
}

/// Where a name stands among those that become the same one: the lower counts.
pub(super) fn rank(name: &str) -> usize {
    match fate(name) {
        Fate::Renamed(..) => RENAMED.iter().position(|(old, ..)| *old == name).unwrap_or_default() + 1,
        Fate::Secret(_) => RENAMED.len() + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_has_a_fate() {
        for (name, wanted) in [
            ("PREFECT__LOGGING__LEVEL", Fate::Renamed("PREFECT_LOGGING_LEVEL", Level, "")),
            ("PREFECT__CONTEXT__SECRETS__A__B", Fate::Secret("A__B")),
            ("PREFECT__FLOW_RUN_ID", Fate::Stays),
            ("PREFECT_API_KEY", Fate::Stays),
            ("PREFECT__MY__OWN", Fate::IsOfTheUser),
            ("HOME", Fate::Stays),
        ] {
            assert_eq!(fate(name), wanted, "{name}");
        }
        for name in ["PREFECT__CONTEXT__SECRETS__", "PREFECT__CONTEXT__X", "PREFECT__ENGINE__A__B", "PREFECT__BACKEND"]
        {
            assert!(matches!(fate(name), Fate::Dropped(_)), "{name}");
        }
        assert!(rank("PREFECT__CLOUD__API_KEY") < rank("PREFECT__CLOUD__AUTH_TOKEN"));
    }

    /// Nothing that Prefect 1 itself reads is taken for a variable of the user's.
    #[test]
    fn all_sections_of_prefect_1_are_known() {
        for section in [
            "BACKEND",
            "CLOUD__X",
            "CONTEXT__X",
            "DEBUG",
            "ENGINE__X",
            "FLOWS__X",
            "HOME_DIR",
            "LOGGING__X",
            "SERVER__X",
            "TASKS__X",
        ] {
            let name = format!("PREFECT__{section}");
            assert!(!matches!(fate(&name), Fate::Stays | Fate::IsOfTheUser), "{name}");
        }
    }
}
