//! Programs of Prefect: the command and the options that they are started with.

use std::ops::Range;

use crate::generation::{self, Generation};

/// A program of Prefect that a container can run: an agent or a worker.
#[derive(Debug)]
pub struct Program {
    /// The generation of Prefect that the program is part of.
    pub generation: Generation,
    /// The words of the command that starts the program.
    pub command: &'static [&'static str],
    /// The noun for the program in messages.
    pub name: &'static str,
    /// The message if several containers of a manifest run the program.
    pub several_error: &'static str,
    /// The message if no container of a manifest runs the program.
    pub missing_error: &'static str,
    /// The hint if the container does not run `command`.
    pub other_command_hint: &'static str,
    /// The program's options with a value: the long name, the short name, and whether the option can be repeated.
    pub options: &'static [(&'static str, Option<char>, bool)],
    /// The long names of the program's options without a value.
    pub switches: &'static [&'static str],
    /// The options and switches that the program does not accept after its command if click parses them.
    pub unknown_to_click: &'static [&'static str],
}

/// Finds the command that starts a program (`start`) among the words of a command line. Returns the range of the
/// options between `prefect` and the rest of the command, and the index after the command. Returns `None` if the
/// command line does not start the program.
pub(super) fn find_start(start: &[&str], words: &[&str]) -> Option<(Range<usize>, usize)> {
    (0..words.len()).filter(|at| generation::is_prefect(words[*at])).find_map(|at| {
        let command = at + 1 + generation::count_global_options(&words[at + 1..]);
        let end = command + start.len() - 1;
        (words.get(command..end)? == &start[1..]).then_some((at + 1..command, end))
    })
}
