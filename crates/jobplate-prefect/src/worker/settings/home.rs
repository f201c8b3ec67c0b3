//! Prefect's home, and the profiles there, of a worker whose files are those of its image.

use jobplate_diagnostic::Result;

use super::read::failed;
use super::value::{Fault, path};
use crate::pyvalue::environ::{Environ, EnvironVar, Resolved};

/// The variable that names the active profile.
pub(crate) const PROFILE: &str = "PREFECT_PROFILE";

/// Whether Prefect brings a profile of this name.
pub(crate) fn has_profile(name: &str) -> bool {
    profile(name).is_some()
}

/// The profiles that Prefect brings: one of them is active where the worker has none of its own.
fn profile(name: &str) -> Option<&'static [(&'static str, &'static str)]> {
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

/// The profile that is active where nobody asks for one that is there.
const EPHEMERAL: &[(&str, &str)] = &[("SERVER_EPHEMERAL_ENABLED", "true")];

/// The profile of a worker whose files are those of its image. The variables that tell of it have no other case.
pub(super) fn active_profile(environ: &Environ) -> Result<&'static [(&'static str, &'static str)]> {
    let is_set = |name: &&str| environ.get(name).is_some_and(|own| !own.value.as_str().is_empty());
    if TEST_MODES.iter().any(is_set) {
        return Ok(&[]);
    }
    if let Some(variable @ EnvironVar { value: Resolved::Text(text), .. }) = environ.get("PREFECT_PROFILES_PATH")
        && !text.is_empty()
    {
        no_folder(variable, text)?;
    }
    // Where no such file is, the active profile of Prefect's own is taken, and not the one that is asked for.
    let is_elsewhere = ["PREFECT_PROFILES_PATH", "PREFECT_HOME"].iter().any(is_set);
    let asked = environ.get(PROFILE).filter(|_| !is_elsewhere);
    Ok(asked.and_then(|variable| profile(variable.value.as_str())).unwrap_or(EPHEMERAL))
}

/// In which no profile is read.
const TEST_MODES: [&str; 4] =
    ["PREFECT_TEST_MODE", "PREFECT_UNIT_TEST_MODE", "PREFECT_TESTING_UNIT_TEST_MODE", "PREFECT_TESTING_TEST_MODE"];

/// Prefect's home: what the variable says, or `~/.prefect`.
pub(super) fn home(environ: &Environ, variable: Option<&EnvironVar>) -> Result<Resolved> {
    let text = match variable.map(|variable| &variable.value) {
        Some(Resolved::Unknown(_)) => {
            return Ok(variable.map_or(Resolved::Text(String::new()), |own| own.value.clone()));
        }
        Some(Resolved::Text(text)) => path(text),
        None => "~/.prefect".to_owned(),
    };
    let of_user = environ.get("HOME").filter(|_| text == "~" || text.starts_with("~/"));
    let expanded = path(&environ.expand_user(&text));
    if expanded.starts_with('~') && text.starts_with('~') {
        let fault = Fault::Wrong { is: "in the home of a user who is not known here", write: "an absolute path" };
        return match variable.or(of_user) {
            Some(variable) => Err(failed(variable, &fault)),
            None => Ok(Resolved::Text(expanded)),
        };
    }
    let is_known = of_user.is_none_or(|home| matches!(home.value, Resolved::Text(_)));
    Ok(if is_known { Resolved::Text(expanded) } else { Resolved::Unknown(expanded) })
}

/// The file of profiles, with Prefect's home in it.
pub(super) fn profiles_path(variable: &EnvironVar, home: &Resolved) -> Result<Resolved> {
    const HOME: &str = "$PREFECT_HOME";
    let Resolved::Text(text) = &variable.value else { return Ok(variable.value.clone()) };
    let written = path(&text.replace(HOME, home.as_str()));
    if text.contains(HOME) && matches!(home, Resolved::Unknown(_)) {
        return Ok(Resolved::Unknown(written));
    }
    no_folder(variable, &written)?;
    Ok(Resolved::Text(written))
}

/// A path that is a folder wherever it is.
fn no_folder(variable: &EnvironVar, path: &str) -> Result<()> {
    if path.split('/').all(|part| matches!(part, "" | "." | "..")) {
        return Err(failed(variable, &Fault::Wrong { is: "a folder", write: "the path of a file" }));
    }
    Ok(())
}
