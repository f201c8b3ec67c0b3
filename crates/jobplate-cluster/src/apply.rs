//! Applying: everything is tried before anything is written, then sent in order, and all of it is reported.
//!
//! Each object goes through the [`PHASES`]. Its texts are read from the spool when its turn comes, so that no more of
//! them are in memory than requests are under way.

use std::rc::Rc;

use futures::stream::{FuturesUnordered, StreamExt};
use jobplate_diagnostic::{Error, ErrorKind, Result};

use crate::apply_object::Context;
use crate::document::Document;
use crate::dry_run::dry_run;
use crate::events::EventHandler;
use crate::inventory::{Brought, Entry, Inventory, inventory};
use crate::object::InputObject;
use crate::options::{ApplyOptions, OnImmutable};
use crate::outcome::{Done, Start, Tried};
use crate::phases::{Mode, PHASES, Phase, Stage};
use crate::report::{Outcome, Report};
use crate::runtime::block_on;
use crate::session::{Session, SessionOptions};
use crate::wait::{self, Awaited};

/// Applies documents. What the server refuses is in the report.
///
/// # Errors
/// Fails if an input or the configuration is wrong, and then nothing was sent.
pub fn apply(
    documents: impl IntoIterator<Item = Result<Document>>,
    session: &SessionOptions,
    options: &ApplyOptions,
    events: &dyn EventHandler,
) -> Result<Report> {
    block_on(async {
        let session = Session::open(session, events).await?;
        let Inventory { entries, brought } = inventory(documents, &session.namespaces)?;
        let tries = options.preflight || options.dry_run;
        let start = if tries { None } else { Start::of(&session).await };
        let context = Context { session: &session, options, brought, start };
        let mut run =
            Run { context: &context, entries, failure: None, jobs: Vec::new(), told: None, has_taken_over: false };
        run.all(tries).await;
        let rows = run.entries.into_iter().map(|entry| entry.row).collect();
        Ok(Report { rows, failure: run.failure, dry_run: options.dry_run })
    })
}

struct Run<'a> {
    context: &'a Context<'a>,
    entries: Vec<Entry>,
    failure: Option<ErrorKind>,
    jobs: Vec<(usize, Awaited)>,
    /// The last failure that was about no object of its own.
    told: Option<String>,
    /// Whether any ownership was moved.
    has_taken_over: bool,
}

/// What came out of an object's turn.
struct Finished {
    index: usize,
    /// Its namespace, none where its kind has none; unknown as long as its kind is.
    namespace: Option<Option<Rc<str>>>,
    has_taken_over: bool,
    done: Result<Done>,
}

impl<'a> Run<'a> {
    /// Runs all phases; those that try only if `tries`.
    async fn all(&mut self, tries: bool) {
        let Context { session, options, .. } = self.context;
        let mut only_tried = false;
        for phase in PHASES.iter().filter(|phase| tries || phase.mode == Mode::Apply) {
            match phase.mode {
                Mode::DryRun => self.note_untriable(phase.first_stage()),
                Mode::Apply if tries && phase.first_stage() == Stage::First => {
                    only_tried = self.failure.is_some() || options.dry_run || session.is_over();
                }
                Mode::Apply => {}
            }
            if only_tried {
                break;
            }
            self.run(phase).await;
        }
        self.finish(only_tried).await;
    }

    /// Notes which objects of a stage, and of those after it, need what this run makes or changes: these can't be
    /// tried before.
    fn note_untriable(&mut self, from: Stage) {
        let is_news = |entry: &&Entry| entry.stage < from && (entry.untriable || entry.tried.is_news());
        let fresh = Brought::by(self.entries.iter().filter(is_news));
        for entry in self.entries.iter_mut().filter(|entry| entry.stage >= from && fresh.holds(&entry.needs)) {
            entry.untriable = true;
            if self.context.options.dry_run {
                entry.row.reason = Some("it needs what is only made by this input".to_owned());
            }
        }
    }

    /// Tries or sends the objects of a phase, a few at a time.
    async fn run(&mut self, phase: &Phase) {
        let session = self.context.session;
        let mut running = FuturesUnordered::new();
        for index in 0..self.entries.len() {
            let Entry { stage, untriable, .. } = self.entries[index];
            if !phase.includes(stage, untriable) {
                continue;
            }
            while running.len() >= session.concurrency
                && let Some(finished) = running.next().await
            {
                self.record(finished, phase.mode);
            }
            if session.is_over() {
                break;
            }
            let entry = &mut self.entries[index];
            let tried = std::mem::take(&mut entry.tried);
            running.push(one(self.context, index, Rc::clone(&entry.subject), tried, phase.mode));
        }
        while let Some(finished) = running.next().await {
            self.record(finished, phase.mode);
        }
    }

