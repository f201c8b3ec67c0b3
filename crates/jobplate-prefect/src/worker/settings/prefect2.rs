//! The settings of Prefect 2. Prefect 2 has other names for many settings, no groups, and no default profile. A worker
//! exports the values that pydantic 1 parses, converted with `str()` (`Settings.to_environment_variables` of prefect
//! 2.20.26).

use num_bigint::BigInt;

use super::setting::Limits::{Any, MoreThan};
use super::setting::SettingKind::{
    self, Bool, Float, Int, LogLevel, OneOf, Path, RetryDelay, RetryDelays, Secret, Text, TimeDelta,
};
use super::setting::{Setting, setting};
use super::structured_value::as_float;
use super::value::{self, InvalidValue, NormalizedValue, log_level};
use crate::pyvalue::duration::Duration;
use crate::pyvalue::json_value::{Json, parse};
use crate::pyvalue::number::{parse_float, parse_int};
use crate::pyvalue::string::repr_float;

/// The log levels that Prefect 2 accepts in addition to the levels of Prefect 3.
const MORE_LOG_LEVELS: [&str; 3] = ["FATAL", "WARN", "NOTSET"];

/// Parses and normalizes a value like Prefect 2. Kinds that pydantic 1 and 2 treat alike are passed to
/// [`value::normalize`].
pub(super) fn normalize(kind: SettingKind, text: &str) -> NormalizedValue {
    let (value, problem, correction) = match kind {
        Int(limits) => {
            let integer = parse_int(text).filter(|integer| limits.allow(integer, BigInt::from));
            (integer.map(|integer| integer.to_string()), "not an integer that Prefect accepts", "digits")
        }
        Float(limits) => {
            let float = parse_float(text).filter(|float| limits.allow(float, f64::from));
            (float.map(repr_float), "not a number that Prefect accepts", "a number")
        }
        LogLevel => {
            let other = MORE_LOG_LEVELS.contains(&text.to_uppercase().as_str()).then(|| text.to_uppercase());
            (log_level(text).or(other), "not a logging level", "DEBUG, INFO, WARNING, ERROR or CRITICAL")
        }
        TimeDelta => {
            (Duration::parse_pydantic1(text).map(Duration::to_python_string), "not a duration", "seconds, or 00:00:30")
        }
        RetryDelay => {
            let delay = parse_int(text).map(|integer| integer.to_string()).or_else(|| truncate(text));
            (delay, "not a number of seconds", "a number")
        }
        RetryDelays if parse(text) == Some(Json::Unsupported) => return Err(InvalidValue::Unsupported),
        RetryDelays => (retry_delays(text), "not a number of seconds", "a number, or a list of numbers in brackets"),
        _ => return value::normalize(kind, text),
    };
    value.map(Some).ok_or(InvalidValue::Rejected { problem, correction })
}

/// Returns a number without its fraction. Prefect 2 reads its settings twice, and truncates the number the second time.
fn truncate(text: &str) -> Option<String> {
    let number = parse_float(text)?;
    // Adding zero turns -0.0 into 0.0, because Python's integers have no negative zero.
    Some(if number.is_finite() { format!("{:.0}", number.trunc() + 0.0) } else { repr_float(number) })
}

/// Formats retry delays like Prefect: a number as a Python float, and a JSON array of numbers as a Python list. Returns
/// `None` if `text` is neither.
fn retry_delays(text: &str) -> Option<String> {
    match parse(text).unwrap_or_else(|| Json::Str(text.to_owned())) {
        Json::List(items) => {
            let numbers = items.into_iter().map(|item| as_float(item, parse_float).map(repr_float));
            Some(format!("[{}]", numbers.collect::<Option<Vec<_>>>()?.join(", ")))
        }
        json => as_float(json, parse_float).map(repr_float),
    }
}

