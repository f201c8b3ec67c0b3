//! `jobplate apply`: render, send, report.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCandidates;
use jobplate::diagnostic;
use jobplate::diagnostic::edits::EditStatus;
use jobplate_cluster::{ApplyOptions, OnImmutable, Outcome, Report, ReportRow, SessionOptions, WaitOptions};
use jobplate_diagnostic::{Error, ProgramName, Result};
use serde::Serialize;

use super::definition::Command;
use crate::shared::choice::{Choice, ChoiceParser, value_candidates};
use crate::shared::cluster_args::{ClusterArgs, MAX_DURATION, parse_duration, resolve_manifests};
use crate::shared::edit_args::ManifestArgs;
use crate::shared::edit_report;
use crate::shared::no_match::MatchPolicy;
use crate::shared::plan::plan;
use crate::shared::render_request::RenderRequest;
use crate::shared::rendered_documents::RenderedDocuments;
use crate::ui::events::ProgressReporter;
use crate::ui::{Ui, ignore_closed_output};

#[derive(Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    how: HowArgs,
}

#[derive(Args)]
#[command(next_help_heading = "Applying")]
struct HowArgs {
    /// Only try: server, none
    #[arg(
        long,
        value_name = "HOW",
        default_value = "none",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        value_parser = ChoiceParser::<DryRun>::new(),
        add = ArgValueCandidates::new(value_candidates::<DryRun>)
    )]
    dry_run: Choice<DryRun>,
    /// For a Job whose pod template differs: fail, recreate, new-name, skip
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "fail",
        value_parser = ChoiceParser::<Policy>::new(),
        add = ArgValueCandidates::new(value_candidates::<Policy>)
    )]
    on_immutable: Choice<Policy>,
    /// Let --on-immutable=recreate delete a Job that is running
    #[arg(long)]
    recreate_running: bool,
    /// Do not try every object before the first is written
    #[arg(long)]
    no_preflight: bool,
    /// Wait until the Jobs have ended
    #[arg(long)]
    wait: bool,
    /// Follow the logs of the Jobs, on stderr (implies --wait)
    #[arg(long)]
    logs: bool,
    /// How long Jobs that are waited for, and deletions, may take
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    timeout: String,
    /// How to print what became of each object: name, json
    #[arg(
        short = 'o',
        long,
        value_name = "FORMAT",
        value_parser = ChoiceParser::<Format>::new(),
        add = ArgValueCandidates::new(value_candidates::<Format>)
    )]
    output: Option<Choice<Format>>,
}

/// `apply`, with everything decided.
struct Apply {
    /// What is rendered.
    request: RenderRequest,
    /// The session.
    session: SessionOptions,
    /// How to apply.
    options: ApplyOptions,
    /// How the report is printed, if not as a line an object.
    format: Option<Format>,
}

/// The values of `--output`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// `job.batch/etl`, a line an object.
    Name,
    /// One JSON document.
    Json,
}

/// The values of `--dry-run`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DryRun {
    Server,
    None,
    /// kubectl's, which is refused.
    #[value(hide = true)]
    Client,
    /// `--dry-run` alone, which is refused.
    #[value(name = "", hide = true)]
    Missing,
}

/// The values of `--on-immutable`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Policy {
    Fail,
    Recreate,
    NewName,
    Skip,
}

impl ApplyArgs {
    /// Resolves what the arguments mean.
    fn resolve(self) -> Result<Apply> {
        let HowArgs { dry_run, on_immutable, recreate_running, no_preflight, wait, logs, timeout, output } = self.how;
        let mut request = resolve_manifests(self.manifests, &self.cluster)?;
        let dry_run = match dry_run.require("`--dry-run` is `server` or `none`")? {
            DryRun::None => false,
            DryRun::Server => true,
            DryRun::Client => {
                let hint = "use `" + ProgramName + " render` to print manifests, or --dry-run=server to ask the server";
                return Err(Error::usage("`--dry-run=client` is not supported").hint(hint));
            }
            DryRun::Missing => return Err(Error::usage("`--dry-run` needs a value").hint("write --dry-run=server")),
        };
        let running = recreate_running;
        let on_immutable = match on_immutable.require("`--on-immutable` is `fail`, `recreate`, `new-name` or `skip`")? {
            Policy::Fail => OnImmutable::Fail,
            Policy::Recreate => OnImmutable::Recreate { include_running: running },
            Policy::NewName => {
                request.injection.metadata.hash = true;
                OnImmutable::Fail
            }
            Policy::Skip => OnImmutable::Skip,
        };
        if running && !matches!(on_immutable, OnImmutable::Recreate { .. }) {
            return Err(Error::usage("`--recreate-running` needs `--on-immutable=recreate`"));
        }
        let format = output.map(|format| format.require("`--output` is `name` or `json`")).transpose();
        let format = format.map_err(|error| error.hint("`" + ProgramName + " render` prints manifests"))?;
        let timeout = parse_duration("--timeout", &timeout)?.unwrap_or(MAX_DURATION);
        let wait = (wait || logs).then_some(WaitOptions { follow_logs: logs });
        let options = ApplyOptions {
            dry_run,
            preflight: !no_preflight,
            force_conflicts: self.cluster.force_conflicts,
            take_over: self.cluster.take_over,
            on_immutable,
            wait,
            timeout,
        };
        Ok(Apply { request, session: self.cluster.resolve_session()?, options, format })
    }
}

