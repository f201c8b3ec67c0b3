//! How a program is started: its words and its options.

use std::ops::Range;

use crate::generation::{self, Generation};

/// A program to look for.
#[derive(Debug)]
pub struct Program {
    /// Whose it is.
    pub generation: Generation,
    /// The words that start it.
    pub start: &'static [&'static str],
    /// What errors call it.
    pub name: &'static str,
    /// The error where there are several.
    pub several_error: &'static str,
    /// The error where there is none.
    pub missing_error: &'static str,
    /// The hint where something else is started.
    pub other_command_hint: &'static str,
    /// The options with a value that it is started with: long, short, and whether they can stand several times.
    pub options: &'static [(&'static str, Option<char>, bool)],
    /// Those without a value.
    pub switches: &'static [&'static str],
}

/// Finds the words that start a program (`start`): the options between `prefect` and its command, and what is behind
/// it all.
pub(super) fn find_start(start: &[&str], words: &[&str]) -> Option<(Range<usize>, usize)> {
    (0..words.len()).filter(|at| generation::is_prefect(words[*at])).find_map(|at| {
        let command = at + 1 + generation::session_options(&words[at + 1..]);
        let behind = command + start.len() - 1;
        (words.get(command..behind)? == &start[1..]).then_some((at + 1..command, behind))
    })
}
