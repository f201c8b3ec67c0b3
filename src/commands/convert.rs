//! `jobplate convert`: converts a Prefect 1 job template to a base job template of Prefect 2 and 3.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jobplate_diagnostic::Result;
use jobplate_prefect::convert::convert;
use jobplate_prefect::prefect1::template_source;
use jobplate_prefect::pyvalue::arena::Arena;
use jobplate_prefect::pyvalue::{serialize, yaml};
use jobplate_prefect::worker::{template_source as base_job_template, values};

use super::definition::Command;
use crate::shared::input_reader::InputReader;
use crate::shared::preview_common::no_input_error;
use crate::ui::Ui;

#[derive(Args)]
pub(crate) struct ConvertArgs {
    /// The job template of a Prefect 1 agent, a ConfigMap with one, or - for standard input
    #[arg(value_name = "FILE", help_heading = "Inputs")]
    template: Option<PathBuf>,
    /// Same as FILE, like kubectl's flag
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with = "template", help_heading = "Inputs")]
    filename: Option<PathBuf>,
    /// Base job template to start from, in any form that `preview` accepts; settings that FILE does not have are
    /// kept [default: a minimal one with Prefect's variables]
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    from_default: Option<PathBuf>,
    #[command(flatten)]
    output: ConvertOutputArgs,
}

#[derive(Args)]
#[command(next_help_heading = "Output")]
struct ConvertOutputArgs {
    /// Output format: json, which `prefect work-pool create` accepts, or yaml
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value = "json", hide_possible_values = true)]
    output: ConvertFormat,
    /// Hide notes; warnings and errors are shown
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum ConvertFormat {
    Json,
    Yaml,
}

impl Command for ConvertArgs {
    const NAME: &'static str = "convert";
    const ABOUT: &'static str = "Convert a Prefect 1 job template to a base job template of Prefect 2 or 3, and report what cannot be converted";

    fn after_help(program: &str) -> Option<String> {
        Some(format!(
            "Examples:
  # From the job template of a Prefect 1 agent to a work pool of Prefect 3
  {program} convert job_template.yaml > base_job_template.json
  prefect work-pool create flows --type kubernetes \\
    --base-job-template base_job_template.json

  # Start from the default of the installed Prefect
  prefect work-pool get-default-base-job-template --type kubernetes \\
    > default.json
  {program} convert job_template.yaml --from-default default.json

Notes and warnings report each setting that is renamed, removed or changed.
Exit codes: 0 success; 2 invalid input, or a template that cannot be converted"
        ))
    }

    /// Prints the base job template, and notes what it can't express.
    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        ui.quiet = self.output.quiet;
        let mut files = InputReader::default();
        let mut arena = Arena::default();
        let Some(name) = self.template.as_deref().or(self.filename.as_deref()) else { return Err(no_input_error()) };
        let source = template_source::find_in_config_map(files.read_source(name, true)?)?;
        let job = yaml::load(&mut arena, &source)?;
        let base = match &self.from_default {
            Some(name) => {
                let source = files.read_source(name, false)?;
                // `values::load` rejects an invalid base job template with an error about conversions.
                Some(match base_job_template::is_base_job_template(&source.text) {
                    true => base_job_template::read(&mut arena, &source)?,
                    false => values::load(&mut arena, &source)?,
                })
            }
            None => None,
        };
        arena.duplicate_keys.refuse()?;
        let converted = convert(&mut arena, job, base)?;
        let template = serialize::check_serializable(&arena, converted.root)?;
        let printed = match self.output.output {
            ConvertFormat::Json => serialize::to_json(template),
            ConvertFormat::Yaml => serialize::to_yaml(template),
        };
        ui.report_diagnostics(&converted.notes);
        ui.print_text(&printed)
    }
}
