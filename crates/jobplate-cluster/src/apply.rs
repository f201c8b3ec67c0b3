//! Applies documents: dry-runs every object before the first write, applies the objects in order, and records each
//! outcome.
//!
//! The [`PHASES`] determine the order. An object's body is read from the spool when the object is sent, so apart from
//! the spool, only the bodies of pending requests are in memory.

use std::rc::Rc;

use futures::stream::{FuturesUnordered, StreamExt};
use jobplate_diagnostic::{Error, ErrorKind, Result};

use crate::apply_object::{ApplyContext, ApplyEffects};
use crate::document::Document;
use crate::dry_run::dry_run;
use crate::events::EventHandler;
use crate::inventory::{Inventory, InventoryEntry, ProvidedResources, read_inventory};
use crate::live::parse_live_object;
use crate::object::InputObject;
use crate::options::ApplyOptions;
use crate::outcome::{DryRunResult, ObjectResult, RunStart};
use crate::phases::{Mode, PHASES, Phase, Stage};
use crate::recreate::RecreateStep;
use crate::report::{Outcome, Report};
use crate::run_reporter::{RowQueue, RunReporter};
use crate::runtime::block_on;
use crate::session::{Session, SessionOptions};
use crate::wait::{AwaitedJob, JobEnd, wait_for_jobs};

/// Applies documents. Failures of single objects are listed in the report and passed to [`EventHandler::on_failure`].
///
/// # Errors
/// Fails if the kubeconfig or a document is invalid, if an object is a duplicate or contradicts `-n`, if there are no
/// objects, or if the temporary file cannot be written. In these cases, no request was sent.
pub fn apply(
    documents: impl IntoIterator<Item = Result<Document>>,
    session: &SessionOptions,
    options: &ApplyOptions,
    events: &dyn EventHandler,
) -> Result<Report> {
    block_on(async {
        let session = Session::open(session, events).await?;
        let Inventory { entries, provided } = read_inventory(documents, &session.namespaces)?;
        let has_dry_runs = options.preflight || options.dry_run;
        let run_start = if has_dry_runs { None } else { RunStart::read(&session).await };
        let context = ApplyContext { session: &session, options, provided, run_start };
        let mut run = ApplyRun {
            context: &context,
            entries,
            failure: None,
            jobs: Vec::new(),
            reporter: RunReporter::new(session.events),
            has_taken_over: false,
        };
        run.run_phases(has_dry_runs).await;
        let rows = run.entries.into_iter().map(|entry| entry.row).collect();
        Ok(Report { rows, failure: run.failure, dry_run: options.dry_run })
    })
}

struct ApplyRun<'a> {
    context: &'a ApplyContext<'a>,
    entries: Vec<InventoryEntry>,
    /// The kind of the first failure.
    failure: Option<ErrorKind>,
    /// The applied Jobs, with the indexes of their entries.
    jobs: Vec<(usize, AwaitedJob)>,
    reporter: RunReporter<'a>,
    /// Whether the ownership of any env entry was moved (`--take-over`).
    has_taken_over: bool,
}

/// The result of sending one object.
struct FinishedObject {
    index: usize,
    /// The namespace of the object. `Some(None)` if its kind is not namespaced, `None` if its kind is unknown.
    namespace: Option<Option<Rc<str>>>,
    has_taken_over: bool,
    result: Result<ObjectResult>,
}

impl<'a> ApplyRun<'a> {
    /// Runs all phases. Skips the dry-run phases if `has_dry_runs` is false. If it is true, skips the apply phases if
    /// only dry runs were requested, if a dry run failed, or if the session should stop.
    async fn run_phases(&mut self, has_dry_runs: bool) {
        let ApplyContext { session, options, .. } = self.context;
        let mut ends_after_dry_runs = false;
        for phase in PHASES.iter().filter(|phase| has_dry_runs || phase.mode == Mode::Apply) {
            match phase.mode {
                Mode::DryRun => self.mark_skipped_dry_runs(phase.first_stage()),
                Mode::Apply if has_dry_runs && phase.first_stage() == Stage::Definitions => {
                    ends_after_dry_runs = self.failure.is_some() || options.dry_run || session.should_stop();
                }
                Mode::Apply => {}
            }
            if ends_after_dry_runs {
                break;
            }
            self.run_phase(phase).await;
        }
        self.finish(ends_after_dry_runs).await;
    }

