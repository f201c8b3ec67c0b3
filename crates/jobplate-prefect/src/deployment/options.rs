//! Parses the options that a program is started with.

use std::collections::{HashMap, HashSet};

use jobplate_diagnostic::{Error, Result};

use super::start::Program;
use crate::generation::Generation;
use crate::pyvalue::environ::Resolved;
use crate::pyvalue::source::{Location, locate};

/// The options that a program is started with.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// The values of each option, in order.
    values: HashMap<&'static str, Vec<String>>,
    switches: HashSet<&'static str>,
}

impl Options {
    /// Parses words as options of a program. Errors point to `location`.
    ///
    /// # Errors
    /// Fails if the program does not accept the words.
    pub(super) fn parse(program: &Program, words: &[Resolved], location: &Location) -> Result<Self> {
        let words: Vec<&str> = words.iter().map(Resolved::as_str).collect();
        Self::parse_words(program, &words).ok_or_else(|| Self::refuse(program, location))
    }

    /// Returns the error for options that a program does not accept.
    pub(crate) fn refuse(program: &Program, location: &Location) -> Error {
        let start = program.command.join(" ");
        let error = Error::input(format!("`{start}` takes no such options"));
        locate(error.hint(format!("look at `{start} --help`")), Some(location))
    }

    /// Parses words like click: the word after an option is its value, whatever it is. Returns `None` if the program does
    /// not accept the words.
    fn parse_words(program: &Program, words: &[&str]) -> Option<Self> {
        let mut options = Options::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let ((name, _, is_repeatable), value) = match word.strip_prefix("--") {
                Some("") => return words.next().is_none().then_some(options),
                Some(long) => {
                    let (long, value) = long.split_once('=').map_or((long, None), |(long, value)| (long, Some(value)));
                    if let Some(switch) = program.switches.iter().find(|switch| **switch == long) {
                        let is_new = options.switches.insert(switch);
                        (value.is_none() && (is_new || program.generation == Generation::Prefect1)).then_some(())?;
                        continue;
                    }
                    (program.options.iter().find(|(name, ..)| *name == long)?, value)
                }
                None => {
                    let mut chars = word.strip_prefix('-')?.chars();
                    let short = chars.next()?;
                    let value = Some(chars.as_str()).filter(|value| !value.is_empty());
                    // To click, the equals sign after a short option is part of the value.
                    let value = match program.generation {
                        Generation::Prefect1 => value,
                        Generation::Prefect2Or3 => value.map(|value| value.strip_prefix('=').unwrap_or(value)),
                    };
                    (program.options.iter().find(|(_, own, _)| *own == Some(short))?, value)
                }
            };
            let value = value.or_else(|| words.next().copied())?;
            let values = options.values.entry(name).or_default();
            // The last value counts in Prefect 1. Prefect 3 accepts one value only.
            if !values.is_empty() && !is_repeatable && program.generation == Generation::Prefect2Or3 {
                return None;
            }
            values.push(value.to_owned());
        }
        Some(options)
    }

    /// Returns the last value of the option whose long name is `name`, or `None` if it is not set.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }

    /// Returns the values of the option whose long name is `name`, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.values.get(name).into_iter().flatten().map(String::as_str).collect()
    }

    /// Returns whether the switch whose long name is `switch` is set.
    pub(crate) fn is_on(&self, switch: &str) -> bool {
        self.switches.contains(switch)
    }
}
