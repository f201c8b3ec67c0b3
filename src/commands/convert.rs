//! `jobplate convert`: a Prefect 1 job template as a base job template of Prefect 2 and 3.

use std::process::ExitCode;

use anstream::ColorChoice;
use clap::{Args, ValueEnum};
use jobplate_diagnostic::Result;
use jobplate_prefect::convert::convert;
use jobplate_prefect::prefect1::template;
use jobplate_prefect::pyvalue::heap::Heap;
use jobplate_prefect::pyvalue::{send, yaml};
use jobplate_prefect::worker::{template as base_job_template, values};

use crate::render::write_error;
use crate::shared::one_template::{no_input, tell};
use crate::shared::outputs::to_stdout;
use crate::shared::whole::Whole;

#[derive(Args)]
pub(crate) struct ConvertArgs {
    /// The job template of a Prefect 1 agent, a ConfigMap with one, or - for standard input
    #[arg(value_name = "FILE", help_heading = "Inputs")]
    template: Option<String>,
    /// The same as FILE, as kubectl has it
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with = "template", help_heading = "Inputs")]
    filename: Option<String>,
    /// The base job template to build on, in a file or wherever `preview` takes one: its variables stay, and whatever
    /// FILE does not say; without it, one that has what Prefect's own default has
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    from_default: Option<String>,
    /// What to print: json, as the server takes it, or yaml
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        value_enum,
        default_value = "json",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    output: Format,
    /// Leave out notes
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Yaml,
}

/// Prints the base job template, and says what of the job template has no place in it.
pub(crate) fn run(args: &ConvertArgs, color: ColorChoice) -> Result<ExitCode> {
    let mut files = Whole::default();
    let mut heap = Heap::default();
    let Some(name) = args.template.as_deref().or(args.filename.as_deref()) else { return Err(no_input()) };
    let source = template::in_config_map(files.text(name, true)?)?;
    let job = yaml::load(&mut heap, &source)?;
    let on = match &args.from_default {
        Some(name) => {
            let source = files.text(name, false)?;
            // What is none is refused there, in words about what a conversion needs.
            Some(match base_job_template::is_one(&source.text) {
                true => base_job_template::read(&mut heap, &source)?,
                false => values::load(&mut heap, &source)?,
            })
        }
        None => None,
    };
    let made = convert(&mut heap, job, on)?;
    let template = send::check(&heap, made.root)?;
    let printed = match args.output {
        Format::Json => send::json(template),
        Format::Yaml => send::yaml(template),
    };
    if !args.quiet {
        tell(&made.notes, color);
    }
    to_stdout(|out| out.write_all(printed.as_bytes()).map_err(|error| write_error(&error)))
}