    /// Marks the objects in stage `from` and later stages that cannot be dry-run because they need a resource that only
    /// this run creates or changes.
    fn mark_skipped_dry_runs(&mut self, from: Stage) {
        let will_change = |entry: &&InventoryEntry| {
            entry.stage < from && (entry.skips_dry_run || entry.dry_run.is_created_or_changed())
        };
        let changing = ProvidedResources::from_entries(self.entries.iter().filter(will_change));
        let is_affected =
            |entry: &&mut InventoryEntry| entry.stage >= from && changing.satisfies_any(&entry.requirements);
        for entry in self.entries.iter_mut().filter(is_affected) {
            entry.skips_dry_run = true;
            if self.context.options.dry_run {
                entry.row.reason =
                    Some("not dry-run: it depends on objects that this input creates or changes".to_owned());
            }
        }
    }

    /// Sends the objects of a phase, at most `concurrency` at a time. Starts no further requests once the session
    /// should stop.
    async fn run_phase(&mut self, phase: &Phase) {
        let session = self.context.session;
        let (mut tasks, mut queue) = (FuturesUnordered::new(), RowQueue::default());
        for index in 0..self.entries.len() {
            let InventoryEntry { stage, skips_dry_run, .. } = self.entries[index];
            if !phase.includes(stage, skips_dry_run) {
                continue;
            }
            while tasks.len() >= session.concurrency
                && let Some(finished_object) = tasks.next().await
            {
                self.record(finished_object, phase.mode, &mut queue);
            }
            if session.should_stop() {
                break;
            }
            let entry = &mut self.entries[index];
            let dry_run = std::mem::take(&mut entry.dry_run);
            queue.push(index);
            tasks.push(send_object(self.context, index, Rc::clone(&entry.object), dry_run, phase.mode));
        }
        while let Some(finished_object) = tasks.next().await {
            self.record(finished_object, phase.mode, &mut queue);
        }
    }

    /// Records the result of an object, and reports the rows that are complete. The row of a Job is complete when the
    /// wait for the Job has ended.
    fn record(&mut self, finished_object: FinishedObject, mode: Mode, queue: &mut RowQueue) {
        let FinishedObject { index, namespace, has_taken_over, result } = finished_object;
        let entry = &mut self.entries[index];
        if let Some(namespace) = namespace {
            entry.row.namespace = namespace;
        }
        self.has_taken_over |= has_taken_over;
        match result {
            Ok(result) => self.record_success(index, result, mode),
            Err(error) => self.record_failure(index, &error),
        }
        let options = self.context.options;
        for index in queue.finish(index) {
            if let Some(live) = parse_live_object(&std::mem::take(&mut self.entries[index].live)) {
                self.context.session.events.on_live_object(&live);
            }
            let row = &self.entries[index].row;
            let is_awaited = options.wait.is_some() && self.jobs.iter().any(|(job, _)| *job == index);
            let is_complete = mode == Mode::Apply || options.dry_run || row.outcome == Outcome::Failed;
            if is_complete && !is_awaited {
                self.reporter.report_row(index, row);
            }
        }
    }

    fn record_success(&mut self, index: usize, result: ObjectResult, mode: Mode) {
        let options = self.context.options;
        let entry = &mut self.entries[index];
        let row = &mut entry.row;
        entry.dry_run = result.dry_run;
        if let Some(name) = result.name {
            row.name = name;
        }
        if mode == Mode::Apply || options.dry_run {
            row.outcome = result.outcome;
            entry.live = if options.show_live { result.live } else { Vec::new() };
        }
        if mode == Mode::Apply
            && entry.object.is_job()
            && result.outcome.is_applied()
            && let Some(uid) = result.uid
        {
            let namespace = entry.object.namespace.to_string();
            let (name, resource_version, has_ttl) = (row.name.clone(), result.resource_version, entry.has_ttl);
            let job = AwaitedJob { namespace, name, uid, resource_version, has_ttl };
            self.jobs.push((index, job));
        }
    }

    fn record_failure(&mut self, index: usize, error: &Error) {
        let row = &mut self.entries[index].row;
        row.outcome = Outcome::Failed;
        // The lines after the first one name fields and their owners.
        let lines: Vec<&str> = error.message().lines().map(str::trim).collect();
        row.reason = Some(lines.join(" ").trim_end_matches(':').to_owned());
        self.failure.get_or_insert(error.kind());
        self.reporter.report_failure(row, error);
    }

