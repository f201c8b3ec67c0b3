//! Applying: everything is tried before anything is written, then sent in order, and all of it is reported.
//!
//! The order: a survey without the server, a dry run of every object, then Namespaces and
//! CustomResourceDefinitions, then the rest, Jobs last. Documents are read anew for each of these passes,
//! so that no more of them are in memory than requests are under way.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use serde::Deserialize;

use super::connection::Answer;
use super::explain::explain;
use super::object::{Document, Documents, Named, Subject};
use super::report::{Outcome, Report, Row};
use super::request::{Apply, Request, Resource, Verb};
use super::session::{Session, SessionOptions, json};
use super::status::Refused;
use super::wait::{self, Awaited, WaitOptions};
use super::{Events, block_on, immutable, owner};
use crate::error::{Error, Kind, Result};
use crate::manifest::field::FieldPath;
use crate::yaml::Node;

/// What to do about a live Job whose pod template differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnImmutable {
    /// Say so.
    Fail,
    /// Delete it and make it anew; a running one only if that is wanted, too.
    Recreate {
        /// `--recreate-running`
        running: bool,
    },
    /// Leave it as it is.
    Skip,
}

/// How to apply.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Only try (`--dry-run=server`).
    pub dry_run: bool,
    /// Try everything first.
    pub preflight: bool,
    /// Take fields from whoever owns them (`--force-conflicts`).
    pub force: bool,
    /// Take over the env entries that documents name.
    pub take_over: bool,
    /// What to do about Jobs that can't be changed.
    pub on_immutable: OnImmutable,
    /// Wait for the Jobs, if at all.
    pub wait: Option<WaitOptions>,
    /// How long deletions, and Jobs that are waited for, may take.
    pub timeout: Duration,
}

/// How long a CustomResourceDefinition may take until its objects can be made.
const ESTABLISHED: Duration = Duration::from_secs(30);
/// How often ownership is moved again when the object changes meanwhile.
const TAKE_OVERS: usize = 5;

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
        let (rows, kinds) = survey(documents, &session)?;
        let run = Run {
            session: &session,
            options,
            known: kinds,
            rows: RefCell::new(rows),
            failure: Cell::new(None),
            taken_over: Cell::new(false),
            jobs: RefCell::default(),
            told: RefCell::default(),
        };
        run.all(documents).await?;
        let rows = run.rows.into_inner().into_iter().map(|entry| entry.row).collect();
        Ok(Report { rows, failure: run.failure.get(), dry_run: options.dry_run })
    })
}

/// When an object is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// Namespaces and CustomResourceDefinitions: others need them.
    First,
    Middle,
    /// Jobs: they start at once, and may need the others.
    Last,
}

/// What a trial saw.
enum Tried {
    /// There was none.
    Not,
    /// There is no such object.
    New,
    /// There is one.
    There {
        resource_version: Option<String>,
        /// When our last apply that changed something was.
        time: Option<Timestamp>,
        /// Whether the apply will change something.
        changes: bool,
    },
}

struct Entry {
    row: Row,
    turn: Turn,
    /// What it needs is new, and made by this very run, so that it can't be tried.
    untriable: bool,
    tried: Tried,
    /// A Job that the server removes some time after it has ended.
    passes: bool,
}

/// Group, kind, namespace and name: what an object is, whatever version it is written in.
type Identity = [String; 4];

/// What the documents themselves bring.
#[derive(Default)]
struct Brought {
    namespaces: HashSet<String>,
    /// Group and kind of each CustomResourceDefinition.
    kinds: HashSet<(String, String)>,
}

