//! One object: tried, and sent. What became of it is told by the answers, also where one was lost.

use std::cell::Cell;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jobplate_diagnostic::{Error, Kind, Result};
use serde::Deserialize;

use crate::errors::conflict;
use crate::errors::refusal::explain;
use crate::errors::status::{Refused, unknown_kind};
use crate::errors::transport::{garbled, may_have_been_made};
use crate::inventory::{Brought, Tried};
use crate::live::{object, without_noise};
use crate::managed_fields::{Left, Transfer};
use crate::object::{Named, Subject};
use crate::options::{ApplyOptions, OnImmutable};
use crate::report::Outcome;
use crate::request::{Apply, Request, Resource, Verb};
use crate::session::Session;
use crate::session::connection::Answer;
use crate::{immutable, managed_fields};

/// How long a CustomResourceDefinition may take until its objects can be made.
const ESTABLISHED: Duration = Duration::from_secs(30);
/// How long the schema of one that changes may take to be in force.
const NEW_SCHEMA: Duration = Duration::from_secs(5);
/// How often something is begun again because the object changes meanwhile.
const ATTEMPTS: usize = 5;

/// Tries and sends objects.
pub(crate) struct Sender<'a> {
    /// To the server.
    pub session: &'a Session<'a>,
    /// How.
    pub options: &'a ApplyOptions,
    /// What the input itself brings.
    pub brought: Brought,
    /// Whether any ownership was moved.
    pub has_taken_over: Cell<bool>,
    /// Where the run began, if it has to be known.
    pub start: Cell<Option<Start>>,
}

/// The server's state and clock when a run began that tries nothing first.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    /// The revision of the cluster: what was written later has a higher one.
    revision: u64,
    time: Timestamp,
}

/// What became of one object.
pub(crate) struct Done {
    /// Or would become, where it was only tried.
    pub outcome: Outcome,
    /// The name, where the server gave it.
    pub name: Option<String>,
    /// The uid of the live object.
    pub uid: Option<String>,
    /// What a trial saw.
    pub tried: Tried,
}

impl Done {
    fn new(outcome: Outcome) -> Self {
        Done { outcome, name: None, uid: None, tried: Tried::Not }
    }

    fn with_uid(outcome: Outcome, uid: Option<String>) -> Self {
        Done { uid, ..Done::new(outcome) }
    }
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
        self.managed_fields.iter().find(|owner| owner.applies(manager)).and_then(|owner| owner.time)
    }

    /// Whether an apply at `time` was part of a run: times are whole seconds, and in the first one it may
    /// have been before.
    fn is_since(&self, start: Start, time: Option<Timestamp>, manager: &str) -> bool {
        let revision = self.resource_version.as_deref().and_then(|text| text.parse::<u64>().ok());
        if revision.is_some_and(|revision| revision <= start.revision) {
            return false;
        }
        let second = |time: Timestamp| time.as_second();
        let is_later = |time: Option<Timestamp>| time.is_none_or(|time| second(time) > second(start.time));
        // Written since, but maybe by others.
        let others = || self.managed_fields.iter().filter(|owner| !owner.applies(manager));
        let by_others = || others().any(|owner| owner.time.is_some_and(|time| second(time) >= second(start.time)));
        is_later(time) || !by_others()
    }
}

impl Owner {
    fn applies(&self, manager: &str) -> bool {
        self.manager == manager && self.operation == "Apply" && self.subresource.is_empty()
    }
}

/// What is read of an answer; an answer that is no object is an error.
fn metadata(answer: &Answer, subject: &Subject) -> Result<Metadata> {
    let Live { metadata } = serde_json::from_slice(&answer.body).map_err(|_| garbled(subject))?;
    if metadata.uid.is_some() || metadata.resource_version.is_some() { Ok(metadata) } else { Err(garbled(subject)) }
}

