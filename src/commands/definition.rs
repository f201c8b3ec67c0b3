//! Defines the parts of a command: its name, its arguments, its help and its behaviour.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, Args};
use jobplate_diagnostic::{Error, Result};

use crate::ui::Ui;

/// A command. Implemented by the type of its arguments.
pub(crate) trait Command: Args {
    /// The subcommand's name.
    const NAME: &'static str;
    /// The one-line description in the help.
    const ABOUT: &'static str;

    /// Returns the help text after the flags, such as examples and exit codes, or `None` for no text. `program` is the
    /// program's name as the user types it.
    fn after_help(_program: &str) -> Option<String> {
        None
    }

    /// Runs the command.
    ///
    /// # Errors
    ///
    /// Fails with the error to report to the user.
    fn run(self, ui: &mut Ui) -> Result<ExitCode>;
}

/// The reason for the failure of a command line.
pub(crate) enum CommandFailure {
    /// A usage error from clap, or a request for help or the version.
    Usage(clap::Error),
    /// Any other error.
    Error(Error),
}

impl From<clap::Error> for CommandFailure {
    fn from(usage: clap::Error) -> Self {
        CommandFailure::Usage(usage)
    }
}

impl From<Error> for CommandFailure {
    fn from(error: Error) -> Self {
        CommandFailure::Error(error)
    }
}

/// The definition of a [`Command`] as a value, for the list of commands.
#[derive(Clone, Copy)]
pub(crate) struct CommandDefinition {
    /// The subcommand's name.
    pub(crate) name: &'static str,
    about: &'static str,
    after_help: fn(&str) -> Option<String>,
    arguments: fn(clap::Command) -> clap::Command,
    run: fn(&mut ArgMatches, &mut Ui) -> Result<ExitCode, CommandFailure>,
}

impl CommandDefinition {
    /// Creates the definition of a command.
    pub(crate) const fn new<C: Command>() -> Self {
        CommandDefinition {
            name: C::NAME,
            about: C::ABOUT,
            after_help: C::after_help,
            arguments: define_arguments::<C>,
            run: run::<C>,
        }
    }

    /// Returns the command for clap. To keep the start-up time low, its arguments are built only if it runs.
    pub(crate) fn to_clap(self, program: &str) -> clap::Command {
        let command = clap::Command::new(self.name).about(self.about).defer(self.arguments);
        match (self.after_help)(program) {
            Some(text) => command.after_help(text),
            None => command,
        }
    }

    /// Runs the command with parsed arguments.
    ///
    /// # Errors
    ///
    /// Fails if the command fails.
    pub(crate) fn run(self, matches: &mut ArgMatches, ui: &mut Ui) -> Result<ExitCode, CommandFailure> {
        (self.run)(matches, ui)
    }
}

/// Adds a command's arguments. Sets the description again, because a doc comment on the arguments' type overrides it.
fn define_arguments<C: Command>(command: clap::Command) -> clap::Command {
    C::augment_args(command).about(C::ABOUT).long_about(None)
}

fn run<C: Command>(matches: &mut ArgMatches, ui: &mut Ui) -> Result<ExitCode, CommandFailure> {
    Ok(C::from_arg_matches_mut(matches)?.run(ui)?)
}

/// Parses the arguments of a command. They exclude the names of the program and the subcommand.
///
/// # Errors
///
/// Fails if the arguments are invalid.
pub(crate) fn parse_arguments<C: Command>(
    words: impl IntoIterator<Item: Into<OsString> + Clone>,
) -> Result<C, clap::Error> {
    let command = C::augment_args(clap::Command::new(C::NAME).no_binary_name(true));
    C::from_arg_matches(&command.try_get_matches_from(words)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::invocation::Invocation;

    /// The example command of "Add a command" in CONTRIBUTING.md.
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
            ui.quiet = self.name == "no-one";
            Ok(ExitCode::SUCCESS)
        }
    }

    const GREET: CommandDefinition = CommandDefinition::new::<GreetArgs>();

    fn greet_command_line(program: &str) -> clap::Command {
        clap::Command::new("jobplate").subcommand(GREET.to_clap(program))
    }

    #[test]
    fn defines_a_command_from_its_arguments() {
        let mut command = greet_command_line("kubectl jobplate");
        command.build();
        let help = command.find_subcommand_mut("greet").map(|greet| greet.render_long_help().to_string());
        let help = help.unwrap_or_default();
        for part in ["Greet somebody", "--name <NAME>", "kubectl jobplate greet --name=you"] {
            assert!(help.contains(part), "{part}: {help}");
        }
        let mut ui = Ui::from_environment(Invocation::Program, greet_command_line);
        let mut matches = greet_command_line("jobplate").get_matches_from(["jobplate", "greet", "--name=no-one"]);
        let (_, mut matches) = matches.remove_subcommand().expect("the command");
        assert!(GREET.run(&mut matches, &mut ui).is_ok() && ui.quiet);
    }
}
