//! What may come next on a command line: for shells, which ask through the script of `jobplate completion`, and
//! for kubectl, which asks a program named `kubectl_complete-jobplate`.
//!
//! Commands and flags are clap's to complete. What their values can be is looked for in the files that are named
//! on the line so far (`files`), and in the cluster only where the environment asks for that (`cluster`). Whatever
//! can't be read is left out in silence: a person is typing. No value of a variable is ever offered, nor a key.

#[cfg(feature = "cluster")]
mod cluster;
mod files;
mod line;
mod offers;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap_complete::engine::{CompletionCandidate, complete};

use self::line::Line;
use super::args;
use super::output::to_stdout;
use crate::render::write_error;

/// The environment variable by which a shell asks; it names the shell.
const VARIABLE: &str = "JOBPLATE_COMPLETE";

/// kubectl is to offer no files of its own, and to put no blank behind what is not yet complete (cobra's
/// `ShellCompDirectiveNoFileComp` and `NoSpace`).
const NO_FILES: u32 = 4;
const NO_SPACE: u32 = 2;

/// The shell that asks, if one does.
pub(super) fn asking_shell() -> Option<String> {
    std::env::var(VARIABLE).ok().filter(|shell| !shell.is_empty())
}

/// Answers a shell: a candidate a line, and behind a tab what it is. `args` are those of the script: behind `--`
/// the words of the line, the last of them the one to complete.
pub(super) fn for_shell(shell: &str, args: &[OsString]) -> ExitCode {
    let words: Vec<OsString> = args.iter().skip_while(|word| *word != "--").skip(1).cloned().collect();
    quietly(|out| {
        if shell != "bash" {
            return Line { words }.candidates().iter().try_for_each(|candidate| print(candidate, out));
        }
        let Some((line, kept)) = Line::of_bash(&words) else { return Ok(()) };
        line.candidates().iter().try_for_each(|candidate| {
            let value = candidate.get_value().to_string_lossy();
            writeln!(out, "{}", quoted(value.get(kept..).unwrap_or_default()))
        })
    })
}

/// Answers kubectl: `args` are the program and the words behind `kubectl jobplate`, the last of them the one to
/// complete.
pub(super) fn for_kubectl(args: &[OsString]) -> ExitCode {
    let mut words = args.to_vec();
    words.resize_with(words.len().max(2), OsString::new);
    quietly(|out| {
        let mut candidates = Line { words }.candidates();
        // Its script puts them into the line as they are, and files may have any name.
        candidates.retain(|candidate| candidate.get_value().to_str().is_some_and(is_plain));
        candidates.iter().try_for_each(|candidate| print(candidate, out))?;
        let is_partial = |candidate: &CompletionCandidate| {
            candidate.get_value().as_encoded_bytes().last().is_some_and(|last| b"=/:".contains(last))
        };
        let no_space = if candidates.iter().any(is_partial) { NO_SPACE } else { 0 };
        writeln!(out, ":{}", NO_FILES | no_space)
    })
}

/// A text that a shell takes as it is.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || "-._/:=@+,%".contains(c))
}

/// A text as a word of bash, which puts into the line what it gets.
fn quoted(text: &str) -> String {
    let quote = |c: char| if is_plain(c.encode_utf8(&mut [0; 4])) { vec![c] } else { vec!['\\', c] };
    text.chars().flat_map(quote).collect()
}

fn print(candidate: &CompletionCandidate, out: &mut dyn Write) -> io::Result<()> {
    let value = candidate.get_value().to_string_lossy();
    match candidate.get_help().map(ToString::to_string) {
        Some(help) => writeln!(out, "{value}\t{}", help.lines().next().unwrap_or_default()),
        None => writeln!(out, "{value}"),
    }
}

impl Line {
    /// What may stand in the place of the last word.
    fn candidates(self) -> Vec<CompletionCandidate> {
        let Some(last) = self.words.len().checked_sub(1) else { return Vec::new() };
        let folder = std::env::current_dir().ok();
        // It knows what the values of its flags can be.
        let mut command = offers::attach(args::command("jobplate"), &self);
        complete(&mut command, self.words, last, folder.as_deref()).unwrap_or_default()
    }
}

/// Whatever goes wrong, nothing is said.
fn quietly(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> ExitCode {
    let written = to_stdout(|out| write(out).map_err(|error| write_error(&error)));
    written.unwrap_or(ExitCode::SUCCESS)
}