impl Sender<'_> {
    /// Notes where the run begins, for one that tries nothing first. Whoever may not list namespaces gets by.
    pub(crate) async fn begin(&self) {
        let Ok(answer) = self.session.try_send(&Request::revision()).await else { return };
        let list: Live = serde_json::from_slice(&answer.body).unwrap_or_default();
        let revision = list.metadata.resource_version.and_then(|text| text.parse().ok());
        if let (true, Some(revision), Some(time)) = (answer.code.is_success(), revision, answer.date) {
            self.start.set(Some(Start { revision, time }));
        }
    }

    /// The entries that are to be taken over. In a Job nothing of its pods can be changed, whoever owns it.
    fn taken<'s>(&self, subject: &'s Subject) -> Vec<&'s Named> {
        if self.options.take_over && !subject.is_job() { subject.named().collect() } else { Vec::new() }
    }

    fn how(&self, force: bool, dry_run: bool) -> Apply<'_> {
        Apply { writing: &self.session.writing, force, dry_run }
    }

    /// Tries an object: what the server would say.
    pub(crate) async fn attempt(&self, subject: &Subject, resource: &Resource) -> Result<Done> {
        let namespace = self.session.namespace(subject);
        if subject.generated {
            return self.create(subject, resource, true).await;
        }
        let apply = |body, force| Request::apply(resource, namespace, subject.name(), body, self.how(force, true));
        let answer = self.session.send(&apply(subject.body(), self.options.force), subject).await?;
        let Some(status) = answer.refusal() else { return self.tried(subject, resource, &answer).await };
        if status.is_immutable() && subject.is_job() {
            return self.attempt_immutable(subject, resource).await;
        }
        let named = self.taken(subject);
        // Only the server knows whether nothing but the others' ownership is in the way.
        if !named.is_empty() && conflict::is_only_about(&status, &named) {
            let answer = self.session.send(&apply(subject.trial_body(), true), subject).await?;
            return match answer.refusal() {
                None => Ok(Done::new(Outcome::Configured)),
                Some(status) => Err(explain(self.session, subject, resource, &status, self.options.take_over).await),
            };
        }
        Err(explain(self.session, subject, resource, &status, self.options.take_over).await)
    }

    /// A trial that succeeded: whether it would change anything.
    async fn tried(&self, subject: &Subject, resource: &Resource, answer: &Answer) -> Result<Done> {
        if answer.code.as_u16() == 201 {
            return Ok(Done { tried: Tried::New, ..Done::new(Outcome::Created) });
        }
        let metadata = metadata(answer, subject)?;
        let time = metadata.applied_at(&self.session.writing.manager);
        if self.options.dry_run {
            self.tell_of_left(subject, resource, answer)?;
        }
        // An apply that changes nothing leaves the time of the last one that did. Only a time of now says
        // nothing: that one may have been a moment ago.
        let named = self.taken(subject);
        let changes = if !named.is_empty() || time.is_none_or(|time| answer.is_of_now(time)) {
            let live = self.session.live(subject, resource, subject.name()).await?.unwrap_or_default();
            let moves = managed_fields::transfer(&live, &named, &self.session.writing.manager).is_some();
            moves || without_noise(live) != without_noise(object(answer, subject)?)
        } else {
            false
        };
        let tried = Tried::There { resource_version: metadata.resource_version, time, changes };
        let outcome = if changes { Outcome::Configured } else { Outcome::Unchanged };
        Ok(Done { tried, ..Done::new(outcome) })
    }

    async fn attempt_immutable(&self, subject: &Subject, resource: &Resource) -> Result<Done> {
        let outcome = match self.options.on_immutable {
            OnImmutable::Fail => return Err(immutable::refused(subject, resource)),
            OnImmutable::Skip => Outcome::Skipped,
            OnImmutable::Recreate { running } => {
                if let Some(live) = immutable::check_replaceable(self.session, subject, resource, running).await? {
                    immutable::delete(self.session, subject, resource, &live, true).await?;
                }
                Outcome::Recreated
            }
        };
        Ok(Done::new(outcome))
    }

    /// Sends an object, once it was tried.
    pub(crate) async fn send(&self, subject: &Subject, resource: &Resource, tried: &Tried) -> Result<Done> {
        if subject.generated {
            return self.create(subject, resource, false).await;
        }
        if !self.taken(subject).is_empty() {
            self.take_over(subject, resource).await?;
        }
        let namespace = self.session.namespace(subject);
        let request =
            Request::apply(resource, namespace, subject.name(), subject.body(), self.how(self.options.force, false));
        let mut answer = self.session.send(&request, subject).await?;
        // The endpoint and the schema of a CustomResourceDefinition that this run brings may lag behind it.
        let started = Instant::now();
        let is_late = |answer: &Answer| {
            answer.refusal().is_some_and(|status| {
                let patience = if status.is_schema_fault() { NEW_SCHEMA } else { ESTABLISHED };
                (status.is_unknown_kind() || status.is_schema_fault()) && started.elapsed() < patience
            })
        };
        while self.brought.has_kind(subject) && is_late(&answer) && !self.session.is_over() {
            tokio::time::sleep(Duration::from_millis(200)).await;
            answer = self.session.send(&request, subject).await?;
        }
        let done = match answer.refusal() {
            None => {
                self.tell_of_left(subject, resource, &answer)?;
                self.sent(subject, tried, &answer)?
            }
            Some(status) if status.is_immutable() && subject.is_job() => self.send_immutable(subject, resource).await?,
            Some(status) => {
                return Err(explain(self.session, subject, resource, &status, self.options.take_over).await);
            }
        };
        if subject.is_crd() {
            self.wait_until_established(subject, resource).await?;
        }
        Ok(done)
    }

    /// The resource of an object, waited for where the input brings its kind.
    pub(crate) async fn resource_when_there(&self, subject: &Subject) -> Result<Resource> {
        let patience = Instant::now() + ESTABLISHED;
        loop {
            match self.session.find_resource(subject).await? {
                Some(resource) => return Ok(resource),
                None if self.brought.has_kind(subject) && Instant::now() < patience && !self.session.is_over() => {
                    self.session.forget(&subject.api_version);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                None => return Err(subject.place(unknown_kind(subject))),
            }
        }
    }

    /// What an apply has done, told by the answer and by what the trial saw.
    fn sent(&self, subject: &Subject, tried: &Tried, answer: &Answer) -> Result<Done> {
        let manager = &self.session.writing.manager;
        let metadata = metadata(answer, subject)?;
        let time = metadata.applied_at(manager);
        let is_now = time.is_none_or(|time| answer.is_of_now(time));
        // A first attempt whose answer was lost may have made it.
        let made_now = || answer.repeated && metadata.creation_timestamp.is_some_and(|time| answer.is_of_now(time));
        let configured = match tried {
            Tried::There { resource_version, .. } if *resource_version == metadata.resource_version => false,
            Tried::There { changes: true, .. } => true,
            // Others have changed it since, or we have.
            Tried::There { time: before, .. } => is_now && *before != time,
            Tried::New | Tried::Not if made_now() => {
                return Ok(Done::with_uid(Outcome::Created, metadata.uid));
            }
            Tried::New | Tried::Not => {
                is_now && self.start.get().is_none_or(|start| metadata.is_since(start, time, manager))
            }
        };
        let outcome = match answer.code.as_u16() {
            201 => Outcome::Created,
            _ if configured => Outcome::Configured,
            _ => Outcome::Unchanged,
        };
        Ok(Done::with_uid(outcome, metadata.uid))
    }

    async fn create(&self, subject: &Subject, resource: &Resource, dry_run: bool) -> Result<Done> {
        let namespace = self.session.namespace(subject);
        let request = Request::create(resource, namespace, subject.body(), &self.session.writing, dry_run);
        let answer = self.session.send(&request, subject).await?;
        if let Some(status) = answer.refusal() {
            // The storage may have kept it before it failed.
            if !dry_run && status.is_passing() {
                let reason = format!("the server answered {}", status.code.as_u16());
                return Err(may_have_been_made(&reason, subject));
            }
            let refused = Refused::new(subject, resource, namespace, Verb::Create);
            return Err(status.error(&Refused { is_new: true, ..refused }));
        }
        let metadata = metadata(&answer, subject)?;
        // The name of a trial is not the one that it will have.
        let name = metadata.name.filter(|_| !dry_run);
        Ok(Done { name, ..Done::with_uid(Outcome::Created, metadata.uid) })
    }

    async fn send_immutable(&self, subject: &Subject, resource: &Resource) -> Result<Done> {
        let running = match self.options.on_immutable {
            OnImmutable::Fail => return Err(immutable::refused(subject, resource)),
            OnImmutable::Skip => return Ok(Done::new(Outcome::Skipped)),
            OnImmutable::Recreate { running } => running,
        };
        let deadline = Instant::now() + self.options.timeout;
        for attempt in 1.. {
            let live = immutable::check_replaceable(self.session, subject, resource, running).await?;
            let Some(live) = live else { break };
            if immutable::delete(self.session, subject, resource, &live, false).await? {
                let gone = immutable::wait_until_gone(self.session, subject, resource, &live, deadline).await;
                gone.map_err(|error| immutable::not_made_anew(subject, resource, &error))?;
                break;
            }
            if attempt == ATTEMPTS {
                return Err(self.restless(subject, resource, "deleted"));
            }
        }
        let made = self.make_anew(subject, resource).await;
        made.map_err(|error| immutable::not_made_anew(subject, resource, &error))
    }

    async fn make_anew(&self, subject: &Subject, resource: &Resource) -> Result<Done> {
        let namespace = self.session.namespace(subject);
        let request =
            Request::apply(resource, namespace, subject.name(), subject.body(), self.how(self.options.force, false));
        let answer = self.session.send(&request, subject).await?;
        match answer.refusal() {
            None => Ok(Done::with_uid(Outcome::Recreated, metadata(&answer, subject)?.uid)),
            Some(status) => Err(explain(self.session, subject, resource, &status, self.options.take_over).await),
        }
    }

    /// Moves the ownership of the entries that the call names, so that the apply that follows can replace
    /// and remove them.
    async fn take_over(&self, subject: &Subject, resource: &Resource) -> Result<()> {
        let named = self.taken(subject);
        let namespace = self.session.namespace(subject);
        // A move whose answer was lost: the next look tells whether it took place.
        let mut uncertain: Option<Transfer> = None;
        for _ in 0..ATTEMPTS {
            let Some(live) = self.session.live(subject, resource, subject.name()).await? else { return Ok(()) };
            if managed_fields::is_unowned(&live) {
                // An apply that changes nothing makes the server give all that is there to an owner.
                self.touch(subject, resource).await?;
                continue;
            }
            let Some(transfer) = managed_fields::transfer(&live, &named, &self.session.writing.manager) else {
                if let Some(transfer) = uncertain {
                    self.tell_of_move(subject, resource, &transfer);
                }
                return Ok(());
            };
            let request = Request::patch(resource, namespace, subject.name(), &transfer.patch, &self.session.writing);
            let answer = self.session.send(&request, subject).await?;
            match answer.refusal() {
                None => {
                    self.tell_of_move(subject, resource, &transfer);
                    return Ok(());
                }
                // The object has changed meanwhile: the test of the resource version failed.
                Some(status) if status.is(409) || status.is(422) => {
                    uncertain = answer.repeated.then_some(transfer).or(uncertain);
                }
                Some(status) => return Err(status.error(&Refused::new(subject, resource, namespace, Verb::Patch))),
            }
        }
        Err(self.restless(subject, resource, "taken over"))
    }

    /// Applies no more than what the object is called.
    async fn touch(&self, subject: &Subject, resource: &Resource) -> Result<()> {
        let namespace = self.session.namespace(subject);
        let object = serde_json::json!({
            "apiVersion": subject.api_version, "kind": subject.kind, "metadata": {"name": subject.name()},
        });
        let body = object.to_string().into_bytes();
        let request = Request::apply(resource, namespace, subject.name(), body, self.how(false, false));
        match self.session.send(&request, subject).await?.refusal() {
            None => Ok(()),
            Some(status) => Err(status.error(&Refused::new(subject, resource, namespace, Verb::Patch))),
        }
    }

    /// Tells of entries that were to be removed and are still there.
    fn tell_of_left(&self, subject: &Subject, resource: &Resource, answer: &Answer) -> Result<()> {
        let named: Vec<&Named> = subject.named().collect();
        if named.is_empty() || self.options.take_over {
            return Ok(());
        }
        let live = object(answer, subject)?;
        for left in
            managed_fields::left(&live, &subject.json().unwrap_or_default(), &named, &self.session.writing.manager)
        {
            let owners = if left.owners.is_empty() { "others".to_owned() } else { left.owners.join(", ") };
            let object = resource.object(subject.name());
            let Left { name, container, .. } = left;
            let text =
                format!("{object} still has {name} (container {container}), owned by {owners}: --take-over removes it");
            self.session.events.note(&text);
        }
        Ok(())
    }

    fn restless(&self, subject: &Subject, resource: &Resource, what: &str) -> Error {
        let message = format!("{} changes all the time, so it can't be {what}", resource.object(subject.name()));
        subject.place(Error::new(Kind::Cluster, message).hint("run again, or stop what keeps changing it"))
    }

    fn tell_of_move(&self, subject: &Subject, resource: &Resource, transfer: &Transfer) {
        self.has_taken_over.set(true);
        let object = resource.object(subject.name());
        let owners = if transfer.from.is_empty() { "nobody".to_owned() } else { transfer.from.join(", ") };
        self.session.events.note(&match (transfer.moves, transfer.drops_last_applied) {
            (true, true) => {
                format!("{object}: entries taken over from {owners}, and its last-applied annotation removed")
            }
            (true, false) => format!("{object}: entries taken over from {owners}"),
            (false, _) => format!("{object}: its last-applied annotation removed"),
        });
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
}
