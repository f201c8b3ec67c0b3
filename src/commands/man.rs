//! `jobplate man`: generates manual pages from the help.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use clap_mangen::Man;
use jobplate_diagnostic::{Error, Result, output_error};
use roff::{Roff, roman};

use super::definition::Command;
use crate::ui::Ui;

#[derive(Args)]
pub(crate) struct ManArgs {
    /// Command to describe [default: jobplate itself]
    command: Option<String>,
}

impl Command for ManArgs {
    const NAME: &'static str = "man";
    const ABOUT: &'static str = "Print a manual page";

    fn after_help(program: &str) -> Option<String> {
        Some(format!(
            "Examples:
  {program} man render | man -l -
  {program} man render > ~/.local/share/man/man1/jobplate-render.1"
        ))
    }

    /// Prints a command's page, or the program's page if no command is given.
    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        let mut program = (ui.command_line)(ui.invocation.program_name()).disable_help_subcommand(true);
        program.build();
        let page = match self.command {
            None => program,
            Some(about) => match program.find_subcommand(&about) {
                Some(command) => command.clone(),
                None => {
                    let names: Vec<&str> = program.get_subcommands().map(clap::Command::get_name).collect();
                    return Err(
                        Error::usage("no such page").hint(format!("choose one of these pages: {}", names.join(", ")))
                    );
                }
            },
        };
        ui.print(|out| write_page(page, out).map_err(|error| output_error(&error)))
    }
}

fn write_page(page: clap::Command, mut out: &mut dyn Write) -> io::Result<()> {
    let after_help = page.get_after_help().map(ToString::to_string);
    let has_commands = page.has_subcommands();
    let version = concat!("jobplate ", env!("CARGO_PKG_VERSION"));
    let page = Man::new(page).source(version).manual("jobplate");
    page.render_title(&mut out)?;
    page.render_name_section(&mut out)?;
    page.render_synopsis_section(&mut out)?;
    page.render_description_section(&mut out)?;
    page.render_options_section(&mut out)?;
    if has_commands {
        page.render_subcommands_section(&mut out)?;
    }
    let Some(after_help) = after_help else { return Ok(()) };
    let (title, text) = match after_help.strip_prefix("Examples:\n") {
        Some(examples) => ("EXAMPLES", examples),
        None => ("NOTES", after_help.as_str()),
    };
    let mut section = Roff::new();
    // `nf` and `fi` turn off filling: the lines of commands must not be joined like prose.
    section.control("SH", [title]).control("nf", []).text([roman(text)]).control("fi", []);
    section.to_writer(&mut out)
}
