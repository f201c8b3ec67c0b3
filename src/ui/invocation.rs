//! Detects from the file name whether the program runs as `jobplate` or as a kubectl plugin.

use std::ffi::OsString;
use std::path::Path;

/// How the program was invoked, determined by the name of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// `jobplate`, or any other file name.
    Program,
    /// `kubectl-jobplate`, which kubectl runs as `kubectl jobplate`.
    KubectlPlugin,
    /// `kubectl_complete-jobplate`, which kubectl runs to complete `kubectl jobplate`.
    KubectlCompletion,
}

impl Invocation {
    /// Determines the invocation from the first argument, the program's path.
    pub(crate) fn from_program(program: Option<&OsString>) -> Self {
        let stem = program.and_then(|program| Path::new(program).file_stem());
        match stem.and_then(|stem| stem.to_str()) {
            Some("kubectl-jobplate") => Invocation::KubectlPlugin,
            Some("kubectl_complete-jobplate") => Invocation::KubectlCompletion,
            _ => Invocation::Program,
        }
    }

    /// Returns the program's name as the user types it.
    pub(crate) fn program_name(self) -> &'static str {
        match self {
            Invocation::Program => "jobplate",
            Invocation::KubectlPlugin | Invocation::KubectlCompletion => "kubectl jobplate",
        }
    }
}