/// Looks at every object once, without the server.
fn survey(documents: &mut dyn Documents, session: &Session<'_>) -> Result<(Vec<Entry>, Brought)> {
    let mut entries = Vec::new();
    let mut brought = Brought::default();
    let mut seen: HashMap<Identity, (Rc<str>, usize)> = HashMap::new();
    let mut documents = documents.pass();
    while let Some(document) = documents.next()? {
        for subject in Subject::all(&document)? {
            session.check_namespace(&subject)?;
            let turn = match (subject.api_version.as_str(), subject.kind.as_str()) {
                ("v1", "Namespace") => {
                    brought.namespaces.insert(subject.name().to_owned());
                    Turn::First
                }
                (version, "CustomResourceDefinition") if version.starts_with("apiextensions.k8s.io/") => {
                    brought.kinds.extend(subject.with_root(defined_kind).flatten());
                    Turn::First
                }
                _ if subject.is_job() => Turn::Last,
                _ => Turn::Middle,
            };
            if !subject.generated {
                let group = subject.api_version.rsplit_once('/').map_or("", |(group, _)| group).to_owned();
                let namespace = session.namespace(&subject).to_owned();
                let identity = [group, subject.kind.clone(), namespace, subject.name().to_owned()];
                let place = (Rc::clone(&document.file), subject.line());
                if let Some((file, line)) = seen.insert(identity, place) {
                    let what = format!("{}/{} stands in the input twice", subject.kind, subject.name());
                    let first = format!("the first is in {file}, line {line}; remove one of the two");
                    return Err(subject.place(Error::input(what).hint(first)));
                }
            }
            let passes = turn == Turn::Last && subject.with_root(has_ttl).unwrap_or_default();
            entries.push(Entry { row: Row::new(&subject), turn, untriable: false, tried: Tried::Not, passes });
        }
    }
    if entries.is_empty() {
        return Err(
            Error::input("there is no Kubernetes object in the input").hint("name a manifest, or pipe one in as `-`")
        );
    }
    Ok((entries, brought))
}

fn has_ttl(job: Node<'_>) -> bool {
    let found = FieldPath::of_keys(&["spec", "ttlSecondsAfterFinished"]).find(job);
    found.whole && !found.node.is_null()
}

fn defined_kind(crd: Node<'_>) -> Option<(String, String)> {
    let spec = crd.get("spec").ok()??;
    let kind = spec.get("names").ok()??.get("kind").ok()??;
    Some((spec.get("group").ok()??.text()?.into_owned(), kind.text()?.into_owned()))
}

struct Run<'a> {
    session: &'a Session<'a>,
    options: &'a ApplyOptions,
    known: Brought,
    rows: RefCell<Vec<Entry>>,
    failure: Cell<Option<Kind>>,
    taken_over: Cell<bool>,
    jobs: RefCell<Vec<(usize, Awaited)>>,
    /// The last failure that was about no object of its own.
    told: RefCell<Option<String>>,
}

/// What became of one object.
struct Done {
    outcome: Outcome,
    /// The name, where the server gave it.
    name: Option<String>,
    /// The uid of the live object.
    uid: Option<String>,
}

/// What is read of an object that the server answers with.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Live {
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    creation_timestamp: Option<Timestamp>,
    managed_fields: Vec<Owner>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Owner {
    manager: String,
    operation: String,
    subresource: String,
    time: Option<Timestamp>,
}

impl Metadata {
    /// When the last apply by a manager was that changed something, by the server's clock.
    fn applied_at(&self, manager: &str) -> Option<Timestamp> {
        let ours =
            |owner: &&Owner| owner.manager == manager && owner.operation == "Apply" && owner.subresource.is_empty();
        self.managed_fields.iter().find(ours).and_then(|owner| owner.time)
    }
}

