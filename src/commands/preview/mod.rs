//! `jobplate preview`: prints the Job that Prefect's agent or worker creates from a template.
//!
//! | file | decides |
//! |---|---|
//! | `mod.rs` | which Prefect version a template is for |
//! | `agent.rs` | the meaning of the flags for Prefect 1 |
//! | `worker.rs` | the meaning of the flags for Prefect 2 and 3 |
//! | `output.rs` | the format of the table of variables |

pub(super) mod agent;
mod output;
pub(super) mod worker;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use clap::{Args, ValueEnum};
use jobplate::diagnostic::json::{DiagnosticReport, JsonDiagnostic};
use jobplate_diagnostic::{Diagnostic, Error, ProgramName, Result};
use jobplate_prefect::deployment::{self, Program};
use jobplate_prefect::prefect1::deployment::AGENT;
use jobplate_prefect::prefect1::template_source;
use jobplate_prefect::pyvalue::arena::Arena;
use jobplate_prefect::pyvalue::serialize;
use jobplate_prefect::pyvalue::source::{SourceFile, locate_diagnostic};
use jobplate_prefect::worker::deployment::WORKER;
use jobplate_prefect::worker::{manifest, template_source as base_job_template};

use self::agent::AgentArgs;
use self::worker::WorkerArgs;
use super::definition::Command;
use crate::shared::edit_args::STDIN;
use crate::shared::fail_on::FailOnArgs;
use crate::shared::input_reader::InputReader;
use crate::shared::preview_common::{no_input_error, work_pool_text_error};
use crate::shared::report_file::{self, ReportFile};
use crate::ui::Ui;

#[derive(Args)]
pub(crate) struct PreviewArgs {
    /// Job template of Prefect 1, base job template of Prefect 2 or 3, or a ConfigMap or chart values with one of them; - for standard
    /// input [default with --scenario, --agent or --run-config: the default template of Prefect 1]
    #[arg(value_name = "FILE", help_heading = "Inputs")]
    template: Option<PathBuf>,
    /// Same as FILE, like kubectl's flag
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with = "template", help_heading = "Inputs")]
    filename: Option<PathBuf>,
    /// Read all settings from one file: run_config, agent, environ, user_config, flow, flow_run_id, identifier of Prefect 1;
    /// job_variables, deployment, flow, flow_run, work_pool, worker of Prefect 2 and 3
    #[arg(long, value_name = "FILE", help_heading = "Scenario")]
    scenario: Option<PathBuf>,
    #[command(flatten)]
    agent: AgentArgs,
    #[command(flatten)]
    worker: WorkerArgs,
    /// Output format: the Job as yaml or json, or env for a table of the flow's variables
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        value_enum,
        default_value = "yaml",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    output: PreviewFormat,
    /// Print a Job of Prefect 2 or 3 that `kubectl create` accepts
    #[arg(long, help_heading = "Output")]
    kubectl: bool,
    /// Hide notes; warnings and errors are shown
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
    #[command(flatten)]
    fail_on: FailOnArgs,
    /// Write the diagnostics to a file, as JSON
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    report: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum PreviewFormat {
    Yaml,
    Json,
    Env,
}

impl Command for PreviewArgs {
    const NAME: &'static str = "preview";
    const ABOUT: &'static str = "Print the Job that an agent of Prefect 1 or a worker of Prefect 2 and 3 creates from a template, and report overridden settings";

    fn after_help(program: &str) -> Option<String> {
        Some(format!(
            "Examples:
  # Which Job will run, and which settings are overridden?
  {program} preview job_template.yaml

  # The flow's variables, with the source of each and what it overrides
  {program} preview job_template.yaml --agent agent.yaml \\
    --run-config run.yaml -o env

  # The same for a Prefect 2 or 3 work pool and its worker's manifest
  {program} preview base_job_template.json --worker worker.yaml -o env

  # Preview the template with references added
  {program} render job_template.yaml \\
    --secret GITHUB_ACCESS_TOKEN=prefect-secrets/token |
    {program} preview -

Names and IDs that Prefect generates are placeholders: new_id, 0a1b2c3d.
Exit codes: 0 success; 1 with --fail-on if an error or warning is reported; 2 invalid input, or Prefect would fail"
        ))
    }

    /// Prints the Job, and notes what Prefect ignores or overrides.
    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        ui.quiet = self.quiet;
        let result = self.preview(ui);
        match &self.report {
            Some(path) => report_file::report_failure(result, path, self.inputs(), to_json, ui),
            None => result,
        }
    }
}

