//! Applying: everything is tried before anything is written, then sent in order, and all of it is reported.
//!
//! The order: a survey without the server, a dry run of every object, then Namespaces and
//! CustomResourceDefinitions, then the rest, Jobs last. Documents are read anew for each of these passes,
//! so that no more of them are in memory than requests are under way.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use jobplate_diagnostic::{Error, Kind, Result};

use crate::apply_object::Sender;
use crate::events::Events;
use crate::inventory::{Brought, Entry, Turn, survey};
use crate::object::{Document, Documents, Subject};
use crate::options::{ApplyOptions, OnImmutable};
use crate::report::{Outcome, Report};
use crate::runtime::block_on;
use crate::session::{Session, SessionOptions};
use crate::wait::{self, Awaited};

/// Applies all documents. What the server refuses is in the report; an error is of the input, or of the
/// configuration, and then nothing was sent.
pub fn apply(
    documents: &mut dyn Documents,
    session: &SessionOptions,
    options: &ApplyOptions,
    events: &dyn Events,
) -> Result<Report> {
    block_on(async {
        let session = Session::open(session, events).await?;
        let (entries, brought) = survey(documents, &session.namespaces)?;
        let run = Run {
            session: &session,
            options,
            sender: Sender {
                session: &session,
                options,
                brought,
                has_taken_over: Cell::new(false),
                start: Cell::new(None),
            },
            entries: RefCell::new(entries),
            failure: Cell::new(None),
            jobs: RefCell::default(),
            told: RefCell::default(),
        };
        run.all(documents).await;
        let rows = run.entries.into_inner().into_iter().map(|entry| entry.row).collect();
        Ok(Report { rows, failure: run.failure.get(), dry_run: options.dry_run })
    })
}

struct Run<'a> {
    session: &'a Session<'a>,
    options: &'a ApplyOptions,
    sender: Sender<'a>,
    entries: RefCell<Vec<Entry>>,
    failure: Cell<Option<Kind>>,
    jobs: RefCell<Vec<(usize, Awaited)>>,
    /// The last failure that was about no object of its own.
    told: RefCell<Option<String>>,
}

