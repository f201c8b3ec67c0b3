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
    pub(crate) fn from_program(program: Option<&OsString>) -> Self {
        let stem = program.and_then(|program| Path::new(program).file_stem());
        match stem.and_then(|stem| stem.to_str()) {
            Some("kubectl-jobplate") => Invocation::KubectlPlugin,
            Some("kubectl_complete-jobplate") => Invocation::KubectlCompletion,
            _ => Invocation::Program,
        }
    }

    /// Returns what the user types to call the program.
    pub(crate) fn program_name(self) -> &'static str {
        match self {
            Invocation::Program => "jobplate",
            Invocation::KubectlPlugin | Invocation::KubectlCompletion => "kubectl jobplate",
        }
    }
}