impl PreviewArgs {
    /// Prints the Job, and notes what Prefect ignores or overrides. Returns the exit code.
    // Over 60 lines: each kind of template has its own errors.
    fn preview(&self, ui: &Ui) -> Result<ExitCode> {
        let policy = ui.mask_policy();
        let mut files = InputReader::default();
        let mut arena = Arena::default();
        let file = self.template.as_deref().or(self.filename.as_deref());
        let text = file.map(|name| files.read_source(name, true)).transpose()?;
        let scenario = self.scenario.as_deref();
        let mut preview = match text {
            Some(text) if has_no_content(&text.text) => {
                return Err(Error::input("the template is empty").in_file(&*text.name).hint(
                    "`" + ProgramName
                        + " template job` and `"
                        + ProgramName
                        + " template base-job-template` print one to start from",
                ));
            }
            Some(text) if let Some(error) = work_pool_text_error(&text.text) => {
                return Err(error.in_file(&*text.name));
            }
            Some(text) if base_job_template::is_base_job_template(&text.text) => {
                refuse_flag(
                    self.agent.first_given_flag(),
                    &text,
                    "is for Prefect 1, but the input is a base job template",
                )?;
                let mut preview = worker::preview(&mut arena, &mut files, &text, scenario, &self.worker, &policy)?;
                if scenario.is_none() && !self.worker.has_manifest() {
                    preview.notes.extend(unused_program_note(&WORKER, "--worker", &text));
                }
                preview
            }
            Some(text) => {
                refuse_flag(
                    self.first_worker_flag(),
                    &text,
                    "is for Prefect 2 and 3, but the input is not a base job template",
                )?;
                let template = template_source::find_in_config_map(Rc::clone(&text))?;
                let mut preview =
                    agent::preview(&mut arena, &mut files, Some(&template), scenario, &self.agent, &policy)?;
                if scenario.is_none() && self.agent.agent.is_none() {
                    preview.notes.extend(unused_program_note(&AGENT, "--agent", &text));
                }
                preview
            }
            None => {
                if let Some(flag) = self.first_worker_flag() {
                    return Err(Error::usage(format!("`{flag}` needs a base job template"))
                        .hint("`" + ProgramName + " template base-job-template` prints one"));
                }
                if scenario.is_none() && self.agent.agent.is_none() && self.agent.run_config.is_none() {
                    return Err(no_input_error());
                }
                agent::preview(&mut arena, &mut files, None, scenario, &self.agent, &policy)?
            }
        };
        preview.notes.extend(arena.duplicate_keys.warnings());
        if self.kubectl {
            manifest::move_fields_for_kubectl(&mut arena, preview.job);
        }
        let job = serialize::check_serializable(&arena, preview.job)?;
        let printed = match self.output {
            PreviewFormat::Yaml => serialize::to_yaml(job),
            PreviewFormat::Json => serialize::to_json(job),
            PreviewFormat::Env => preview.variable_table,
        };
        let report = self.report.as_ref().map(|path| self.stage_report(path, &preview.notes, ui)).transpose()?;
        ui.report_diagnostics(&preview.notes);
        let code = match self.output {
            // Only the table has colours.
            PreviewFormat::Env => ui.print_diff(|out| out.write(&printed))?,
            PreviewFormat::Yaml | PreviewFormat::Json => ui.print_text(&printed)?,
        };
        report.map_or(Ok(()), ReportFile::write)?;
        Ok(self.fail_on.exit_code(&preview.notes, code))
    }

    /// Returns the first flag for Prefect 2 and 3 that is set, or `None` if no such flag is set.
    fn first_worker_flag(&self) -> Option<&'static str> {
        self.worker.first_given_flag().or(self.kubectl.then_some("--kubectl"))
    }

    /// Stages the report `{"diagnostics": [...]}`.
    fn stage_report(&self, path: &Path, notes: &[Diagnostic], ui: &Ui) -> Result<ReportFile> {
        let report = to_json(notes.iter().map(|note| ui.to_json(note)).collect());
        ReportFile::stage(path, report, self.inputs())
    }

    /// Returns the files that the command reads.
    fn inputs(&self) -> impl Iterator<Item = &Path> {
        let inputs = [&self.template, &self.filename, &self.scenario].into_iter().flatten();
        inputs.chain(self.agent.files()).chain(self.worker.files()).map(PathBuf::as_path)
    }
}

/// Returns whether a template has only comments, blank lines and the starts of documents.
fn has_no_content(text: &str) -> bool {
    let is_blank = |line: &str| line.is_empty() || line.starts_with('#');
    text.lines().all(|line| is_blank(line.strip_prefix("---").unwrap_or(line).trim()))
}

/// Returns the report `{"diagnostics": [...]}`.
fn to_json(diagnostics: Vec<JsonDiagnostic>) -> String {
    DiagnosticReport { diagnostics }.to_json()
}

/// Returns a note about an agent or worker in the template's file, which the preview uses only with `flag`.
fn unused_program_note(program: &Program, flag: &str, source: &Rc<SourceFile>) -> Option<Diagnostic> {
    let (object, location) = deployment::find_object(program, source)?;
    let text = format!("the preview does not use the {} in {object}", program.name);
    let help = match shlex::try_quote(&source.name) {
        Ok(file) if source.name != STDIN => format!("add `{flag} {file}`"),
        _ => format!("save the input as FILE, and add `{flag} FILE`"),
    };
    Some(locate_diagnostic(Diagnostic::info("unused-agent", text).help(help), Some(&location)))
}

/// Fails if a flag of the other Prefect version is set. `why` is the end of the error message.
fn refuse_flag(flag: Option<&str>, text: &SourceFile, why: &str) -> Result<()> {
    match flag {
        Some(flag) => Err(Error::usage(format!("`{flag}` {why}"))
            .in_file(&*text.name)
            .hint(format!("remove {flag}, or pass a template that supports it"))),
        None => Ok(()),
    }
}
