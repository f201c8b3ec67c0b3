//! Completes command lines: for shells through the script of `jobplate completion`, and for kubectl, which runs the
//! program under the name `kubectl_complete-jobplate`.
//!
//! clap completes commands and flags. Their values come from the files on the command line (`files`) and, only if the
//! environment opts in, from the cluster (`cluster`). Errors are ignored, because the user is typing. The values of
//! variables and the keys of Secrets are never offered.
//!
//! | file | decides |
//! |---|---|
//! | `line` | how an incomplete command line is parsed |
//! | `offers` | which values each flag completes |
//! | `files` | the names found in files: objects, containers, variables, Secrets, ConfigMaps |
//! | `cluster` | the names found in a kubeconfig and a cluster |

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

use self::line::CommandLine;
use crate::ui::Ui;

/// The environment variable in which a completion script passes the name of its shell.
const SHELL_VARIABLE: &str = "JOBPLATE_COMPLETE";

/// `ShellCompDirectiveDefault` of cobra: offer any file. kubectl reads a directive after the candidates.
const DIRECTIVE_DEFAULT: u32 = 0;
/// `ShellCompDirectiveNoSpace`: add no space after the value.
const DIRECTIVE_NO_SPACE: u32 = 2;
/// `ShellCompDirectiveNoFileComp`: offer no files.
const DIRECTIVE_NO_FILES: u32 = 4;
/// `ShellCompDirectiveFilterFileExt`: offer files with the printed extensions.
const DIRECTIVE_FILTER_EXTENSIONS: u32 = 8;

/// Returns the name of the shell that requests a completion, if any.
pub(crate) fn requesting_shell() -> Option<String> {
    std::env::var(SHELL_VARIABLE).ok().filter(|shell| !shell.is_empty())
}

/// Prints the candidates for a shell: one per line, followed by a tab and a description. `args` are the arguments of
/// the script; after `--` are the words of the line, of which the last is completed.
pub(crate) fn complete_for_shell(shell: &str, args: &[OsString], ui: &Ui) -> ExitCode {
    let words: Vec<OsString> = args.iter().skip_while(|word| *word != "--").skip(1).cloned().collect();
    print_silently(ui, |out| {
        if shell != "bash" {
            return CommandLine { words }
                .candidates(ui)
                .0
                .iter()
                .try_for_each(|candidate| print_candidate(candidate, 0, out));
        }
        let Some((line, kept)) = CommandLine::from_bash(&words) else { return Ok(()) };
        line.candidates(ui).0.iter().try_for_each(|candidate| {
            let value = candidate.get_value().to_string_lossy();
            writeln!(out, "{}", quote_for_bash(value.get(kept..).unwrap_or_default()))
        })
    })
}

/// Prints the candidates and a directive for kubectl. `args` are the program and the words after `kubectl jobplate`, of
/// which the last is completed.
pub(crate) fn complete_for_kubectl(args: &[OsString], ui: &Ui) -> ExitCode {
    let mut words = args.to_vec();
    words.resize_with(words.len().max(2), OsString::new);
    print_silently(ui, |out| {
        let last = words.last().and_then(|word| word.to_str()).unwrap_or_default().to_owned();
        let (mut candidates, extensions_of_file) = CommandLine { words }.candidates(ui);
        if let (Some(extensions), false) = (extensions_of_file, last.starts_with('-')) {
            // kubectl's script completes files, because it knows how the shell quotes them.
            extensions.iter().try_for_each(|extension| writeln!(out, "{extension}"))?;
            let directive = if extensions.is_empty() { DIRECTIVE_DEFAULT } else { DIRECTIVE_FILTER_EXTENSIONS };
            return writeln!(out, ":{directive}");
        }
        // kubectl's script inserts candidates without quoting them.
        candidates.retain(|candidate| candidate.get_value().to_str().is_some_and(is_shell_safe));
        // kubectl's script removes `--flag=` from the word before it compares the candidates.
        let flag = if last.starts_with('-') { last.find('=').map_or(0, |at| at + 1) } else { 0 };
        for candidate in &candidates {
            print_candidate(candidate, flag, out)?;
        }
        let is_partial = |candidate: &CompletionCandidate| {
            candidate.get_value().as_encoded_bytes().last().is_some_and(|last| b"=/:".contains(last))
        };
        let no_space = if candidates.iter().any(is_partial) { DIRECTIVE_NO_SPACE } else { 0 };
        writeln!(out, ":{}", DIRECTIVE_NO_FILES | no_space)
    })
}