    fn record(&mut self, finished: Finished, mode: Mode) {
        let Finished { index, namespace, has_taken_over, done } = finished;
        let Context { session, options, .. } = self.context;
        let entry = &mut self.entries[index];
        let row = &mut entry.row;
        if let Some(namespace) = namespace {
            row.namespace = namespace;
        }
        self.has_taken_over |= has_taken_over;
        match done {
            Ok(done) => {
                entry.tried = done.tried;
                if let Some(name) = done.name {
                    row.name = name;
                }
                if mode == Mode::Apply || options.dry_run {
                    row.outcome = done.outcome;
                    session.events.on_finished(row);
                }
                if mode == Mode::Apply
                    && entry.subject.is_job()
                    && done.outcome.is_applied()
                    && let Some(uid) = done.uid
                {
                    let namespace = entry.subject.namespace.to_string();
                    let job = Awaited { namespace, name: row.name.clone(), uid, passes: entry.passes };
                    self.jobs.push((index, job));
                }
            }
            Err(error) => {
                row.outcome = Outcome::Failed;
                let first = error.message().lines().next().unwrap_or_default();
                row.reason = Some(first.trim_end_matches(':').to_owned());
                self.failure.get_or_insert(error.kind());
                // Report a connection failure once, not for each object.
                let general = error.location().is_none().then(|| error.message().to_owned());
                if general.is_none() || self.told != general {
                    session.events.on_failure(&error);
                }
                self.told = general;
            }
        }
    }

    fn tell_of_ttl(&self) {
        let mut passing = self.entries.iter().filter(|entry| entry.passes && entry.row.outcome.is_applied());
        if let Some(first) = passing.next().filter(|_| !self.context.options.dry_run) {
            let more = match passing.count() {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            self.context.session.events.on_note(&format!(
                "{}{more} has a TTL: once the server has removed it, applying again runs it again",
                first.row.qualified_name()
            ));
        }
    }

    async fn finish(&mut self, only_tried: bool) {
        let Context { session, options, .. } = self.context;
        let events = session.events;
        if session.stop.is_asked() {
            self.failure.get_or_insert(ErrorKind::Interrupted);
        }
        if session.is_over() && !only_tried {
            let applied = self.entries.iter().filter(|entry| entry.row.outcome.is_applied()).count();
            let all = self.entries.len();
            events.on_note(&format!(
                "the run ended early: {applied} of {all} objects are applied; run again for the rest"
            ));
        }
        if self.has_taken_over {
            events.on_note(
                "Jobs and pods made before, ReplicaSets, ControllerRevisions and Helm's release Secrets may still hold the values: rotate them",
            );
        }
        if only_tried && !options.dry_run {
            events.on_note("nothing was applied");
        }
        self.tell_of_ttl();
        let jobs = std::mem::take(&mut self.jobs);
        if options.wait.is_some() && jobs.is_empty() && self.failure.is_none() {
            events.on_note("there is no Job to wait for");
        }
        if let Some(wait) = &options.wait
            && !session.stop.is_asked()
        {
            for (index, text, failure) in wait::all(session, jobs, wait, options.timeout).await {
                self.entries[index].row.job_result = Some(text);
                self.failure = self.failure.or(failure);
            }
            if session.stop.is_asked() {
                self.failure.get_or_insert(ErrorKind::Interrupted);
            }
        }
    }
}

/// Tries or sends one object.
async fn one(context: &Context<'_>, index: usize, subject: Rc<InputObject>, tried: Tried, mode: Mode) -> Finished {
    let Context { session, options, .. } = context;
    let (mut namespace, mut has_taken_over) = (None, false);
    let work = async {
        let resource = match mode {
            Mode::DryRun => session.resource(&subject).await?,
            Mode::Apply => context.resource_when_there(&subject).await?,
        };
        namespace = Some(resource.namespaced.then(|| Rc::clone(&subject.namespace)));
        match mode {
            Mode::DryRun => dry_run(session, options, &subject, &resource).await,
            Mode::Apply => context.apply(&subject, &resource, &tried, &mut has_taken_over).await,
        }
    };
    let done = session.stop.or_grace(work).await.unwrap_or_else(|| {
        let what = format!("interrupted while {}/{} was under way", subject.kind, subject.name());
        let error = subject.place(Error::new(ErrorKind::Interrupted, what));
        Err(match mode {
            Mode::DryRun => error,
            Mode::Apply if matches!(options.on_immutable, OnImmutable::Recreate { .. }) && subject.is_job() => {
                error.hint("it may have been applied, or be deleted; running again is safe")
            }
            Mode::Apply => error.hint("it may have been applied; running again is safe"),
        })
    });
    Finished { index, namespace, has_taken_over, done }
}
