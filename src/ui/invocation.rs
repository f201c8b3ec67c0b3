//! Decides how the program was invoked: as itself, or by kubectl, which finds plugins by the names of their files.

use std::ffi::OsString;
use std::path::Path;

/// What the name of the program's file asks it to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// `jobplate`, whatever the file is named.
    Program,
    /// `kubectl-jobplate`: `kubectl jobplate`.
    KubectlPlugin,
    /// `kubectl_complete-jobplate`: the completion of `kubectl jobplate`.
    KubectlCompletion,
}

impl Invocation {
    /// Reads it from the first word of the command line.
    pub(crate) fn of(program: Option<&OsString>) -> Self {
        let stem = program.and_then(|program| Path::new(program).file_stem());
        match stem.and_then(|stem| stem.to_str()) {
            Some("kubectl-jobplate") => Invocation::KubectlPlugin,
            Some("kubectl_complete-jobplate") => Invocation::KubectlCompletion,
            _ => Invocation::Program,
        }
    }

    /// Returns what the user types to call the program.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Invocation::Program => "jobplate",
            Invocation::KubectlPlugin | Invocation::KubectlCompletion => "kubectl jobplate",
        }
    }

    /// A text for a person, in whose hints and notes `jobplate COMMAND` is what they would type.
    pub(crate) fn as_typed(self, text: &str) -> String {
        if self.name() == "jobplate" { text.to_owned() } else { text.split_inclusive('\n').map(typed).collect() }
    }

    /// A hint in which that is so.
    pub(crate) fn as_typed_hint(self, hint: &str) -> String {
        if self.name() == "jobplate" { hint.to_owned() } else { typed_hint(hint) }
    }
}

fn typed(line: &str) -> String {
    // Everything else speaks of files and names of the user's.
    let plain = anstream::adapter::strip_str(line).to_string();
    match ["hint: ", "note: "].iter().any(|ours| plain.starts_with(ours)) {
        true => typed_hint(line),
        false => line.to_owned(),
    }
}

fn typed_hint(hint: &str) -> String {
    if hint.contains("kubectl jobplate") {
        return hint.to_owned();
    }
    let commands =
        ["render", "apply", "diff", "post-render", "krm", "preview", "convert", "secret", "template", "schema"];
    commands.iter().fold(hint.to_owned(), |hint, command| {
        hint.replace(&format!("jobplate {command}"), &format!("kubectl jobplate {command}"))
    })
}
