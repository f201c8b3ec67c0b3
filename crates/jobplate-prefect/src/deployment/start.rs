//! Programs of Prefect: the command and the options that they are started with.

use std::ops::Range;

use crate::generation::{self, Generation};

/// A program of Prefect that a container can run: an agent or a worker.
#[derive(Debug)]
pub struct Program {
    /// The generation of Prefect that it is part of.
    pub generation: Generation,
    /// The command that starts it.
    pub start: &'static [&'static str],
    /// The noun for the program in messages.
    pub name: &'static str,
    /// The message if several containers of a manifest run the program.
    pub several_error: &'static str,
    /// The message if no container of a manifest runs the program.
    pub missing_error: &'static str,
    /// The hint if the container starts something else.
    pub other_command_hint: &'static str,
    /// Its options with a value: the long name, the short name, and whether it can be repeated.
    pub options: &'static [(&'static str, Option<char>, bool)],
    /// Its options without a value.
    pub switches: &'static [&'static str],
}

/// Finds the command that starts a program (`start`) among the words of a command line. Returns the range of the options
/// between `prefect` and the rest of the command, and the position after the command.
pub(super) fn find_start(start: &[&str], words: &[&str]) -> Option<(Range<usize>, usize)> {
    (0..words.len()).filter(|at| generation::is_prefect(words[*at])).find_map(|at| {
        let command = at + 1 + generation::count_global_options(&words[at + 1..]);
        let end = command + start.len() - 1;
        (words.get(command..end)? == &start[1..]).then_some((at + 1..command, end))
    })
}
