//! How a setting is found among the variables of a worker, and read.

use jobplate_diagnostic::{Error, Result};

use super::table::{PREFIX, Setting};
use super::value::{Fault, Written, written_again};
use crate::pyvalue::environ::{Environ, EnvironVar, Resolved};
use crate::pyvalue::json_value::{self, Json};
use crate::pyvalue::limits::UNSUPPORTED_HINT;
use crate::pyvalue::source::locate;

/// The variables of a process under their names in small letters; the case of names does not count for settings,
/// and of several that differ in it alone the last one does.
pub(super) struct Variables<'e>(Vec<(String, &'e EnvironVar)>);

impl<'e> Variables<'e> {
    pub(super) fn of(environ: &'e Environ) -> Self {
        let mut variables: Vec<&EnvironVar> = Vec::new();
        for variable in &environ.0 {
            match variables.iter_mut().find(|own| own.name == variable.name) {
                Some(own) => *own = variable,
                None => variables.push(variable),
            }
        }
        Variables(variables.into_iter().map(|variable| (variable.name.to_lowercase(), variable)).collect())
    }

    /// The variable that sets a setting, by its name or by the one that it had before.
    pub(super) fn of_setting(&self, setting: Setting) -> Option<&'e EnvironVar> {
        let find = |name: &str| {
            let name = format!("{PREFIX}{name}").to_lowercase();
            self.0.iter().rev().find(|(own, _)| *own == name).map(|(_, variable)| *variable)
        };
        find(setting.name).or_else(|| find(setting.old_name?))
    }
}

/// The value of a setting that depends on nothing else.
pub(super) fn plain(variable: &EnvironVar, kind: &str) -> Result<Option<Resolved>> {
    read_by(written_again, variable, kind)
}

/// The value of a variable by a reader of kinds; what the cluster alone knows stays as it is.
pub(super) fn read_by(
    reader: fn(&str, &str) -> Written,
    variable: &EnvironVar,
    kind: &str,
) -> Result<Option<Resolved>> {
    let Resolved::Text(text) = &variable.value else { return Ok(Some(variable.value.clone())) };
    let value = reader(kind, text).map_err(|fault| failed(variable, &fault))?;
    Ok(value.map(Resolved::Text))
}

pub(super) fn failed(variable: &EnvironVar, fault: &Fault) -> Error {
    let name = &variable.name;
    let error = match fault {
        Fault::Wrong { is, write } => Error::input(format!("the worker does not start: {name} is {is}"))
            .hint(format!("Prefect itself fails here; write {write}")),
        Fault::Odd => {
            Error::refused(format!("{name} has half a character in it, or too many brackets")).hint(UNSUPPORTED_HINT)
        }
    };
    locate(error, variable.location.as_ref())
}

/// A variable with the name of a group: empty, or settings as JSON, which nobody writes and is not followed.
pub(super) fn group(variable: &EnvironVar) -> Result<()> {
    let given = match &variable.value {
        Resolved::Text(text) => json_value::parse(text),
        Resolved::Unknown(_) => Some(Json::Map(vec![(String::new(), Json::Null)])),
    };
    match given {
        Some(Json::Map(pairs)) if !pairs.is_empty() => {
            let error = Error::refused(format!("{} sets a group of settings at once", variable.name));
            let hint = "that is not followed here: write each of them as a variable of its own";
            Err(locate(error.hint(hint), variable.location.as_ref()))
        }
        _ => plain(variable, "group").map(|_| ()),
    }
}
