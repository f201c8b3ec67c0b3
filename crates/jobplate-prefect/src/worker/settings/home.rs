//! Prefect's home directory and profiles, for a worker that has only the files of Prefect's image.

use jobplate_diagnostic::Result;

use super::read::invalid_variable;
use super::value::InvalidValue;
use crate::pyvalue::environ::{Environ, EnvironVar, Resolved};
use crate::pyvalue::string::normalize_path;

/// The variable that names the active profile.
pub(crate) const PROFILE_VARIABLE: &str = "PREFECT_PROFILE";

/// Returns whether Prefect ships a profile named `name`.
pub(crate) fn has_profile(name: &str) -> bool {
    shipped_profile(name).is_some()
}

/// Returns the settings of the profile named `name`, without `PREFECT_`, or `None` if Prefect does not ship the profile
/// (`prefect/settings/profiles.toml`).
fn shipped_profile(name: &str) -> Option<&'static [(&'static str, &'static str)]> {
    Some(match name {
        "ephemeral" => EPHEMERAL,
        "local" => &[("API_URL", "http://127.0.0.1:4200/api")],
        "test" => {
            &[("SERVER_EPHEMERAL_ENABLED", "true"), ("SERVER_DATABASE_CONNECTION_URL", "sqlite+aiosqlite:///:memory:")]
        }
        "cloud" => &[],
        _ => return None,
    })
}

/// The settings of the profile that is active by default.
const EPHEMERAL: &[(&str, &str)] = &[("SERVER_EPHEMERAL_ENABLED", "true")];

/// Returns the settings of the active profile, or no settings in test modes. The names of the variables that select the
/// profile are case-sensitive.
///
/// # Errors
/// Fails if `PREFECT_PROFILES_PATH` is a directory.
pub(super) fn active_profile(environ: &Environ) -> Result<&'static [(&'static str, &'static str)]> {
    let is_set = |name: &&str| environ.get(name).is_some_and(|variable| !variable.value.as_str().is_empty());
    if TEST_MODES.iter().any(is_set) {
        return Ok(&[]);
    }
    if let Some(variable @ EnvironVar { value: Resolved::Text(text), .. }) = environ.get("PREFECT_PROFILES_PATH")
        && !text.is_empty()
    {
        check_is_file(variable, text)?;
    }
    // If the profiles file is missing, Prefect uses the default profile, regardless of the selected profile.
    let is_elsewhere = ["PREFECT_PROFILES_PATH", "PREFECT_HOME"].iter().any(is_set);
    let selected = environ.get(PROFILE_VARIABLE).filter(|_| !is_elsewhere);
    Ok(selected.and_then(|variable| shipped_profile(variable.value.as_str())).unwrap_or(EPHEMERAL))
}

/// The variables that enable test modes, in which Prefect does not read profiles.
const TEST_MODES: [&str; 4] =
    ["PREFECT_TEST_MODE", "PREFECT_UNIT_TEST_MODE", "PREFECT_TESTING_UNIT_TEST_MODE", "PREFECT_TESTING_TEST_MODE"];

/// Returns Prefect's home directory: the value of `variable` (`PREFECT_HOME`), or `~/.prefect` if it is `None`. Expands
/// a leading `~`.
///
/// # Errors
/// Fails if the directory is in the home directory of another user.
pub(super) fn resolve_home(environ: &Environ, variable: Option<&EnvironVar>) -> Result<Resolved> {
    let text = match variable.map(|variable| &variable.value) {
        Some(unknown @ Resolved::Unknown(_)) => return Ok(unknown.clone()),
        Some(Resolved::Text(text)) => normalize_path(text),
        None => "~/.prefect".to_owned(),
    };
    let user_home = environ.get("HOME").filter(|_| text == "~" || text.starts_with("~/"));
    let expanded = normalize_path(&environ.expand_user(&text));
    if expanded.starts_with('~') && text.starts_with('~') {
        let reason = InvalidValue::Rejected {
            problem: "in the home of a user who is not known here",
            correction: "an absolute path",
        };
        return match variable.or(user_home) {
            Some(variable) => Err(invalid_variable(variable, &reason)),
            None => Ok(Resolved::Text(expanded)),
        };
    }
    let is_known = user_home.is_none_or(|home| matches!(home.value, Resolved::Text(_)));
    Ok(if is_known { Resolved::Text(expanded) } else { Resolved::Unknown(expanded) })
}

/// Returns the path of the profiles file, with `$PREFECT_HOME` replaced.
///
/// # Errors
/// Fails if the path is a directory.
pub(super) fn profiles_path(variable: &EnvironVar, home: &Resolved) -> Result<Resolved> {
    const HOME: &str = "$PREFECT_HOME";
    let Resolved::Text(text) = &variable.value else { return Ok(variable.value.clone()) };
    let profiles = normalize_path(&text.replace(HOME, home.as_str()));
    if text.contains(HOME) && matches!(home, Resolved::Unknown(_)) {
        return Ok(Resolved::Unknown(profiles));
    }
    check_is_file(variable, &profiles)?;
    Ok(Resolved::Text(profiles))
}

/// Fails if a path is a directory on every machine, such as `/` and `..`.
fn check_is_file(variable: &EnvironVar, path: &str) -> Result<()> {
    if path.split('/').all(|part| matches!(part, "" | "." | "..")) {
        return Err(invalid_variable(
            variable,
            &InvalidValue::Rejected { problem: "a directory", correction: "the path of a file" },
        ));
    }
    Ok(())
}
