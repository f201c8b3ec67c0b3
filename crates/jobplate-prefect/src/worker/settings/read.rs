//! Finds the variable that sets a setting, and reads its value.

use std::collections::HashMap;

use jobplate_diagnostic::{Error, Result};

use super::setting::{PREFIX, Setting, SettingKind};
use super::value::{InvalidValue, NormalizedValue, normalize};
use crate::pyvalue::environ::{Environ, EnvironVar, Resolved};
use crate::pyvalue::json_value::{self, Json};
use crate::pyvalue::limits::UNSUPPORTED_HINT;
use crate::pyvalue::source::locate;

/// The variables of a process that can be settings, keyed by uppercase name without `PREFECT_`.
pub(super) struct SettingVariables<'e>(HashMap<String, &'e EnvironVar>);

impl<'e> SettingVariables<'e> {
    /// Indexes the variables of an environment. Settings ignore the case of names. If the names of several variables
    /// differ only in case, the last variable has priority.
    pub(super) fn new(environ: &'e Environ) -> Self {
        let to_entry = |variable: &'e EnvironVar| {
            // Python's `lower()` converts some letters of other scripts to ASCII, so ASCII functions alone would miss
            // names.
            let name = variable.name.to_lowercase().to_ascii_uppercase();
            Some((name.strip_prefix(PREFIX)?.to_owned(), variable))
        };
        SettingVariables(environ.iter().filter_map(to_entry).collect())
    }

    /// Returns the variable that sets a setting, by the setting's current name or else its former name.
    pub(super) fn get(&self, setting: &Setting) -> Option<&'e EnvironVar> {
        self.by_name(setting.name).or_else(|| self.by_name(setting.former_name?))
    }

    /// Returns the variable of the setting named `name`, which is written without `PREFECT_`.
    pub(super) fn by_name(&self, name: &str) -> Option<&'e EnvironVar> {
        self.0.get(name).copied()
    }
}

/// Returns the value of a variable in the form that Prefect exports, or `None` if it counts as not set. A value that
/// only the cluster knows is left unchanged.
///
/// # Errors
/// Fails if the worker would not start with this value.
pub(super) fn read_value(
    variable: &EnvironVar,
    kind: SettingKind,
    normalize: fn(SettingKind, &str) -> NormalizedValue,
) -> Result<Option<Resolved>> {
    let Resolved::Text(text) = &variable.value else { return Ok(Some(variable.value.clone())) };
    let value = normalize(kind, text).map_err(|reason| invalid_variable(variable, &reason))?;
    Ok(value.map(Resolved::Text))
}

/// Returns the error for a variable whose value Prefect rejects or jobplate does not support.
pub(super) fn invalid_variable(variable: &EnvironVar, reason: &InvalidValue) -> Error {
    let name = &variable.name;
    let error = match reason {
        InvalidValue::Rejected { problem, correction } => {
            Error::input(format!("the worker does not start: {name} is {problem}"))
                .hint(format!("use {correction}: Prefect fails here too"))
        }
        InvalidValue::Unsupported => {
            Error::refused(format!("{name} has a lone surrogate, `NaN` in brackets, or too many brackets"))
                .hint(UNSUPPORTED_HINT)
        }
    };
    locate(error, variable.location.as_ref())
}

/// Checks the variable that has the name of a group of settings.
///
/// # Errors
/// Fails if the variable sets the group's settings as a JSON object, which is not supported, or if the worker would not
/// start with its value.
pub(super) fn check_group(variable: &EnvironVar) -> Result<()> {
    let sets_settings = match &variable.value {
        Resolved::Text(text) => matches!(json_value::parse(text), Some(Json::Map(pairs)) if !pairs.is_empty()),
        Resolved::Unknown(_) => true,
    };
    if sets_settings {
        let error = Error::refused(format!("{} sets a group of settings at once", variable.name));
        let hint = "jobplate does not support it: set each setting with its own variable";
        return Err(locate(error.hint(hint), variable.location.as_ref()));
    }
    read_value(variable, SettingKind::Group, normalize).map(drop)
}
