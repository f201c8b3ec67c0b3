//! The treatment of each Prefect 1 variable in a conversion: it is renamed, removed or kept.
//!
//! New names are settings of both prefect 2.20 and 3.8. Old names are the settings in prefect 1.4's `config.toml`, and
//! a few variables that its agent or older versions set.

use indexmap::IndexMap;
use jobplate_manifest::env::referenced_names;

use crate::generation::is_set_by_workers;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::literal;
use crate::variables::secret_name;

/// The values that a setting of Prefect 2 and 3 accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AcceptedValue {
    /// Any string.
    Text,
    /// The URL of an API of Prefect 2 and 3. Other strings are accepted with a warning.
    ApiUrl,
    /// A log level.
    LogLevel,
    /// `true` or `false`, in any case; `1` or `0`.
    Bool,
    /// A non-negative integer.
    Count,
    /// A number of seconds.
    Seconds,
    /// Comma-separated names. Prefect 1 uses a Python list instead.
    Names,
}

impl AcceptedValue {
    /// Converts the literal `value` for the setting. Returns `None` if the setting does not accept the value, and
    /// `Some(None)` if the value needs no change.
    pub(super) fn convert(self, arena: &mut Arena, value: ValueId) -> Option<Option<ValueId>> {
        let text = arena.as_str(value).unwrap_or_default().to_owned();
        // Kubernetes expands the references, so the value is not known here and is left unchanged.
        if referenced_names(&text).next().is_some() {
            return Some(None);
        }
        let lower = text.trim().to_lowercase();
        let is_valid = match self {
            AcceptedValue::Text | AcceptedValue::ApiUrl => true,
            AcceptedValue::LogLevel => ["debug", "info", "warning", "error", "critical"].contains(&lower.as_str()),
            AcceptedValue::Bool => ["true", "false", "1", "0"].contains(&lower.as_str()),
            AcceptedValue::Count => !lower.is_empty() && lower.bytes().all(|byte| byte.is_ascii_digit()),
            AcceptedValue::Seconds => lower.parse::<f64>().is_ok_and(f64::is_finite),
            AcceptedValue::Names => {
                let location = arena.location(value).cloned();
                let list = match literal::eval(arena, &text, location.as_ref()) {
                    Ok(Some(list)) => list,
                    Ok(None) => return Some(None),
                    Err(_) => return None,
                };
                let (Value::List(items) | Value::Tuple(items)) = arena.get(list).clone() else { return None };
                let names: Option<Vec<String>> =
                    items.iter().map(|item| arena.as_str(*item).map(str::to_owned)).collect();
                return Some(Some(arena.alloc(Value::Str(names?.join(",")), location)));
            }
        };
        // Prefect 1 accepts leading and trailing whitespace in these values; pydantic does not, so the whitespace is
        // removed.
        let is_trimmed = matches!(self, AcceptedValue::LogLevel | AcceptedValue::Bool) && text.trim() != text;
        let location = arena.location(value).cloned();
        is_valid.then(|| is_trimmed.then(|| arena.alloc(Value::Str(text.trim().to_owned()), location)))
    }
}

/// Returns whether a URL may be that of an API of Prefect 2 and 3. Its path begins with `/api`: Prefect's server has
/// `/api`, Prefect Cloud has `/api/accounts/...`. A proxy may add other segments. The value of a reference is not known.
pub(super) fn may_be_api_url(url: &str) -> bool {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest);
    path.split('/').skip(1).any(|segment| segment.trim_end() == "api") || referenced_names(url).next().is_some()
}

/// The new names of variables, keyed by old name. The new name is `None` if the variable is removed.
pub(super) type RenamedVariables = IndexMap<String, Option<String>>;

