//! `jobplate apply`: renders manifests, applies them to a cluster and reports the outcome of each object.
//!
//! | file | decides |
//! |---|---|
//! | `mod.rs` | the flags and their defaults |
//! | `report.rs` | the format of the report |

mod report;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCandidates;
use jobplate::diagnostic::edits::EditStatus;
use jobplate_cluster::{ApplyOptions, OnImmutable, SessionOptions, WaitGoal, WaitOptions};
use jobplate_diagnostic::{Error, ProgramName, Result};

use self::report::{ApplyFormat, format_row, print_json, summarize};
use super::definition::Command;
use crate::shared::choice::{Choice, ChoiceParser, value_candidates};
use crate::shared::cluster_args::{ClusterArgs, MAX_DURATION, parse_duration, resolve_manifests};
use crate::shared::edit_args::ManifestArgs;
use crate::shared::edit_report;
use crate::shared::no_match::MatchPolicy;
use crate::shared::plan::plan;
use crate::shared::render_request::RenderRequest;
use crate::shared::rendered_documents::RenderedDocuments;
use crate::shared::temp_files::end_on_interrupts;
use crate::ui::Ui;
use crate::ui::events::ProgressReporter;
use crate::ui::live_objects::{LiveFormat, LiveObjectFormatter};

/// The time between two summaries of a wait. CI systems end a job that prints nothing for some minutes.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    applying: ApplyingArgs,
}

#[derive(Args)]
#[command(next_help_heading = "Applying")]
struct ApplyingArgs {
    /// Dry run: server, none
    #[arg(
        long,
        value_name = "HOW",
        default_value = "none",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        value_parser = ChoiceParser::<DryRunChoice>::new(),
        add = ArgValueCandidates::new(value_candidates::<DryRunChoice>)
    )]
    dry_run: Choice<DryRunChoice>,
    /// What to do with a Job whose immutable fields differ: fail, recreate, new-name, skip
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "fail",
        value_parser = ChoiceParser::<OnImmutableChoice>::new(),
        add = ArgValueCandidates::new(value_candidates::<OnImmutableChoice>)
    )]
    on_immutable: Choice<OnImmutableChoice>,
    /// Allow --on-immutable=recreate to delete a running Job
    #[arg(long)]
    recreate_running: bool,
    /// Skip the dry run of all objects before the first write
    #[arg(long)]
    no_preflight: bool,
    /// Not supported
    #[arg(long, hide = true)]
    prune: bool,
    /// Wait until the Jobs end
    #[arg(long)]
    wait: bool,
    /// Wait until the Jobs have this state (implies --wait): complete, failed, delete [default: complete]
    #[arg(
        long = "for",
        value_name = "STATE",
        value_parser = ChoiceParser::<WaitState>::new(),
        add = ArgValueCandidates::new(value_candidates::<WaitState>)
    )]
    state: Option<Choice<WaitState>>,
    /// Print the logs of the Jobs to stderr (implies --wait)
    #[arg(long)]
    logs: bool,
    /// How long a pod may be unable to start, such as for a missing Secret; 0 for no limit
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    start_timeout: String,
    /// Maximum duration of Jobs and deletions
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    timeout: String,
    /// Format of the outcome of each object: name, json
    #[arg(
        short = 'o',
        long,
        value_name = "FORMAT",
        value_parser = ChoiceParser::<ApplyFormat>::new(),
        add = ArgValueCandidates::new(value_candidates::<ApplyFormat>)
    )]
    output: Option<Choice<ApplyFormat>>,
    /// Print the live objects, with masked values, and the outcomes to stderr: yaml, json
    #[arg(
        long,
        value_name = "FORMAT",
        conflicts_with = "output",
        value_parser = ChoiceParser::<LiveFormat>::new(),
        add = ArgValueCandidates::new(value_candidates::<LiveFormat>)
    )]
    show_live: Option<Choice<LiveFormat>>,
}

