//! Checks for settings that prevent Prefect 1 from starting.

use std::sync::LazyLock;

use jobplate_diagnostic::{Error, Result};
use num_bigint::BigInt;
use regex_lite::Regex;

use super::config::Config;
use super::defaults::RESERVED_KEYS;
use crate::kwargs::iterate;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate;

/// Fails if the configuration prevents Prefect from starting.
pub(super) fn check_config(arena: &mut Arena, config: Config) -> Result<()> {
    check_keys(arena, config.root())?;
    check_settings(arena, config)
}

/// Fails if a key is an attribute of Prefect's `Config` class. Prefect cannot be imported with such a key.
fn check_keys(arena: &Arena, section: ValueId) -> Result<()> {
    for (key, value) in arena.as_dict(section).unwrap_or_default() {
        if let Some(name) = arena.as_str(*key)
            && RESERVED_KEYS.contains(&name)
        {
            let error = Error::input(format!("Prefect cannot start: no setting or secret can be called `{name}`"));
            return Err(locate(error.hint("choose another name"), arena.location(*value).or(arena.location(*key))));
        }
        check_keys(arena, *value)?;
    }
    Ok(())
}

/// Fails if a setting prevents Prefect's agent from starting.
fn check_settings(arena: &mut Arena, config: Config) -> Result<()> {
    let fail = |arena: &Arena, setting: &str, problem: &str| {
        let error = Error::input(format!("Prefect cannot start: its setting `{setting}` {problem}"));
        Err(locate(error, config.get(arena, setting).and_then(|value| arena.location(value))))
    };
    for section in REQUIRED_SECTIONS {
        if config.get(arena, section).is_none_or(|value| arena.as_dict(value).is_none()) {
            return fail(arena, section, "must be a section");
        }
    }
    for section in ["context", "context.config"] {
        if config.get(arena, section).is_some_and(|value| arena.as_dict(value).is_none()) {
            return fail(arena, section, "must be a section");
        }
    }
    if let Some(Value::Int(seconds)) = config.get(arena, "tasks.defaults.retry_delay").map(|delay| arena.get(delay))
        && seconds.magnitude() >= BigInt::from(MAX_SECONDS).magnitude()
    {
        return fail(arena, "tasks.defaults.retry_delay", "is longer than Python can count");
    }
    if config.get(arena, "home_dir").is_none_or(|value| !matches!(arena.get(value), Value::Str(_) | Value::Unknown(_)))
    {
        return fail(arena, "home_dir", "must be a string");
    }
    let is_logging_format = |format: ValueId| match arena.get(format) {
        Value::Unknown(_) => true,
        Value::Str(text) => LOGGING_FIELD.as_ref().is_some_and(|pattern| pattern.is_match(text)),
        _ => false,
    };
    if config.get(arena, "logging.format").is_some_and(|format| arena.is_truthy(format) && !is_logging_format(format)) {
        return fail(arena, "logging.format", "is not a valid Python logging format");
    }
    if let Some(loggers) = config.get(arena, "logging.extra_loggers") {
        let names = iterate(arena, loggers, "`logging.extra_loggers`")?;
        if names
            .iter()
            .any(|name| arena.is_truthy(*name) && !matches!(arena.get(*name), Value::Str(_) | Value::Unknown(_)))
        {
            return fail(arena, "logging.extra_loggers", "must be a list of strings");
        }
    }
    check_level(arena, config, "logging.level")?;
    Ok(())
}

/// The exclusive upper limit of the seconds in a `timedelta`.
const MAX_SECONDS: i64 = 1_000_000_000 * 86_400;

/// The sections that Prefect reads when it starts.
const REQUIRED_SECTIONS: [&str; 8] =
    ["cloud", "cloud.agent", "flows", "flows.defaults", "flows.defaults.storage", "logging", "tasks", "tasks.defaults"];

/// A pattern for a field of a Python logging format. Python requires at least one field.
static LOGGING_FIELD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"%\([a-zA-Z_][0-9A-Za-z_]*\)[#0+ -]*(\*|\d+)?(\.(\*|\d+))?[diouxefgcrsaDIOUXEFGCRSA%]").ok()
});

/// Fails if a setting is neither a number nor the name of a Python logging level.
pub(super) fn check_level(arena: &Arena, config: Config, setting: &str) -> Result<()> {
    const LEVELS: [&str; 8] = ["CRITICAL", "FATAL", "ERROR", "WARN", "WARNING", "INFO", "DEBUG", "NOTSET"];
    let Some(level) = config.get(arena, setting) else {
        let section = setting.rsplit_once('.').and_then(|(section, _)| config.get(arena, section));
        let error = Error::input(format!("Prefect cannot start: it has no setting `{setting}`"));
        return Err(locate(error, section.and_then(|section| arena.location(section))));
    };
    let is_level = match arena.get(level) {
        Value::Int(_) | Value::Bool(_) | Value::Unknown(_) => true,
        Value::Str(name) => LEVELS.contains(&name.as_str()),
        _ => false,
    };
    if is_level {
        return Ok(());
    }
    let error = Error::input(format!("Prefect cannot start: `{setting}` is not a logging level"));
    Err(locate(error.hint("use DEBUG, INFO, WARNING, ERROR or CRITICAL"), arena.location(level)))
}