/// All settings of Prefect 2, in the order in which it exports them. Earlier versions have fewer settings.
#[rustfmt::skip] // one setting per line
pub static PREFECT_2_SETTINGS: [Setting; 163] = [
    setting("HOME", Path),
    setting("EXTRA_ENTRYPOINTS", Text),
    setting("DEBUG_MODE", Bool),
    setting("CLI_COLORS", Bool),
    setting("CLI_PROMPT", Bool),
    setting("CLI_WRAP_LINES", Bool),
    setting("TEST_MODE", Bool),
    setting("UNIT_TEST_MODE", Bool),
    setting("UNIT_TEST_LOOP_DEBUG", Bool),
    setting("TEST_SETTING", Text),
    setting("API_TLS_INSECURE_SKIP_VERIFY", Bool),
    setting("API_SSL_CERT_FILE", Text),
    setting("API_URL", Text),
    setting("SILENCE_API_URL_MISCONFIGURATION", Bool),
    setting("API_KEY", Secret),
    setting("API_ENABLE_HTTP2", Bool),
    setting("CLIENT_MAX_RETRIES", Int(Any)),
    setting("CLIENT_RETRY_JITTER_FACTOR", Float(Any)),
    setting("CLIENT_RETRY_EXTRA_CODES", Text),
    setting("CLIENT_CSRF_SUPPORT_ENABLED", Bool),
    setting("CLOUD_API_URL", Text),
    setting("CLOUD_URL", Text),
    setting("UI_URL", Text),
    setting("CLOUD_UI_URL", Text),
    setting("API_REQUEST_TIMEOUT", Float(Any)),
    setting("EXPERIMENTAL_WARN", Bool),
    setting("PROFILES_PATH", Path),
    setting("RESULTS_DEFAULT_SERIALIZER", Text),
    setting("RESULTS_PERSIST_BY_DEFAULT", Bool),
    setting("TASKS_REFRESH_CACHE", Bool),
    setting("TASK_DEFAULT_RETRIES", Int(Any)),
    setting("FLOW_DEFAULT_RETRIES", Int(Any)),
    setting("FLOW_DEFAULT_RETRY_DELAY_SECONDS", RetryDelay),
    setting("TASK_DEFAULT_RETRY_DELAY_SECONDS", RetryDelays),
    setting("TASK_RUN_TAG_CONCURRENCY_SLOT_WAIT_SECONDS", Int(Any)),
    setting("LOCAL_STORAGE_PATH", Path),
    setting("MEMO_STORE_PATH", Path),
    setting("MEMOIZE_BLOCK_AUTO_REGISTRATION", Bool),
    setting("LOGGING_LEVEL", LogLevel),
    setting("LOGGING_INTERNAL_LEVEL", Text),
    setting("LOGGING_SERVER_LEVEL", LogLevel),
    setting("LOGGING_SETTINGS_PATH", Path),
    setting("LOGGING_EXTRA_LOGGERS", Text),
    setting("LOGGING_LOG_PRINTS", Bool),
    setting("LOGGING_TO_API_ENABLED", Bool),
    setting("LOGGING_TO_API_BATCH_INTERVAL", Float(Any)),
    setting("LOGGING_TO_API_BATCH_SIZE", Int(Any)),
    setting("LOGGING_TO_API_MAX_LOG_SIZE", Int(Any)),
    setting("LOGGING_TO_API_WHEN_MISSING_FLOW", OneOf(&["warn", "error", "ignore"])),
    setting("SQLALCHEMY_POOL_SIZE", Int(Any)),
    setting("SQLALCHEMY_MAX_OVERFLOW", Int(Any)),
    setting("LOGGING_COLORS", Bool),
    setting("LOGGING_MARKUP", Bool),
    setting("TASK_INTROSPECTION_WARN_THRESHOLD", Float(Any)),
    setting("AGENT_QUERY_INTERVAL", Float(Any)),
    setting("AGENT_PREFETCH_SECONDS", Int(Any)),
    setting("ASYNC_FETCH_STATE_RESULT", Bool),
    setting("API_BLOCKS_REGISTER_ON_START", Bool),
    setting("API_DATABASE_PASSWORD", Secret),
    setting("API_DATABASE_CONNECTION_URL", Secret),
    setting("API_DATABASE_ECHO", Bool),
    setting("API_DATABASE_MIGRATE_ON_START", Bool),
    setting("API_DATABASE_TIMEOUT", Float(Any)),
    setting("API_DATABASE_CONNECTION_TIMEOUT", Float(Any)),
    setting("API_SERVICES_SCHEDULER_LOOP_SECONDS", Float(Any)),
    setting("API_SERVICES_SCHEDULER_DEPLOYMENT_BATCH_SIZE", Int(Any)),
    setting("API_SERVICES_SCHEDULER_MAX_RUNS", Int(Any)),
    setting("API_SERVICES_SCHEDULER_MIN_RUNS", Int(Any)),
    setting("API_SERVICES_SCHEDULER_MAX_SCHEDULED_TIME", TimeDelta),
    setting("API_SERVICES_SCHEDULER_MIN_SCHEDULED_TIME", TimeDelta),
    setting("API_SERVICES_SCHEDULER_INSERT_BATCH_SIZE", Int(Any)),
    setting("API_SERVICES_LATE_RUNS_LOOP_SECONDS", Float(Any)),
    setting("API_SERVICES_LATE_RUNS_AFTER_SECONDS", TimeDelta),
    setting("API_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS", Float(Any)),
    setting("API_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS", Float(Any)),
    setting("API_SERVICES_FOREMAN_ENABLED", Bool),
    setting("API_SERVICES_FOREMAN_LOOP_SECONDS", Float(Any)),
    setting("API_SERVICES_FOREMAN_INACTIVITY_HEARTBEAT_MULTIPLE", Int(Any)),
    setting("API_SERVICES_FOREMAN_FALLBACK_HEARTBEAT_INTERVAL_SECONDS", Int(Any)),
    setting("API_SERVICES_FOREMAN_DEPLOYMENT_LAST_POLLED_TIMEOUT_SECONDS", Int(Any)),
    setting("API_SERVICES_FOREMAN_WORK_QUEUE_LAST_POLLED_TIMEOUT_SECONDS", Int(Any)),
    setting("API_DEFAULT_LIMIT", Int(Any)),
    setting("SERVER_API_HOST", Text),
    setting("SERVER_API_PORT", Int(Any)),
    setting("SERVER_API_KEEPALIVE_TIMEOUT", Int(Any)),
    setting("SERVER_CSRF_PROTECTION_ENABLED", Bool),
    setting("SERVER_CSRF_TOKEN_EXPIRATION", TimeDelta),
    setting("SERVER_CORS_ALLOWED_ORIGINS", Text),
    setting("SERVER_CORS_ALLOWED_METHODS", Text),
    setting("SERVER_CORS_ALLOWED_HEADERS", Text),
    setting("UI_ENABLED", Bool),
    setting("UI_API_URL", Text),
    setting("SERVER_ANALYTICS_ENABLED", Bool),
    setting("API_SERVICES_SCHEDULER_ENABLED", Bool),
    setting("API_SERVICES_LATE_RUNS_ENABLED", Bool),
    setting("API_SERVICES_FLOW_RUN_NOTIFICATIONS_ENABLED", Bool),
    setting("API_SERVICES_PAUSE_EXPIRATIONS_ENABLED", Bool),
    setting("API_TASK_CACHE_KEY_MAX_LENGTH", Int(Any)),
    setting("API_SERVICES_CANCELLATION_CLEANUP_ENABLED", Bool),
    setting("API_MAX_FLOW_RUN_GRAPH_NODES", Int(Any)),
    setting("API_MAX_FLOW_RUN_GRAPH_ARTIFACTS", Int(Any)),
    setting("EXPERIMENTAL_ENABLE_ARTIFACTS_ON_FLOW_RUN_GRAPH", Bool),
    setting("EXPERIMENTAL_ENABLE_STATES_ON_FLOW_RUN_GRAPH", Bool),
    setting("EXPERIMENTAL_ENABLE_WORK_POOLS", Bool),
    setting("EXPERIMENTAL_WARN_WORK_POOLS", Bool),
    setting("EXPERIMENTAL_ENABLE_WORKERS", Bool),
    setting("EXPERIMENTAL_WARN_WORKERS", Bool),
    setting("EXPERIMENTAL_WARN_VISUALIZE", Bool),
    setting("EXPERIMENTAL_ENABLE_ENHANCED_CANCELLATION", Bool),
    setting("EXPERIMENTAL_WARN_ENHANCED_CANCELLATION", Bool),
    setting("EXPERIMENTAL_ENABLE_DEPLOYMENT_STATUS", Bool),
    setting("EXPERIMENTAL_WARN_DEPLOYMENT_STATUS", Bool),
    setting("EXPERIMENTAL_FLOW_RUN_INPUT", Bool),
    setting("EXPERIMENTAL_WARN_FLOW_RUN_INPUT", Bool),
    setting("EXPERIMENTAL_EVENTS", Bool),
    setting("RUNNER_PROCESS_LIMIT", Int(Any)),
    setting("RUNNER_POLL_FREQUENCY", Int(Any)),
    setting("RUNNER_SERVER_MISSED_POLLS_TOLERANCE", Int(Any)),
    setting("RUNNER_SERVER_HOST", Text),
    setting("RUNNER_SERVER_PORT", Int(Any)),
    setting("RUNNER_SERVER_LOG_LEVEL", Text),
    setting("RUNNER_SERVER_ENABLE", Bool),
    setting("DEPLOYMENT_SCHEDULE_MAX_SCHEDULED_RUNS", Int(Any)),
    setting("WORKER_HEARTBEAT_SECONDS", Float(Any)),
    setting("WORKER_QUERY_SECONDS", Float(Any)),
    setting("WORKER_PREFETCH_SECONDS", Float(Any)),
    setting("WORKER_WEBSERVER_HOST", Text),
    setting("WORKER_WEBSERVER_PORT", Int(Any)),
    setting("TASK_SCHEDULING_DEFAULT_STORAGE_BLOCK", Text),
    setting("TASK_SCHEDULING_DELETE_FAILED_SUBMISSIONS", Bool),
    setting("TASK_SCHEDULING_MAX_SCHEDULED_QUEUE_SIZE", Int(Any)),
    setting("TASK_SCHEDULING_MAX_RETRY_QUEUE_SIZE", Int(Any)),
    setting("TASK_SCHEDULING_PENDING_TASK_TIMEOUT", TimeDelta),
    setting("EXPERIMENTAL_ENABLE_EXTRA_RUNNER_ENDPOINTS", Bool),
    setting("EXPERIMENTAL_ENABLE_ARTIFACTS", Bool),
    setting("EXPERIMENTAL_WARN_ARTIFACTS", Bool),
    setting("EXPERIMENTAL_ENABLE_WORKSPACE_DASHBOARD", Bool),
    setting("EXPERIMENTAL_WARN_WORKSPACE_DASHBOARD", Bool),
    setting("EXPERIMENTAL_ENABLE_TASK_SCHEDULING", Bool),
    setting("EXPERIMENTAL_ENABLE_WORK_QUEUE_STATUS", Bool),
    setting("EXPERIMENTAL_ENABLE_NEW_ENGINE", Bool),
    setting("EXPERIMENTAL_DISABLE_SYNC_COMPAT", Bool),
    setting("DEFAULT_RESULT_STORAGE_BLOCK", Text),
    setting("DEFAULT_WORK_POOL_NAME", Text),
    setting("DEFAULT_DOCKER_BUILD_NAMESPACE", Text),
    setting("UI_SERVE_BASE", Text),
    setting("UI_STATIC_DIRECTORY", Text),
    setting("MESSAGING_BROKER", Text),
    setting("MESSAGING_CACHE", Text),
    setting("EVENTS_MAXIMUM_LABELS_PER_RESOURCE", Int(Any)),
    setting("EVENTS_MAXIMUM_RELATED_RESOURCES", Int(Any)),
    setting("EVENTS_MAXIMUM_SIZE_BYTES", Int(Any)),
    setting("API_SERVICES_EVENT_LOGGER_ENABLED", Bool),
    setting("API_SERVICES_TRIGGERS_ENABLED", Bool),
    setting("EVENTS_EXPIRED_BUCKET_BUFFER", TimeDelta),
    setting("EVENTS_PROACTIVE_GRANULARITY", TimeDelta),
    setting("API_SERVICES_EVENT_PERSISTER_ENABLED", Bool),
    setting("API_SERVICES_EVENT_PERSISTER_BATCH_SIZE", Int(MoreThan(0))),
    setting("API_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL", Float(MoreThan(0))),
    setting("EVENTS_RETENTION_PERIOD", TimeDelta),
    setting("API_EVENTS_STREAM_OUT_ENABLED", Bool),
    setting("API_EVENTS_RELATED_RESOURCE_CACHE_TTL", TimeDelta),
    setting("RUN_ON_COMPLETION_HOOKS_ON_CACHED", Bool),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizes_values_as_pydantic_1_does() {
        for (kind, text, expected) in [
            (Bool, "ON", Some("True")),
            (Bool, "", None),
            (Int(Any), " 1_0", Some("10")),
            (Int(Any), "5.0", None),
            (Int(MoreThan(0)), "0", None),
            (Float(Any), "5", Some("5.0")),
            (Float(Any), "inf", Some("inf")),
            (LogLevel, "warn", Some("WARN")),
            (LogLevel, "note", None),
            (Path, "~/a//b", Some("~/a/b")),
            (TimeDelta, "300", Some("0:05:00")),
            (TimeDelta, "PT1H30M", Some("1:30:00")),
            (RetryDelay, "5", Some("5")),
            (RetryDelay, "5.5", Some("5")),
            (RetryDelay, "-0.5", Some("0")),
            (RetryDelay, "1e30", Some("1000000000000000019884624838656")),
            (RetryDelay, "nan", Some("nan")),
            (RetryDelays, "5", Some("5.0")),
            (RetryDelays, "[1, true]", Some("[1.0, 1.0]")),
            (RetryDelays, "1,2", None),
            (OneOf(&["warn", "error"]), "error", Some("error")),
        ] {
            assert_eq!(normalize(kind, text).ok().flatten().as_deref(), expected, "{kind:?}: {text}");
        }
    }
}