/// The resolved arguments of `apply`.
struct ApplyRequest {
    /// The manifests to render.
    request: RenderRequest,
    /// The connection to the cluster.
    session: SessionOptions,
    /// The options for applying.
    options: ApplyOptions,
    /// The format of the report, or `None` for a line per object.
    format: Option<ApplyFormat>,
    /// The format of the live objects, or `None` to print the report instead.
    live_format: Option<LiveFormat>,
}

/// The values of `--dry-run`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DryRunChoice {
    Server,
    None,
    /// A value of kubectl that is refused.
    #[value(hide = true)]
    Client,
    /// `--dry-run` without a value, which is refused.
    #[value(name = "", hide = true)]
    Missing,
}

/// The values of `--for`, which are also accepted in the format of `kubectl wait`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum WaitState {
    #[value(alias = "condition=complete")]
    Complete,
    #[value(alias = "condition=failed")]
    Failed,
    Delete,
}

/// The values of `--on-immutable`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnImmutableChoice {
    Fail,
    Recreate,
    NewName,
    Skip,
}

impl ApplyArgs {
    /// Resolves the arguments.
    fn resolve(self) -> Result<ApplyRequest> {
        let ApplyingArgs {
            dry_run,
            on_immutable,
            recreate_running,
            no_preflight,
            prune,
            wait,
            state,
            logs,
            start_timeout,
            timeout,
            output,
            show_live,
        } = self.applying;
        if prune {
            return Err(prune_error());
        }
        let mut request = resolve_manifests(self.manifests, &self.cluster)?;
        let dry_run = resolve_dry_run(dry_run)?;
        let running = recreate_running;
        let on_immutable =
            match on_immutable.require("`--on-immutable` must be `fail`, `recreate`, `new-name` or `skip`")? {
                OnImmutableChoice::Fail => OnImmutable::Fail,
                OnImmutableChoice::Recreate => OnImmutable::Recreate { include_running: running },
                OnImmutableChoice::NewName => {
                    request.injection.metadata.append_hash = true;
                    OnImmutable::Fail
                }
                OnImmutableChoice::Skip => OnImmutable::Skip,
            };
        if running && !matches!(on_immutable, OnImmutable::Recreate { .. }) {
            return Err(Error::usage("`--recreate-running` requires `--on-immutable=recreate`"));
        }
        let format = output.map(resolve_format).transpose()?;
        let require_live_format = |format: Choice<LiveFormat>| format.require("`--show-live` must be `yaml` or `json`");
        let live_format = show_live.map(require_live_format).transpose()?;
        let timeout = parse_duration("--timeout", &timeout)?.unwrap_or(MAX_DURATION);
        let start_timeout = parse_duration("--start-timeout", &start_timeout)?.unwrap_or(MAX_DURATION);
        let wait = wait || logs || state.is_some();
        let goal = state.map(resolve_goal).transpose()?.unwrap_or_default();
        let wait_options = WaitOptions { goal, follow_logs: logs, start_timeout, summary_interval: SUMMARY_INTERVAL };
        let wait = wait.then_some(wait_options);
        let options = ApplyOptions {
            dry_run,
            preflight: !no_preflight,
            force_conflicts: self.cluster.force_conflicts,
            take_over: self.cluster.take_over,
            on_immutable,
            show_live: live_format.is_some(),
            wait,
            timeout,
        };
        Ok(ApplyRequest { request, session: self.cluster.resolve_session()?, options, format, live_format })
    }
}

fn resolve_dry_run(dry_run: Choice<DryRunChoice>) -> Result<bool> {
    match dry_run.require("`--dry-run` must be `server` or `none`")? {
        DryRunChoice::None => Ok(false),
        DryRunChoice::Server => Ok(true),
        DryRunChoice::Client => {
            let hint = "use `" + ProgramName + " render` to print manifests, or --dry-run=server to ask the API server";
            Err(Error::usage("`--dry-run=client` is not supported").hint(hint))
        }
        DryRunChoice::Missing => Err(Error::usage("missing value for `--dry-run`").hint("use --dry-run=server")),
    }
}