    /// Reports that the server removes the applied Jobs with a TTL after they have finished, so the next apply runs
    /// them again. Reports nothing in a dry run.
    fn note_ttl(&self) {
        let mut with_ttl = self.entries.iter().filter(|entry| entry.has_ttl && entry.row.outcome.is_applied());
        if let Some(first) = with_ttl.next().filter(|_| !self.context.options.dry_run) {
            let more = match with_ttl.count() {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            self.context.session.events.on_note(&format!(
                "{}{more} has a TTL: after the API server deletes it, the next apply runs it again",
                first.row.qualified_name()
            ));
        }
    }

    /// Reports notes about the completed phases, and waits for the Jobs if the options request it and the user has not
    /// cancelled the run.
    async fn finish(&mut self, ended_after_dry_runs: bool) {
        let ApplyContext { session, options, .. } = self.context;
        let events = session.events;
        if session.cancellation.is_cancelled() {
            self.failure.get_or_insert(ErrorKind::Interrupted);
        }
        if session.should_stop() && !ended_after_dry_runs {
            let applied = self.entries.iter().filter(|entry| entry.row.outcome.is_applied()).count();
            let total = self.entries.len();
            events.on_note(&format!(
                "the run ended early: applied {applied} of {total} objects; run again to apply the rest"
            ));
        }
        if self.has_taken_over {
            events.on_note(
                "earlier Jobs and pods, ReplicaSets, ControllerRevisions and Helm release Secrets can still contain the values: rotate them",
            );
        }
        if ended_after_dry_runs && !options.dry_run {
            events.on_note("nothing was applied");
        }
        self.note_ttl();
        let jobs = std::mem::take(&mut self.jobs);
        if options.wait.is_some() && jobs.is_empty() && self.failure.is_none() {
            events.on_note("no Job to wait for");
        }
        if let Some(wait) = &options.wait
            && !session.cancellation.is_cancelled()
        {
            let ApplyRun { entries, failure: first_failure, reporter, .. } = self;
            let on_end = |JobEnd { index, text, error }| {
                let row = &mut entries[index].row;
                row.job_result = Some(text);
                if let Some(error) = error {
                    first_failure.get_or_insert(error.kind());
                    reporter.report_failure(row, &error);
                }
                reporter.report_row(index, row);
            };
            wait_for_jobs(session, jobs, wait, options.timeout, on_end).await;
            if session.cancellation.is_cancelled() {
                self.failure.get_or_insert(ErrorKind::Interrupted);
            }
        }
        self.reporter.report_equal_failures();
        for (index, entry) in self.entries.iter().enumerate() {
            self.reporter.report_row(index, &entry.row);
        }
    }
}

/// Dry-runs or applies one object. After Ctrl-C, the requests have a grace period to complete.
async fn send_object(
    context: &ApplyContext<'_>,
    index: usize,
    object: Rc<InputObject>,
    dry_run_result: DryRunResult,
    mode: Mode,
) -> FinishedObject {
    let ApplyContext { session, options, .. } = context;
    let (mut namespace, mut effects) = (None, ApplyEffects::default());
    let send = async {
        let resource = match mode {
            Mode::DryRun => session.resource(&object).await?,
            Mode::Apply => context.wait_for_resource(&object).await?,
        };
        namespace = Some(resource.namespaced.then(|| Rc::clone(&object.namespace)));
        match mode {
            Mode::DryRun => dry_run(session, options, &object, &resource).await,
            Mode::Apply => context.apply(&object, &resource, &dry_run_result, &mut effects).await,
        }
    };
    let result = session.cancellation.run_with_grace(send).await.unwrap_or_else(|| {
        let message = format!("interrupted while applying {}/{}", object.kind, object.name());
        let error = object.locate(Error::new(ErrorKind::Interrupted, message));
        Err(match mode {
            Mode::Apply if effects.recreate_step != RecreateStep::NotStarted => {
                object.locate(Error::new(ErrorKind::Interrupted, "interrupted"))
            }
            Mode::Apply => error.hint("it may be applied; it is safe to run again"),
            Mode::DryRun => error,
        })
    });
    let ApplyEffects { has_taken_over, recreate_step } = effects;
    let result = result.map_err(|error| recreate_step.wrap(&object, error));
    FinishedObject { index, namespace, has_taken_over, result }
}