impl Run<'_> {
    async fn all(&self, documents: &mut dyn Documents) {
        if self.options.preflight || self.options.dry_run {
            self.pass(documents, |entry| entry.turn == Turn::First, Act::Try).await;
            self.note_untriable(Turn::Early);
            self.pass(documents, |entry| entry.turn == Turn::Early && !entry.untriable, Act::Try).await;
            self.note_untriable(Turn::Middle);
            self.pass(documents, |entry| entry.turn > Turn::Early && !entry.untriable, Act::Try).await;
            if self.failure.get().is_some() || self.options.dry_run || self.session.is_over() {
                self.finish(true).await;
                return;
            }
        } else {
            self.sender.begin().await;
        }
        for turn in [Turn::First, Turn::Early, Turn::Middle, Turn::Last] {
            if self.entries.borrow().iter().any(|entry| entry.turn == turn) && !self.session.is_over() {
                self.pass(documents, |entry| entry.turn == turn, Act::Send).await;
            }
        }
        self.finish(false).await;
    }

    /// Notes which objects of a turn, and those behind it, need what this run makes or changes: these can't be
    /// tried before.
    fn note_untriable(&self, from: Turn) {
        let mut entries = self.entries.borrow_mut();
        let is_news = |entry: &&Entry| entry.turn < from && (entry.untriable || entry.tried.is_news());
        let fresh = Brought::by(entries.iter().filter(is_news));
        for entry in entries.iter_mut().filter(|entry| entry.turn >= from && fresh.holds(&entry.needs)) {
            entry.untriable = true;
            if self.options.dry_run {
                entry.row.reason = Some("it needs what is only made by this input".to_owned());
            }
        }
    }

    /// Tries or sends the objects that are wanted, a few at a time. A document that can't be read any more
    /// ends it, but not what is under way.
    async fn pass(&self, documents: &mut dyn Documents, wanted: impl Fn(&Entry) -> bool, act: Act) {
        let mut running = FuturesUnordered::new();
        if let Err(error) = self.start_all(documents, wanted, act, &mut running).await {
            self.give_up(&error);
        }
        while running.next().await.is_some() {}
    }

    /// Ends the run; what is under way may end.
    fn give_up(&self, error: &Error) {
        self.failure.set(self.failure.get().or(Some(error.kind())));
        self.session.events.failed(error);
        self.session.end();
    }

    async fn start_all<'s>(
        &'s self,
        documents: &mut dyn Documents,
        wanted: impl Fn(&Entry) -> bool,
        act: Act,
        running: &mut FuturesUnordered<LocalBoxFuture<'s, ()>>,
    ) -> Result<()> {
        let mut documents = documents.pass();
        let mut index = 0;
        while let Some(document) = documents.next()? {
            for subject in self.objects_in(index, &document)? {
                let own = index;
                index += 1;
                if !wanted(&self.entries.borrow()[own]) {
                    continue;
                }
                while running.len() >= self.session.concurrency {
                    running.next().await;
                }
                if self.session.is_over() {
                    return Ok(());
                }
                running.push(self.one(own, subject, act).boxed_local());
            }
        }
        Ok(())
    }

    /// The objects of a document; they must be those that were surveyed, from this one on.
    fn objects_in(&self, from: usize, document: &Document) -> Result<Vec<Subject>> {
        let subjects = Subject::all(document)?;
        let entries = self.entries.borrow();
        let same = |(at, subject): (usize, &Subject)| entries.get(from + at).is_some_and(|entry| entry.is_for(subject));
        if subjects.iter().enumerate().all(same) {
            return Ok(subjects);
        }
        Err(Error::input("changed while it was read").in_file(&*document.file).hint("run again"))
    }

    async fn one(&self, index: usize, subject: Subject, act: Act) {
        let work = async {
            match act {
                Act::Try => {
                    let resource = self.session.resource(&subject).await?;
                    self.note_namespace(index, &subject, resource.namespaced);
                    self.sender.attempt(&subject, &resource).await
                }
                Act::Send => {
                    let resource = self.sender.resource_when_there(&subject).await?;
                    self.note_namespace(index, &subject, resource.namespaced);
                    let tried = std::mem::take(&mut self.entries.borrow_mut()[index].tried);
                    self.sender.send(&subject, &resource, &tried).await
                }
            }
        };
        let done = self.session.stop.or_grace(work).await.unwrap_or_else(|| {
            let what = format!("interrupted while {}/{} was under way", subject.kind, subject.name());
            let error = subject.place(Error::new(Kind::Interrupted, what));
            Err(match act {
                Act::Try => error,
                Act::Send if matches!(self.options.on_immutable, OnImmutable::Recreate { .. }) && subject.is_job() => {
                    error.hint("it may have been applied, or be deleted; running again is safe")
                }
                Act::Send => error.hint("it may have been applied; running again is safe"),
            })
        });
        let mut entries = self.entries.borrow_mut();
        let entry = &mut entries[index];
        let row = &mut entry.row;
        match done {
            Ok(done) => {
                entry.tried = done.tried;
                if let Some(name) = done.name {
                    row.name = name;
                }
                if act == Act::Send || self.options.dry_run {
                    row.outcome = done.outcome;
                    self.session.events.finished(row);
                }
                if act == Act::Send
                    && subject.is_job()
                    && done.outcome.is_applied()
                    && let Some(uid) = done.uid
                {
                    let namespace = self.session.namespace(&subject).to_owned();
                    self.jobs
                        .borrow_mut()
                        .push((index, Awaited { namespace, name: row.name.clone(), uid, passes: entry.passes }));
                }
            }
            Err(error) => {
                row.outcome = Outcome::Failed;
                let first = error.message().lines().next().unwrap_or_default();
                row.reason = Some(first.trim_end_matches(':').to_owned());
                self.failure.set(self.failure.get().or(Some(error.kind())));
                // Of a server that is lost one need not hear for every object.
                let general = error.place().is_none().then(|| error.message().to_owned());
                if general.is_none() || *self.told.borrow() != general {
                    self.session.events.failed(&error);
                }
                self.told.replace(general);
            }
        }
    }

    fn note_namespace(&self, index: usize, subject: &Subject, namespaced: bool) {
        let namespace = namespaced.then(|| Rc::from(self.session.namespace(subject)));
        self.entries.borrow_mut()[index].row.namespace = namespace;
    }

    fn tell_of_ttl(&self) {
        let entries = self.entries.borrow();
        let mut passing = entries.iter().filter(|entry| entry.passes && entry.row.outcome.is_applied());
        if let Some(first) = passing.next().filter(|_| !self.options.dry_run) {
            let more = match passing.count() {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            self.session.events.note(&format!(
                "{}{more} has a TTL: once the server has removed it, applying again runs it again",
                first.row.object()
            ));
        }
    }

    async fn finish(&self, tried_only: bool) {
        let events = self.session.events;
        if self.session.stop.is_asked() {
            self.failure.set(self.failure.get().or(Some(Kind::Interrupted)));
        }
        if self.session.is_over() && !tried_only {
            let entries = self.entries.borrow();
            let applied = entries.iter().filter(|entry| entry.row.outcome.is_applied()).count();
            let all = entries.len();
            events
                .note(&format!("the run ended early: {applied} of {all} objects are applied; run again for the rest"));
        }
        if self.sender.has_taken_over.get() {
            events.note(
                "Jobs and pods made before, ReplicaSets, ControllerRevisions and Helm's release Secrets may still hold the values: rotate them",
            );
        }
        if tried_only && !self.options.dry_run {
            events.note("nothing was applied");
        }
        self.tell_of_ttl();
        let jobs = std::mem::take(&mut *self.jobs.borrow_mut());
        if self.options.wait.is_some() && jobs.is_empty() && self.failure.get().is_none() {
            events.note("there is no Job to wait for");
        }
        if let Some(options) = &self.options.wait
            && !self.session.stop.is_asked()
        {
            let ended = wait::all(self.session, jobs, options, self.options.timeout).await;
            for (index, text, failure) in ended {
                self.entries.borrow_mut()[index].row.job = Some(text);
                self.failure.set(self.failure.get().or(failure));
            }
            if self.session.stop.is_asked() {
                self.failure.set(self.failure.get().or(Some(Kind::Interrupted)));
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Try,
    Send,
}