/// Returns whether bash and zsh read `text`, as part of a word, unchanged without quotes.
fn is_shell_safe(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || "-._/:=@+,%".contains(c))
}

/// Quotes a word for bash, because bash inserts it into the line unchanged.
fn quote_for_bash(text: &str) -> String {
    if let Some(rest) = text.strip_prefix("~/") {
        return format!("~/{}", quote_for_bash(rest));
    }
    let quote = |c: char| if is_shell_safe(c.encode_utf8(&mut [0; 4])) { vec![c] } else { vec!['\\', c] };
    text.chars().flat_map(quote).collect()
}

/// Prints a candidate without its first `from` bytes, followed by a tab and its description.
fn print_candidate(candidate: &CompletionCandidate, from: usize, out: &mut dyn Write) -> io::Result<()> {
    let value = candidate.get_value().to_string_lossy();
    let value = value.get(from..).unwrap_or_default();
    match candidate.get_help().map(ToString::to_string) {
        Some(help) => writeln!(out, "{value}\t{}", help.lines().next().unwrap_or_default()),
        None => writeln!(out, "{value}"),
    }
}

impl CommandLine {
    /// Returns the completions of the last word. If the word is a file, also returns the extensions that it may have.
    /// An empty list allows any extension.
    fn candidates(mut self, ui: &Ui) -> (Vec<CompletionCandidate>, Option<&'static [&'static str]>) {
        let Some(last) = self.words.len().checked_sub(1) else { return Default::default() };
        let directory = std::env::current_dir().ok();
        let command_line = (ui.command_line)(ui.invocation.program_name());
        let (mut command, extensions) = offers::attach_completers(command_line, &self);
        let is_flag = self.words[last].as_encoded_bytes().starts_with(b"-");
        if self.words[last] == "-" {
            // Offer only long flags, because their names are self-explanatory.
            self.words[last] = OsString::from("--");
        }
        let mut candidates = complete(&mut command, self.words, last, directory.as_deref()).unwrap_or_default();
        let is_value = |candidate: &CompletionCandidate| !candidate.get_value().as_encoded_bytes().starts_with(b"-");
        if !is_flag && candidates.iter().any(is_value) {
            // Offer flags only after a `-`.
            candidates.retain(|candidate| is_value(candidate) || candidate.get_value() == "-");
        }
        (candidates, extensions.get().copied())
    }
}

/// Prints to standard output and ignores errors.
fn print_silently(ui: &Ui, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> ExitCode {
    let written = ui.print(|out| write(out).map_err(|error| output_error(&error)));
    written.unwrap_or(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::command_line;
    use crate::ui::invocation::Invocation;

    /// Checks that a flag without a value does not hide the file after it.
    #[test]
    fn completes_containers_after_an_incomplete_flag() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.yaml");
        std::fs::write(&file, "kind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n").unwrap();
        let words = ["jobplate", "render", "--target", "-f", file.to_str().unwrap(), "-c", ""];
        let line = CommandLine { words: words.map(OsString::from).to_vec() };
        let (candidates, _) = line.candidates(&Ui::from_environment(Invocation::Program, command_line));
        let values: Vec<_> = candidates.iter().map(CompletionCandidate::get_value).collect();
        assert_eq!(values, ["flow"]);
    }
}