impl Run<'_> {
    async fn all(&self, documents: &mut dyn Documents) -> Result<()> {
        if self.options.preflight || self.options.dry_run {
            self.pass(documents, |entry| entry.turn == Turn::First, Act::Try).await?;
            self.find_untriable(documents)?;
            self.pass(documents, |entry| entry.turn != Turn::First && !entry.untriable, Act::Try).await?;
            if self.failure.get().is_some() || self.options.dry_run || self.session.is_over() {
                return self.finish(true).await;
            }
        }
        for turn in [Turn::First, Turn::Middle, Turn::Last] {
            if self.rows.borrow().iter().any(|entry| entry.turn == turn) && !self.session.is_over() {
                self.pass(documents, |entry| entry.turn == turn, Act::Send).await?;
            }
        }
        self.finish(false).await
    }

    /// What is in a namespace, or of a kind, that this run makes can't be tried before.
    fn find_untriable(&self, documents: &mut dyn Documents) -> Result<()> {
        if !self.rows.borrow().iter().any(|entry| entry.turn == Turn::First && matches!(entry.tried, Tried::New)) {
            return Ok(());
        }
        let mut documents = documents.pass();
        let mut index = 0;
        while let Some(document) = documents.next()? {
            for subject in Subject::all(&document)? {
                let entry = &mut self.rows.borrow_mut()[index];
                if entry.turn != Turn::First && self.is_brought(&subject) {
                    entry.untriable = true;
                    if self.options.dry_run {
                        entry.row.reason = Some("its namespace or kind is only made by this input".to_owned());
                    }
                }
                index += 1;
            }
        }
        Ok(())
    }

    fn is_brought(&self, subject: &Subject) -> bool {
        self.known.namespaces.contains(self.session.namespace(subject)) || self.is_brought_kind(subject)
    }

    fn is_brought_kind(&self, subject: &Subject) -> bool {
        let group = subject.api_version.split_once('/').map_or("", |(group, _)| group);
        self.known.kinds.contains(&(group.to_owned(), subject.kind.clone()))
    }

    /// Sends the objects that are wanted, a few at a time.
    async fn pass(&self, documents: &mut dyn Documents, wanted: impl Fn(&Entry) -> bool, pass: Act) -> Result<()> {
        let mut documents = documents.pass();
        let mut index = 0;
        let mut running = FuturesUnordered::new();
        'documents: while let Some(document) = documents.next()? {
            let count = self.objects_in(index, &document)?;
            for subject in count {
                let own = index;
                index += 1;
                if !wanted(&self.rows.borrow()[own]) {
                    continue;
                }
                while running.len() >= self.session.concurrency {
                    running.next().await;
                }
                if self.session.is_over() {
                    break 'documents;
                }
                running.push(self.one(own, subject, pass));
            }
        }
        while running.next().await.is_some() {}
        Ok(())
    }

    /// The objects of a document; it must have as many as when it was surveyed.
    fn objects_in(&self, from: usize, document: &Document) -> Result<Vec<Subject>> {
        let subjects = Subject::all(document)?;
        if from + subjects.len() > self.rows.borrow().len() {
            return Err(Error::input("changed while it was read").in_file(&*document.file).hint("run again"));
        }
        Ok(subjects)
    }

    async fn one(&self, index: usize, subject: Subject, pass: Act) {
        let work = async {
            match pass {
                Act::Try => self.attempt(index, &subject).await,
                Act::Send => self.send(index, &subject).await,
            }
        };
        let done = self.session.stop.or_grace(work).await.unwrap_or_else(|| {
            let what = format!("interrupted while {}/{} was under way", subject.kind, subject.name());
            let error = Error::new(Kind::Interrupted, what).hint("it may have been applied; running again is safe");
            Err(subject.place(error))
        });
        let mut entries = self.rows.borrow_mut();
        let row = &mut entries[index].row;
        match done {
            Ok(done) => {
                if let Some(name) = done.name {
                    row.name = name;
                }
                if pass == Act::Send || self.options.dry_run {
                    row.outcome = done.outcome;
                    self.session.events.finished(row);
                }
                if pass == Act::Send
                    && subject.is_job()
                    && done.outcome.is_applied()
                    && let Some(uid) = done.uid
                {
                    let namespace = self.session.namespace(&subject).to_owned();
                    self.jobs.borrow_mut().push((index, Awaited { namespace, name: row.name.clone(), uid }));
                }
            }
            Err(error) => {
                row.outcome = Outcome::Failed;
                let first = error.message().lines().next().unwrap_or_default();
                row.reason = Some(first.trim_end_matches(':').to_owned());
                if self.failure.get().is_none() {
                    self.failure.set(Some(error.kind()));
                }
                // Of a server that is lost one need not hear for every object.
                let general = error.place().is_none().then(|| error.message().to_owned());
                if general.is_none() || *self.told.borrow() != general {
                    self.session.events.failed(&error);
                }
                self.told.replace(general);
            }
        }
    }

    /// The resource and namespace of an object, noted in its row.
    async fn place_of(&self, index: usize, subject: &Subject) -> Result<Resource> {
        let resource = self.session.resource(subject).await?;
        let namespace = resource.namespaced.then(|| Rc::from(self.session.namespace(subject)));
        self.rows.borrow_mut()[index].row.namespace = namespace;
        Ok(resource)
    }

    fn how(&self, force: bool, dry_run: bool) -> Apply<'_> {
        Apply { writing: &self.session.writing, force, dry_run }
    }

    /// Tries an object: what the server would say.
    async fn attempt(&self, index: usize, subject: &Subject) -> Result<Done> {
        let resource = self.place_of(index, subject).await?;
        let namespace = self.session.namespace(subject);
        if subject.generated {
            return self.create(subject, &resource, true).await;
        }
        let apply = |body, force| Request::apply(&resource, namespace, subject.name(), body, self.how(force, true));
        let answer = self.session.send(&apply(subject.body(), self.options.force), subject).await?;
        let Some(status) = answer.refusal() else { return self.tried(index, subject, &resource, &answer).await };
        if status.is_immutable() && subject.is_job() {
            return self.attempt_immutable(subject, &resource).await;
        }
        let named: Vec<&Named> = subject.named().collect();
        let ours_alone = || status.conflicts().is_none_or(|all| all.iter().all(|cause| owner::is_named(cause, &named)));
        let in_the_way = status.is_value_beside_reference() || status.conflicts().is_some();
        if self.options.take_over && !named.is_empty() && in_the_way && ours_alone() {
            let answer = self.session.send(&apply(subject.body_without_literals(), true), subject).await?;
            return match answer.refusal() {
                None => Ok(Done { outcome: Outcome::Configured, name: None, uid: None }),
                Some(status) => Err(explain(self.session, subject, &resource, &status, self.options.take_over).await),
            };
        }
        Err(explain(self.session, subject, &resource, &status, self.options.take_over).await)
    }

    /// A trial that succeeded: whether it would change anything.
    async fn tried(&self, index: usize, subject: &Subject, resource: &Resource, answer: &Answer) -> Result<Done> {
        if answer.code.as_u16() == 201 {
            self.rows.borrow_mut()[index].tried = Tried::New;
            return Ok(Done { outcome: Outcome::Created, name: None, uid: None });
        }
        let Live { metadata } = serde_json::from_slice(&answer.body).unwrap_or_default();
        let time = metadata.applied_at(&self.session.writing.manager);
        // An apply that changes nothing leaves the time of the last one that did. Only a time of now says
        // nothing: that one may have been a moment ago.
        let changes = if time.is_none_or(|time| answer.is_of_now(time)) {
            let live = self.session.live(subject, resource, subject.name()).await?.unwrap_or_default();
            super::diff::without_noise(live) != super::diff::without_noise(json(answer, subject)?)
        } else {
            false
        };
        self.rows.borrow_mut()[index].tried =
            Tried::There { resource_version: metadata.resource_version, time, changes };
        let outcome = if changes { Outcome::Configured } else { Outcome::Unchanged };
        Ok(Done { outcome, name: None, uid: None })
    }

    async fn attempt_immutable(&self, subject: &Subject, resource: &Resource) -> Result<Done> {
        let outcome = match self.options.on_immutable {
            OnImmutable::Fail => return Err(immutable::refused(subject, resource)),
            OnImmutable::Skip => Outcome::Skipped,
            OnImmutable::Recreate { running } => {
                immutable::check_replaceable(self.session, subject, resource, running).await?;
                Outcome::Recreated
            }
        };
        Ok(Done { outcome, name: None, uid: None })
    }

    /// Sends an object.
    async fn send(&self, index: usize, subject: &Subject) -> Result<Done> {
        let resource = self.resource_when_there(index, subject).await?;
        if subject.generated {
            return self.create(subject, &resource, false).await;
        }
        if self.options.take_over && subject.named().next().is_some() {
            self.take_over(subject, &resource).await?;
        }
        let namespace = self.session.namespace(subject);
        let request =
            Request::apply(&resource, namespace, subject.name(), subject.body(), self.how(self.options.force, false));
        let mut answer = self.session.send(&request, subject).await?;
        // The endpoint of a new CustomResourceDefinition may lag behind its condition.
        let patience = Instant::now() + ESTABLISHED;
        while self.is_brought_kind(subject) && answer.code.as_u16() == 404 && Instant::now() < patience {
            tokio::time::sleep(Duration::from_millis(200)).await;
            answer = self.session.send(&request, subject).await?;
        }
        let done = match answer.refusal() {
            None => self.sent(index, &answer),
            Some(status) if status.is_immutable() && subject.is_job() => {
                self.send_immutable(subject, &resource).await?
            }
            Some(status) => {
                return Err(explain(self.session, subject, &resource, &status, self.options.take_over).await);
            }
        };
        if self.rows.borrow()[index].turn == Turn::First && subject.kind == "CustomResourceDefinition" {
            self.wait_until_established(subject, &resource).await?;
        }
        Ok(done)
    }

    /// The resource of an object, waited for where this run brings its kind.
    async fn resource_when_there(&self, index: usize, subject: &Subject) -> Result<Resource> {
        let patience = Instant::now() + ESTABLISHED;
        loop {
            match self.place_of(index, subject).await {
                Err(_) if self.is_brought_kind(subject) && Instant::now() < patience && !self.session.is_over() => {
                    self.session.forget(&subject.api_version);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                found => return found,
            }
        }
    }

    /// What an apply has done, told by the answer and by what the trial saw.
    fn sent(&self, index: usize, answer: &Answer) -> Done {
        let Live { metadata } = serde_json::from_slice(&answer.body).unwrap_or_default();
        let time = metadata.applied_at(&self.session.writing.manager);
        let is_now = time.is_none_or(|time| answer.is_of_now(time));
        // A first attempt whose answer was lost may have made it.
        let made_now = || answer.repeated && metadata.creation_timestamp.is_some_and(|time| answer.is_of_now(time));
        let configured = match &self.rows.borrow()[index].tried {
            Tried::There { resource_version, .. } if *resource_version == metadata.resource_version => false,
            Tried::There { changes: true, .. } => true,
            // Others have changed it since, or we have.
            Tried::There { time: before, .. } => is_now && *before != time,
            Tried::New | Tried::Not if made_now() => {
                return Done { outcome: Outcome::Created, name: None, uid: metadata.uid };
            }
            Tried::New | Tried::Not => is_now,
        };
        let outcome = match answer.code.as_u16() {
            201 => Outcome::Created,
            _ if configured => Outcome::Configured,
            _ => Outcome::Unchanged,
        };
        Done { outcome, name: None, uid: metadata.uid }
    }

    async fn create(&self, subject: &Subject, resource: &Resource, dry_run: bool) -> Result<Done> {
        let namespace = self.session.namespace(subject);
        let request = Request::create(resource, namespace, subject.body(), &self.session.writing, dry_run);
        let answer = self.session.send(&request, subject).await?;
        if let Some(status) = answer.refusal() {
            let refused = Refused::new(subject, resource, namespace, Verb::Create);
            return Err(status.error(&Refused { is_new: true, ..refused }));
        }
        let Live { metadata } = serde_json::from_slice(&answer.body).unwrap_or_default();
        // The name of a trial is not the one that it will have.
        let name = metadata.name.filter(|_| !dry_run);
        Ok(Done { outcome: Outcome::Created, name, uid: metadata.uid })
    }

    async fn send_immutable(&self, subject: &Subject, resource: &Resource) -> Result<Done> {
        let running = match self.options.on_immutable {
            OnImmutable::Fail => return Err(immutable::refused(subject, resource)),
            OnImmutable::Skip => return Ok(Done { outcome: Outcome::Skipped, name: None, uid: None }),
            OnImmutable::Recreate { running } => running,
        };
        if let Some(live) = immutable::check_replaceable(self.session, subject, resource, running).await? {
            let deadline = Instant::now() + self.options.timeout;
            immutable::delete(self.session, subject, resource, &live, deadline).await?;
        }
        let namespace = self.session.namespace(subject);
        let request =
            Request::apply(resource, namespace, subject.name(), subject.body(), self.how(self.options.force, false));
        let answer = self.session.send(&request, subject).await?;
        match answer.refusal() {
            None => {
                let Live { metadata } = serde_json::from_slice(&answer.body).unwrap_or_default();
                Ok(Done { outcome: Outcome::Recreated, name: None, uid: metadata.uid })
            }
            Some(status) => {
                let error = explain(self.session, subject, resource, &status, self.options.take_over).await;
                let message = format!("{}; the old one is deleted", error.message());
                Err(subject.place(Error::new(error.kind(), message).hint("mend the manifest and run again")))
            }
        }
    }

    /// Moves the ownership of the entries that the call names, so that the apply that follows can replace
    /// and remove them.
    async fn take_over(&self, subject: &Subject, resource: &Resource) -> Result<()> {
        let named: Vec<&Named> = subject.named().collect();
        let namespace = self.session.namespace(subject);
        for _ in 0..TAKE_OVERS {
            let Some(live) = self.session.live(subject, resource, subject.name()).await? else { return Ok(()) };
            let Some(transfer) = owner::transfer(&live, &named, &self.session.writing.manager) else { return Ok(()) };
            let request = Request::patch(resource, namespace, subject.name(), &transfer.patch, &self.session.writing);
            let answer = self.session.send(&request, subject).await?;
            match answer.refusal() {
                None => {
                    self.taken_over.set(true);
                    let dropped =
                        if transfer.drops_last_applied { ", and its last-applied annotation removed" } else { "" };
                    let object = resource.object(subject.name());
                    self.session
                        .events
                        .note(&format!("{object}: entries taken over from {}{dropped}", transfer.from.join(", ")));
                    return Ok(());
                }
                // The object has changed meanwhile: the test of the resource version failed.
                Some(status) if status.is(409) || status.is(422) => continue,
                Some(status) => return Err(status.error(&Refused::new(subject, resource, namespace, Verb::Patch))),
            }
        }
        let message =
            format!("{} changes all the time, so nothing could be taken over", resource.object(subject.name()));
        Err(subject.place(Error::new(Kind::Cluster, message).hint("run again, or stop what keeps changing it")))
    }

    async fn wait_until_established(&self, subject: &Subject, resource: &Resource) -> Result<()> {
        let deadline = Instant::now() + ESTABLISHED;
        loop {
            let live = self.session.live(subject, resource, subject.name()).await?.unwrap_or_default();
            let conditions = live["status"]["conditions"].as_array().into_iter().flatten();
            if conditions.into_iter().any(|c| c["type"] == "Established" && c["status"] == "True") {
                return Ok(());
            }
            if Instant::now() > deadline {
                let message =
                    format!("{} was made, but the server does not take it up", resource.object(subject.name()));
                return Err(
                    subject.place(Error::new(Kind::Timeout, message).hint("kubectl describe shows its conditions"))
                );
            }
            if self.session.is_over() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn tell_of_ttl(&self) {
        let entries = self.rows.borrow();
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

    async fn finish(&self, tried_only: bool) -> Result<()> {
        let events = self.session.events;
        if self.session.stop.is_asked() && self.failure.get().is_none() {
            self.failure.set(Some(Kind::Interrupted));
        }
        if self.taken_over.get() {
            events.note(
                "Jobs and pods made before, ReplicaSets, ControllerRevisions and Helm's release Secrets may still hold the values: rotate them",
            );
        }
        if tried_only && !self.options.dry_run {
            events.note("nothing was applied");
        }
        self.tell_of_ttl();
        let jobs = std::mem::take(&mut *self.jobs.borrow_mut());
        if let Some(options) = &self.options.wait
            && !self.session.stop.is_asked()
        {
            let ended = wait::all(self.session, jobs, options, self.options.timeout).await;
            for (index, text, failure) in ended {
                self.rows.borrow_mut()[index].row.job = Some(text);
                if self.failure.get().is_none() {
                    self.failure.set(failure);
                }
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Try,
    Send,
}
