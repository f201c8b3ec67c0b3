//! `jobplate man`: manual pages, made of the help texts.

use std::io::{self, Write};

use clap_mangen::Man;
use jobplate_diagnostic::{Error, Result};
use roff::{Roff, roman};

use super::args;
use crate::render::write_error;
use crate::ui::invocation;

/// Prints the page of a command, or that of the program.
pub(crate) fn run(about: Option<&str>, out: &mut dyn Write) -> Result<()> {
    let mut program = args::command(invocation::name()).disable_help_subcommand(true);
    program.build();
    let page = match about {
        None => program,
        Some(about) => match program.find_subcommand(about) {
            Some(command) => command.clone(),
            None => {
                let names: Vec<&str> = program.get_subcommands().map(clap::Command::get_name).collect();
                return Err(Error::usage("there is no page about that")
                    .hint(format!("there are pages about {}", names.join(", "))));
            }
        },
    };
    print(page, out).map_err(|error| write_error(&error))
}

fn print(page: clap::Command, mut out: &mut dyn Write) -> io::Result<()> {
    let more = page.get_after_help().map(ToString::to_string);
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
    let Some(more) = more else { return Ok(()) };
    let (title, text) = match more.strip_prefix("Examples:\n") {
        Some(examples) => ("EXAMPLES", examples),
        None => ("NOTES", more.as_str()),
    };
    let mut section = Roff::new();
    // As it stands: commands are not to be filled like prose.
    section.control("SH", [title]).control("nf", []).text([roman(text)]).control("fi", []);
    section.to_writer(&mut out)
}
