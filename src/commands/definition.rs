//! Decides what a command is: its name, its arguments, its help, and what it does.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, Args};
use jobplate_diagnostic::{Error, Result};

use crate::ui::Ui;

/// A command, as its arguments define it.
pub(crate) trait Command: Args {
    /// The word that selects it.
    const NAME: &'static str;
    /// What it does, in one line.
    const ABOUT: &'static str;

    /// Returns what its help says after the flags: examples, exit codes. `program` is what the user types to call
    /// the program.
    fn after_help(_program: &str) -> Option<String> {
        None
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// Fails with what is to be reported to the user.
    fn run(self, ui: &mut Ui) -> Result<ExitCode>;
}

/// Why a command did not run, or not to its end.
pub(crate) enum Failure {
    /// Help, the version, or a command line that clap refuses.
    Usage(clap::Error),
    /// Anything else.
    Error(Error),
}

impl From<clap::Error> for Failure {
    fn from(usage: clap::Error) -> Self {
        Failure::Usage(usage)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

/// A [`Command`] as a value.
#[derive(Clone, Copy)]
pub(crate) struct Definition {
    /// The word that selects it.
    pub(crate) name: &'static str,
    about: &'static str,
    after_help: fn(&str) -> Option<String>,
    arguments: fn(clap::Command) -> clap::Command,
    run: fn(&mut ArgMatches, &mut Ui) -> Result<ExitCode, Failure>,
}

impl Definition {
    /// Returns the definition of a command.
    pub(crate) const fn of<C: Command>() -> Self {
        Definition {
            name: C::NAME,
            about: C::ABOUT,
            after_help: C::after_help,
            arguments: define_arguments::<C>,
            run: run::<C>,
        }
    }

    /// Returns the command as clap knows it. Its arguments are defined only when it is called, so that the others
    /// cost the start nothing.
    pub(crate) fn to_clap(self, program: &str) -> clap::Command {
        let command = clap::Command::new(self.name).about(self.about).defer(self.arguments);
        match (self.after_help)(program) {
            Some(text) => command.after_help(text),
            None => command,
        }
    }

    /// Runs the command with what clap has read.
    ///
    /// # Errors
    ///
    /// Fails as the command does.
    pub(crate) fn run(self, matches: &mut ArgMatches, ui: &mut Ui) -> Result<ExitCode, Failure> {
        (self.run)(matches, ui)
    }
}

/// Defines the arguments of a command. A doc comment on their type would replace what the command does in its help.
fn define_arguments<C: Command>(command: clap::Command) -> clap::Command {
    C::augment_args(command).about(C::ABOUT).long_about(None)
}

fn run<C: Command>(matches: &mut ArgMatches, ui: &mut Ui) -> Result<ExitCode, Failure> {
    Ok(C::from_arg_matches_mut(matches)?.run(ui)?)
}

/// Reads the arguments of one command, without the program around it.
///
/// # Errors
///
/// Fails if clap refuses the arguments.
pub(crate) fn arguments<C: Command>(words: impl IntoIterator<Item: Into<OsString> + Clone>) -> Result<C, clap::Error> {
    let command = C::augment_args(clap::Command::new(C::NAME).no_binary_name(true));
    C::from_arg_matches(&command.try_get_matches_from(words)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::invocation::Invocation;

    /// The command of "Add a command" in CONTRIBUTING.md: a type, and one line in the registry.
    #[derive(Args)]
    struct GreetArgs {
        /// Whom to greet
        #[arg(long, value_name = "NAME")]
        name: String,
    }

    impl Command for GreetArgs {
        const NAME: &'static str = "greet";
        const ABOUT: &'static str = "Greet somebody";

        fn after_help(program: &str) -> Option<String> {
            Some(format!("Examples:\n  {program} greet --name=you"))
        }

        fn run(self, ui: &mut Ui) -> Result<ExitCode> {
            ui.quiet = self.name == "nobody";
            Ok(ExitCode::SUCCESS)
        }
    }

    const GREET: Definition = Definition::of::<GreetArgs>();

    fn define(program: &str) -> clap::Command {
        clap::Command::new("jobplate").subcommand(GREET.to_clap(program))
    }

    #[test]
    fn a_type_is_all_that_a_command_needs() {
        let mut command = define("kubectl jobplate");
        command.build();
        let help = command.find_subcommand_mut("greet").map(|greet| greet.render_long_help().to_string());
        let help = help.unwrap_or_default();
        for part in ["Greet somebody", "--name <NAME>", "kubectl jobplate greet --name=you"] {
            assert!(help.contains(part), "{part}: {help}");
        }
        let mut ui = Ui::from_environment(Invocation::Program, define);
        let mut matches = define("jobplate").get_matches_from(["jobplate", "greet", "--name=nobody"]);
        let (_, mut matches) = matches.remove_subcommand().expect("the command");
        assert!(GREET.run(&mut matches, &mut ui).is_ok() && ui.quiet);
    }
}
