//! Whether an object was created, configured or left unchanged: decided by answers, and by what was there before.

use jiff::Timestamp;
use jobplate_diagnostic::Result;
use serde::Deserialize;

use crate::errors::transport::garbled;
use crate::object::InputObject;
use crate::report::Outcome;
use crate::request::Request;
use crate::session::Session;
use crate::session::connection::Answer;

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

/// What a trial saw.
#[derive(Clone, Default)]
pub(crate) enum Tried {
    /// There was no trial.
    #[default]
    Not,
    /// There is no such object.
    New,
    /// There is one.
    There {
        /// As the trial saw it.
        resource_version: Option<String>,
        /// When our last apply that changed something was.
        time: Option<Timestamp>,
        /// Whether the apply will change something.
        changes: bool,
    },
}

/// The server's state and clock when a run began that tries nothing first.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    /// The revision of the cluster: what was written later has a higher one.
    revision: u64,
    time: Timestamp,
}

/// What is read of an object that the server answers with.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Live {
    metadata: Metadata,
}

/// The part of a live object's `metadata` that outcomes are decided by.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub name: Option<String>,
    pub uid: Option<String>,
    pub resource_version: Option<String>,
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

impl Done {
    /// An object of which no more than this is known.
    pub(crate) fn new(outcome: Outcome) -> Self {
        Done::with_uid(outcome, None)
    }

    /// An object that is on the server.
    pub(crate) fn with_uid(outcome: Outcome, uid: Option<String>) -> Self {
        Done { outcome, name: None, uid, tried: Tried::Not }
    }
}

impl Tried {
    /// Whether the object will be new, or another.
    pub(crate) fn is_news(&self) -> bool {
        matches!(self, Tried::New | Tried::There { changes: true, .. })
    }
}

impl Start {
    /// Asks where the run begins. Whoever may not list namespaces gets by without.
    pub(crate) async fn of(session: &Session<'_>) -> Option<Self> {
        let answer = session.try_send(&Request::revision()).await.ok()?;
        let list: Live = serde_json::from_slice(&answer.body).unwrap_or_default();
        let revision = list.metadata.resource_version.and_then(|text| text.parse().ok())?;
        let time = answer.date.filter(|_| answer.code.is_success())?;
        Some(Start { revision, time })
    }
}

impl Metadata {
    /// Reads an answer.
    ///
    /// # Errors
    /// Fails if the response is not an object.
    pub(crate) fn read(answer: &Answer, subject: &InputObject) -> Result<Self> {
        let Live { metadata } = serde_json::from_slice(&answer.body).map_err(|_| garbled(subject))?;
        if metadata.uid.is_some() || metadata.resource_version.is_some() { Ok(metadata) } else { Err(garbled(subject)) }
    }

    /// Returns when the last apply by a manager was that changed something, by the server's clock.
    pub(crate) fn applied_at(&self, manager: &str) -> Option<Timestamp> {
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

/// Decides what an apply by `manager` has done, by its answer and by what the trial saw.
///
/// # Errors
/// Fails if the response is not an object.
pub(crate) fn of_apply(
    subject: &InputObject,
    tried: &Tried,
    start: Option<Start>,
    answer: &Answer,
    manager: &str,
) -> Result<Done> {
    let metadata = Metadata::read(answer, subject)?;
    let time = metadata.applied_at(manager);
    let is_now = time.is_none_or(|time| answer.is_of_now(time));
    // A first attempt whose answer was lost may have made it.
    let made_now = || answer.repeated && metadata.creation_timestamp.is_some_and(|time| answer.is_of_now(time));
    let configured = match tried {
        Tried::There { resource_version, .. } if *resource_version == metadata.resource_version => false,
        Tried::There { changes: true, .. } => true,
        // Others have changed it since, or we have.
        Tried::There { time: before, .. } => is_now && *before != time,
        Tried::New | Tried::Not if made_now() => return Ok(Done::with_uid(Outcome::Created, metadata.uid)),
        Tried::New | Tried::Not => is_now && start.is_none_or(|start| metadata.is_since(start, time, manager)),
    };
    let outcome = match answer.code.as_u16() {
        201 => Outcome::Created,
        _ if configured => Outcome::Configured,
        _ => Outcome::Unchanged,
    };
    Ok(Done::with_uid(outcome, metadata.uid))
}