/// The treatment of a variable in a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition<'n> {
    /// Keeps the variable, because it is not a variable of Prefect 1, or because workers set it.
    Keep,
    /// Keeps the variable and adds a note. Its name looks like a Prefect 1 variable, but Prefect itself does not read
    /// it.
    KeepWithNote,
    /// Renames the variable to the name of a setting. The last field is additional text for the note.
    Rename(&'static str, AcceptedValue, &'static str),
    /// Renames the variable to the name of the Prefect 1 secret that it holds.
    Secret(&'n str),
    /// Removes the variable, because Prefect 2 and 3 do not read it. The field describes a replacement.
    Remove(&'static str),
}

use AcceptedValue::{ApiUrl, Bool, Count, LogLevel, Names, Seconds, Text};

/// Old names, new names, accepted values and additional text for the note. If several old names map to the same new
/// name, the first old name has priority.
const RENAMED: [(&str, &str, AcceptedValue, &str); 12] = [
    (
        "PREFECT__CLOUD__API",
        "PREFECT_API_URL",
        ApiUrl,
        "set it to the URL of the new API, such as http://prefect-server:4200/api, or remove it to use the worker's URL",
    ),
    ("PREFECT__CLOUD__API_KEY", "PREFECT_API_KEY", Text, "create a new API key in Prefect 2 or 3"),
    ("PREFECT__CLOUD__AUTH_TOKEN", "PREFECT_API_KEY", Text, "create a new API key in Prefect 2 or 3"),
    ("PREFECT__CLOUD__AGENT__AUTH_TOKEN", "PREFECT_API_KEY", Text, "create a new API key in Prefect 2 or 3"),
    ("PREFECT__LOGGING__LEVEL", "PREFECT_LOGGING_LEVEL", LogLevel, ""),
    ("PREFECT__LOGGING__EXTRA_LOGGERS", "PREFECT_LOGGING_EXTRA_LOGGERS", Names, ""),
    ("PREFECT__CLOUD__SEND_FLOW_RUN_LOGS", "PREFECT_LOGGING_TO_API_ENABLED", Bool, ""),
    ("PREFECT__LOGGING__LOG_TO_CLOUD", "PREFECT_LOGGING_TO_API_ENABLED", Bool, ""),
    ("PREFECT__CLOUD__REQUEST_TIMEOUT", "PREFECT_API_REQUEST_TIMEOUT", Seconds, ""),
    ("PREFECT__DEBUG", "PREFECT_DEBUG_MODE", Bool, ""),
    ("PREFECT__HOME_DIR", "PREFECT_HOME", Text, ""),
    ("PREFECT__TASKS__DEFAULTS__MAX_RETRIES", "PREFECT_TASK_DEFAULT_RETRIES", Count, ""),
];

/// The names and name prefixes (with `*`) of variables without a successor, with the text of the note. The first match
/// determines the note.
const REMOVED: [(&str, &str); 20] = [
    ("PREFECT__BACKEND", "the worker's PREFECT_API_URL selects the API"),
    ("PREFECT__CLOUD__USE_LOCAL_SECRETS", "use Secret blocks or ordinary environment variables for secrets"),
    ("PREFECT__CLOUD__TENANT_ID", "the workspace is part of PREFECT_API_URL"),
    ("PREFECT__CLOUD__AGENT__LABELS", "work pools and their queues select the worker of a run"),
    ("PREFECT__CLOUD__AGENT__*", "workers replace agents; their settings are PREFECT_WORKER_..."),
    (
        "PREFECT__CLOUD__HEARTBEAT_*",
        "the closest setting is PREFECT_RUNNER_HEARTBEAT_FREQUENCY, in seconds (Prefect 3)",
    ),
    ("PREFECT__CLOUD__*", "it has no equivalent; related settings start with PREFECT_API_ or PREFECT_CLIENT_"),
    ("PREFECT__CONTEXT__SECRETS__*", "the name of the secret is missing"),
    (
        "PREFECT__CONTEXT__*",
        "use prefect.runtime for values that the agent set, and flow parameters or other variables for the rest",
    ),
    ("PREFECT__ENGINE__*", "set the task runner in the flow's code: @flow(task_runner=...)"),
    (
        "PREFECT__FLOWS__CHECKPOINTING",
        "the closest setting is PREFECT_RESULTS_PERSIST_BY_DEFAULT; the flow's code sets where results go",
    ),
    ("PREFECT__FLOWS__*", "set it in the flow's code or in its deployment"),
    ("PREFECT__TASKS__DEFAULTS__RETRY_DELAY", "the closest setting is PREFECT_TASK_DEFAULT_RETRY_DELAY_SECONDS"),
    ("PREFECT__TASKS__*", "set it in the flow's code"),
    ("PREFECT__LOGGING__*", "set formats in the file at PREFECT_LOGGING_SETTINGS_PATH"),
    ("PREFECT__SERVER__*", "the server has its own settings (PREFECT_SERVER_...)"),
    ("PREFECT__USER_CONFIG_PATH", "profiles are in the file at PREFECT_PROFILES_PATH"),
    ("PREFECT__BACKEND_CONFIG_PATH", "profiles are in the file at PREFECT_PROFILES_PATH"),
    ("PREFECT__HOME*", "use PREFECT_HOME"),
    ("PREFECT__DEBUG*", "use PREFECT_DEBUG_MODE"),
];

/// Returns the treatment of a variable.
pub(super) fn disposition(name: &str) -> Disposition<'_> {
    if !name.starts_with("PREFECT__") || is_set_by_workers(name) {
        return Disposition::Keep;
    }
    if let Some((_, new, accepted, more)) = RENAMED.iter().find(|(old, ..)| *old == name) {
        return Disposition::Rename(new, *accepted, more);
    }
    if let Some(secret) = secret_name(name).filter(|secret| !secret.is_empty()) {
        return Disposition::Secret(secret);
    }
    let matches = |pattern: &str| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    };
    match REMOVED.iter().find(|(pattern, _)| matches(pattern)) {
        Some((_, replacement)) => Disposition::Remove(replacement),
        None => Disposition::KeepWithNote,
    }
}

