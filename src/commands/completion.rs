//! `jobplate completion SHELL`: prints the completion script of a shell. The script runs the program, and
//! `crate::completion` prints the candidates.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jobplate_diagnostic::Result;

use super::definition::Command;
use crate::ui::Ui;

#[derive(Args)]
pub(crate) struct CompletionArgs {
    /// Shell that runs the script
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// A shell with a completion script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Command for CompletionArgs {
    const NAME: &'static str = "completion";
    const ABOUT: &'static str = "Print a shell completion script for commands, flags, files and their content";

    fn after_help(program: &str) -> Option<String> {
        Some(format!(
            "Examples:
  # bash; requires the package bash-completion
  mkdir -p ~/.local/share/bash-completion/completions
  {program} completion bash \\
    > ~/.local/share/bash-completion/completions/jobplate

  # zsh; add to ~/.zshrc:
  # fpath=(~/.zfunc $fpath); autoload -Uz compinit; compinit
  mkdir -p ~/.zfunc
  {program} completion zsh > ~/.zfunc/_jobplate

  # fish
  mkdir -p ~/.config/fish/completions
  {program} completion fish > ~/.config/fish/completions/jobplate.fish

Targets, containers and variables are completed from the files on the command
line. With JOBPLATE_COMPLETE_CLUSTER=1, namespaces and the names of Secrets are
completed from the cluster.

To complete `kubectl jobplate`, create a link named kubectl_complete-jobplate:
  ln -s \"$(command -v kubectl-jobplate)\" ~/.local/bin/kubectl_complete-jobplate"
        ))
    }

    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        ui.print_text(match self.shell {
            Shell::Bash => include_str!("../completion/jobplate.bash"),
            Shell::Zsh => include_str!("../completion/jobplate.zsh"),
            Shell::Fish => include_str!("../completion/jobplate.fish"),
        })
    }
}
