//! Parses the options that a program is started with.

use clap::{Arg, ArgAction, ArgMatches, Command};
use jobplate_diagnostic::{Error, Result};

use super::start::Program;
use crate::pyvalue::environ::Resolved;
use crate::pyvalue::source::{Location, locate};

/// The options that a program is started with.
#[derive(Debug)]
pub(crate) struct Options(ArgMatches);

impl Options {
    /// Parses words as options of a program. Errors point to `location`.
    ///
    /// # Errors
    /// Fails if the program does not accept the words.
    pub(super) fn parse(program: &Program, words: &[Resolved], location: &Location) -> Result<Self> {
        let command = Command::new("start").no_binary_name(true).disable_help_flag(true).args_override_self(true);
        let options = program.options.iter().map(|(long, short, is_repeatable)| {
            let action = if *is_repeatable { ArgAction::Append } else { ArgAction::Set };
            Arg::new(*long).long(*long).short(*short).allow_hyphen_values(true).action(action)
        });
        let switches = program.switches.iter();
        let switches = switches.map(|long| Arg::new(*long).long(*long).action(ArgAction::SetTrue));
        let matches = command.args(options).args(switches).try_get_matches_from(words.iter().map(Resolved::as_str));
        matches.map(Options).map_err(|_| {
            let start = program.command.join(" ");
            let error = Error::input(format!("`{start}` takes no such options"));
            locate(error.hint(format!("look at `{start} --help`")), Some(location))
        })
    }

    /// Returns the value of the option whose long name is `name`, or `None` if it is not set.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.get_one::<String>(name).map(String::as_str)
    }

    /// Returns the values of the repeatable option whose long name is `name`, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.0.get_many::<String>(name).into_iter().flatten().map(String::as_str).collect()
    }

    /// Returns whether the switch whose long name is `switch` is set.
    pub(crate) fn is_on(&self, switch: &str) -> bool {
        self.0.get_flag(switch)
    }
}
