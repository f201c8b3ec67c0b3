//! What may come next on a command line: for shells, which ask through the script of `jobplate completion`, and
//! for kubectl, which asks a program named `kubectl_complete-jobplate`.
//!
//! Commands and flags are clap's to complete. What their values can be is looked for in the files that are named
//! on the line so far (`files`), and in the cluster only where the environment asks for that (`cluster`). Whatever
//! can't be read is left out in silence: a person is typing. No value of a variable is ever offered, nor a key.
//!
//! | file | decides |
//! |---|---|
//! | `line` | which words of an unfinished command line count |
//! | `offers` | which values each flag can have |
//! | `files` | what the files on the line offer: objects, containers, variables, Secrets, ConfigMaps |
//! | `cluster` | what a kubeconfig and a cluster offer |

#[cfg(feature = "cluster")]
mod cluster;
mod files;
mod line;
mod offers;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap_complete::engine::{CompletionCandidate, complete};
use jobplate_diagnostic::output_error;

use self::line::Line;
use crate::ui::Ui;

/// The environment variable by which a shell asks; it names the shell.
const VARIABLE: &str = "JOBPLATE_COMPLETE";

/// What kubectl is to do: offer files of its own or only those with these extensions, offer none, put no blank
/// behind what is not yet complete (cobra's `ShellCompDirective`s `Default`, `FilterFileExt`, `NoFileComp` and
/// `NoSpace`).
const ANY_FILE: u32 = 0;
const THESE_FILES: u32 = 8;
const NO_FILES: u32 = 4;
const NO_SPACE: u32 = 2;

/// The shell that asks, if one does.
pub(crate) fn asking_shell() -> Option<String> {
    std::env::var(VARIABLE).ok().filter(|shell| !shell.is_empty())
}

/// Answers a shell: a candidate a line, and behind a tab what it is. `args` are those of the script: behind `--`
/// the words of the line, the last of them the one to complete.
pub(crate) fn for_shell(shell: &str, args: &[OsString], ui: &Ui) -> ExitCode {
    let words: Vec<OsString> = args.iter().skip_while(|word| *word != "--").skip(1).cloned().collect();
    quietly(ui, |out| {
        if shell != "bash" {
            return Line { words }.candidates(ui).0.iter().try_for_each(|candidate| print(candidate, 0, out));
        }
        let Some((line, kept)) = Line::of_bash(&words) else { return Ok(()) };
        line.candidates(ui).0.iter().try_for_each(|candidate| {
            let value = candidate.get_value().to_string_lossy();
            writeln!(out, "{}", quoted(value.get(kept..).unwrap_or_default()))
        })
    })
}

/// Answers kubectl: `args` are the program and the words behind `kubectl jobplate`, the last of them the one to
/// complete.
pub(crate) fn for_kubectl(args: &[OsString], ui: &Ui) -> ExitCode {
    let mut words = args.to_vec();
    words.resize_with(words.len().max(2), OsString::new);
    quietly(ui, |out| {
        let last = words.last().and_then(|word| word.to_str()).unwrap_or_default().to_owned();
        let (mut candidates, wants_file) = Line { words }.candidates(ui);
        if let (Some(extensions), false) = (wants_file, last.starts_with('-')) {
            // Its shells know best how names of files are written.
            extensions.iter().try_for_each(|extension| writeln!(out, "{extension}"))?;
            return writeln!(out, ":{}", if extensions.is_empty() { ANY_FILE } else { THESE_FILES });
        }
        // Its script puts them into the line as they are.
        candidates.retain(|candidate| candidate.get_value().to_str().is_some_and(is_plain));
        // And cuts `--flag=` off before it compares.
        let flag = if last.starts_with('-') { last.find('=').map_or(0, |at| at + 1) } else { 0 };
        for candidate in &candidates {
            print(candidate, flag, out)?;
        }
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
    if let Some(rest) = text.strip_prefix("~/") {
        return format!("~/{}", quoted(rest));
    }
    let quote = |c: char| if is_plain(c.encode_utf8(&mut [0; 4])) { vec![c] } else { vec!['\\', c] };
    text.chars().flat_map(quote).collect()
}

/// Prints a candidate from one of its bytes on, and what it is.
fn print(candidate: &CompletionCandidate, from: usize, out: &mut dyn Write) -> io::Result<()> {
    let value = candidate.get_value().to_string_lossy();
    let value = value.get(from..).unwrap_or_default();
    match candidate.get_help().map(ToString::to_string) {
        Some(help) => writeln!(out, "{value}\t{}", help.lines().next().unwrap_or_default()),
        None => writeln!(out, "{value}"),
    }
}

impl Line {
    /// What may stand in the place of the last word; and, where that is a file, the extensions that it may have
    /// (none: any).
    fn candidates(mut self, ui: &Ui) -> (Vec<CompletionCandidate>, Option<&'static [&'static str]>) {
        let Some(last) = self.words.len().checked_sub(1) else { return Default::default() };
        let folder = std::env::current_dir().ok();
        // It knows what the values of its flags can be.
        let mut command = offers::attach((ui.command_line)(ui.invocation.program_name()), &self);
        let is_flag = self.words[last].as_encoded_bytes().starts_with(b"-");
        if self.words[last] == "-" {
            // Long flags say what they are.
            self.words[last] = OsString::from("--");
        }
        let mut found = complete(&mut command.0, self.words, last, folder.as_deref()).unwrap_or_default();
        let is_value = |candidate: &CompletionCandidate| !candidate.get_value().as_encoded_bytes().starts_with(b"-");
        if !is_flag && found.iter().any(is_value) {
            // Flags are for those who have begun one.
            found.retain(|candidate| is_value(candidate) || candidate.get_value() == "-");
        }
        (found, command.1.get().copied())
    }
}

/// Whatever goes wrong, nothing is said.
fn quietly(ui: &Ui, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> ExitCode {
    let written = ui.print(|out| write(out).map_err(|error| output_error(&error)));
    written.unwrap_or(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::command_line;
    use crate::ui::invocation::Invocation;

    /// A flag without its value is an error of the line, and what follows it still counts.
    #[test]
    fn an_incomplete_line_names_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        std::fs::write(&file, "kind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n").unwrap();
        let words = ["jobplate", "render", "--target", "-f", file.to_str().unwrap(), "-c", ""];
        let line = Line { words: words.map(OsString::from).to_vec() };
        let (offered, _) = line.candidates(&Ui::from_environment(Invocation::Program, command_line));
        let values: Vec<_> = offered.iter().map(CompletionCandidate::get_value).collect();
        assert_eq!(values, ["flow"]);
    }
}
