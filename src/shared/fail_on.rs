//! `--fail-on`: the severity of a diagnostic from which a command fails.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jobplate_diagnostic::{Diagnostic, Severity};

/// The flag `--fail-on`.
#[derive(Args)]
pub(crate) struct FailOnArgs {
    /// Exit with 1 if a diagnostic of this severity or higher is reported; the output is still written
    #[arg(long, value_name = "SEVERITY", value_enum, help_heading = "Output")]
    fail_on: Option<FailOn>,
}

#[derive(Clone, Copy, ValueEnum)]
enum FailOn {
    Error,
    Warning,
}

impl FailOnArgs {
    /// Returns 1 if a diagnostic is at least as severe as the flag says, and `code` otherwise. A `code` that is not 0
    /// takes precedence.
    pub(crate) fn exit_code(&self, diagnostics: &[Diagnostic], code: ExitCode) -> ExitCode {
        let least = match self.fail_on {
            Some(FailOn::Error) => Severity::Error,
            Some(FailOn::Warning) => Severity::Warning,
            None => return code,
        };
        let fails = diagnostics.iter().any(|diagnostic| diagnostic.severity() >= least);
        if fails && code == ExitCode::SUCCESS { ExitCode::from(1) } else { code }
    }
}