fn resolve_goal(state: Choice<WaitState>) -> Result<WaitGoal> {
    Ok(match state.require("`--for` must be `complete`, `failed` or `delete`")? {
        WaitState::Complete => WaitGoal::Complete,
        WaitState::Failed => WaitGoal::Failed,
        WaitState::Delete => WaitGoal::Deleted,
    })
}

fn resolve_format(format: Choice<ApplyFormat>) -> Result<ApplyFormat> {
    let format = format.require("`--output` must be `name` or `json`");
    format.map_err(|error| error.hint("`" + ProgramName + " render` prints manifests"))
}

fn prune_error() -> Error {
    let hint = "it deletes nothing; kubectl's applysets do: `"
        + ProgramName
        + " render ... | KUBECTL_APPLYSET=true kubectl apply --prune --applyset=NAME -n NAMESPACE -f -`";
    Error::usage("`--prune` is not supported").hint(hint)
}

impl Command for ApplyArgs {
    const NAME: &'static str = "apply";
    const ABOUT: &'static str = "Render manifests and apply them to a cluster, optionally waiting for the Jobs";

    fn after_help(program: &str) -> Option<String> {
        Some(format!(
            "Examples:
  # Run the Job of a job template, and follow its logs until it ends
  {program} apply job_template.yaml \\
    --secret GITHUB_ACCESS_TOKEN=prefect-secrets/github-access-token --logs

  # Replace a plain value on the server with a reference
  {program} apply cronjob.yaml --secret-env TOKEN=prefect-secrets/token \\
    --take-over

  # In CI: a changed Job gets a new name; the report is JSON
  {program} apply k8s/ --spec flows.yaml --on-immutable=new-name \\
    --wait -o json

Exit codes: 0 success; 2 invalid input; 3 the API server rejected a request or is unreachable; 4 a Job failed; 5 timeout; 130 Ctrl-C"
        ))
    }

    /// Runs the command. The first failure determines the exit code.
    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        ui.verbose = self.cluster.verbose;
        let ApplyRequest { request, session, options, format, live_format } = self.resolve()?;
        ui.quiet = request.quiet;
        let rendering = plan(&request, MatchPolicy::required_if(request.injection.needs_target()), ui);
        let mut rendering = edit_report::report_failure(rendering, &request, ui)?;
        let edits = edit_report::prepare(&mut rendering, &request, ui)?;
        let injection = &request.injection;
        let named = (options.take_over || !injection.unset.is_empty()).then_some(injection);
        let documents = RenderedDocuments::new(&mut rendering, named, options.take_over);
        let progress = ProgressReporter::new(ui, |row| format_row(row, format, options.dry_run));
        if let Some(live_format) = live_format {
            progress.show_live_objects(LiveObjectFormatter::new(live_format));
        }
        let report = jobplate_cluster::apply(documents, &session, &options, &progress);
        let printed = progress.finish();
        end_on_interrupts();
        let report = report?;
        printed?;
        if matches!(format, Some(ApplyFormat::Json)) {
            print_json(&report, ui)?;
        }
        if let Some(summary) = summarize(&report) {
            ui.write_note(summary);
        }
        if let Some(workflow) = ui.github() {
            let outcomes =
                report.rows.iter().map(|row| (row.qualified_name(), row.outcome.as_str(), row.reason.as_deref()));
            workflow.report_outcomes(outcomes, report.dry_run);
        }
        let is_done = !report.dry_run && report.failure.is_none();
        let report_result = edit_report::emit(
            edits,
            if is_done { EditStatus::Applied } else { EditStatus::Previewed },
            Ok(ExitCode::SUCCESS),
            ui,
        );
        // A failed object determines the exit code, even if the edit report cannot be written.
        report.failure.map_or(report_result, |kind| Ok(ExitCode::from(kind.exit_code())))
    }
}