/// Returns the name in Prefect 2 and 3 of a Prefect 1 variable, or `None` if it has no successor.
pub fn successor(name: &str) -> Option<&str> {
    match disposition(name) {
        Disposition::Rename(new, ..) | Disposition::Secret(new) => Some(new),
        _ => None,
    }
}

/// Returns the rank of an old name among names that map to the same new name. The lowest rank has priority.
pub(super) fn rank(name: &str) -> usize {
    match disposition(name) {
        Disposition::Rename(..) => RENAMED.iter().position(|(old, ..)| *old == name).unwrap_or_default() + 1,
        Disposition::Secret(_) => RENAMED.len() + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decides_about_every_variable() {
        for (name, expected) in [
            ("PREFECT__LOGGING__LEVEL", Disposition::Rename("PREFECT_LOGGING_LEVEL", LogLevel, "")),
            ("PREFECT__CONTEXT__SECRETS__A__B", Disposition::Secret("A__B")),
            ("PREFECT__FLOW_RUN_ID", Disposition::Keep),
            ("PREFECT_API_KEY", Disposition::Keep),
            ("PREFECT__MY__OWN", Disposition::KeepWithNote),
            ("HOME", Disposition::Keep),
        ] {
            assert_eq!(disposition(name), expected, "{name}");
        }
        for name in ["PREFECT__CONTEXT__SECRETS__", "PREFECT__CONTEXT__X", "PREFECT__ENGINE__A__B", "PREFECT__BACKEND"]
        {
            assert!(matches!(disposition(name), Disposition::Remove(_)), "{name}");
        }
        assert!(rank("PREFECT__CLOUD__API_KEY") < rank("PREFECT__CLOUD__AUTH_TOKEN"));
    }

    #[test]
    fn renames_or_removes_variables_of_every_section_of_prefect_1() {
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
            assert!(!matches!(disposition(&name), Disposition::Keep | Disposition::KeepWithNote), "{name}");
        }
    }
}
