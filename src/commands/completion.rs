//! `jobplate completion SHELL`: the script by which a shell asks the program itself what may come next
//! (`complete`).

use std::io::Write;

use jobplate_diagnostic::Result;

use crate::render::write_error;

/// A shell that can be completed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script.
pub(crate) fn run(shell: Shell, out: &mut dyn Write) -> Result<()> {
    let script = match shell {
        Shell::Bash => include_str!("../completion/jobplate.bash"),
        Shell::Zsh => include_str!("../completion/jobplate.zsh"),
        Shell::Fish => include_str!("../completion/jobplate.fish"),
    };
    out.write_all(script.as_bytes()).map_err(|error| write_error(&error))
}