impl Command for ApplyArgs {
    const NAME: &'static str = "apply";
    const ABOUT: &'static str = "Render manifests and apply them to a cluster; wait for the Jobs if asked to";

    fn after_help(program: &str) -> Option<String> {
        Some(format!(
            "Examples:
  # A job template's Job, now, and its logs until it ends
  {program} apply job_template.yaml --secret GITHUB_ACCESS_TOKEN=prefect-secrets/github-access-token --logs

  # What somebody once wrote as a plain value becomes a reference
  {program} apply cronjob.yaml --secret-env TOKEN=prefect-secrets/token --take-over

  # In CI: a changed Job gets a new name; what became of everything, for programs
  {program} apply k8s/ --spec flows.yaml --on-immutable=new-name --wait -o json

Exit codes: 0 done, 2 input, 3 refused or unreachable, 4 the Job failed, 5 out of time, 130 Ctrl-C"
        ))
    }

    /// Runs the command; the exit code is that of the first failure.
    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        ui.verbose = self.cluster.verbose;
        let Apply { request, session, options, format } = self.resolve()?;
        ui.quiet = request.quiet;
        let mut rendering = plan(&request, MatchPolicy::required_if(request.injection.needs_target()), ui)?;
        let edits = edit_report::prepare(&mut rendering, &request, ui)?;
        let injection = &request.injection;
        let named = (options.take_over || !injection.unset.is_empty()).then_some(injection);
        let documents = RenderedDocuments::new(&mut rendering, named, options.take_over);
        let progress = ProgressReporter::new(ui);
        let report = jobplate_cluster::apply(documents, &session, &options, &progress);
        progress.clear();
        let report = report?;
        print(&report, format, ui)?;
        if let Some(workflow) = ui.github() {
            let outcomes =
                report.rows.iter().map(|row| (row.qualified_name(), row.outcome.as_str(), row.reason.as_deref()));
            workflow.report_outcomes(outcomes, report.dry_run);
        }
        let is_done = !report.dry_run && report.failure.is_none();
        let told = edit_report::emit(
            edits,
            if is_done { EditStatus::Applied } else { EditStatus::Previewed },
            Ok(ExitCode::SUCCESS),
            ui,
        );
        // What became of the objects counts more than who could not be told.
        report.failure.map_or(told, |kind| Ok(ExitCode::from(kind.exit_code())))
    }
}

/// Prints what became of each object, in the order of the input.
fn print(done: &Report, format: Option<Format>, ui: &Ui) -> Result<()> {
    let mut text = String::new();
    match format {
        None => {
            for row in &done.rows {
                let dry = if done.dry_run { " (server dry run)" } else { "" };
                let job = row.job_result.as_ref().map(|job| format!(", {job}")).unwrap_or_default();
                let reason = row.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                let line = format!("{} {}{dry}{job}{reason}", row.qualified_name(), row.outcome.as_str());
                text.push_str(&(diagnostic::escape_controls(&line) + "\n"));
            }
        }
        Some(Format::Name) => {
            let applied = |outcome: Outcome| outcome.is_applied() || outcome == Outcome::Skipped;
            done.rows
                .iter()
                .filter(|row| applied(row.outcome))
                .for_each(|row| text.push_str(&(diagnostic::escape_controls(&row.qualified_name()) + "\n")));
        }
        Some(Format::Json) => {
            let rows: Vec<Printed<'_>> = done.rows.iter().map(Printed::of).collect();
            let printed = serde_json::json!({"dryRun": done.dry_run, "objects": rows});
            text = serde_json::to_string_pretty(&printed).unwrap_or_default() + "\n";
        }
    }
    ignore_closed_output(ui.print_text(&text))
}

/// An object of the report, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed<'r> {
    api_version: &'r str,
    kind: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'r str>,
    name: &'r str,
    file: &'r str,
    line: usize,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<&'r str>,
}

impl<'r> Printed<'r> {
    fn of(row: &'r ReportRow) -> Self {
        Printed {
            api_version: &row.api_version,
            kind: &row.kind,
            namespace: row.namespace.as_deref(),
            name: &row.name,
            file: &row.file,
            line: row.line,
            outcome: row.outcome.as_str(),
            reason: row.reason.as_deref(),
            job: row.job_result.as_deref(),
        }
    }
}
