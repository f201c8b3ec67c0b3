//! Determines from responses and earlier state whether an object was created, configured or left unchanged.

use jiff::Timestamp;
use jobplate_diagnostic::Result;
use serde::Deserialize;

use crate::deletion::Deletion;
use crate::errors::transport::invalid_response_error;
use crate::object::InputObject;
use crate::report::Outcome;
use crate::request::Request;
use crate::session::Session;
use crate::session::connection::Response;

/// The result of applying or dry-running one object.
pub(crate) struct ObjectResult {
    /// The outcome of the apply, or the expected outcome if this is a dry run.
    pub outcome: Outcome,
    /// The name that the server generated. `None` for a dry run, or if the manifest has a name.
    pub name: Option<String>,
    /// The uid of the live object, if it was read.
    pub uid: Option<String>,
    /// The resource version of the live object in the response, if it was read.
    pub resource_version: Option<String>,
    /// The result of the object's dry run.
    pub dry_run: DryRunResult,
    /// The live object as JSON, or the object that the server would store if this is a dry run. Empty if it is unknown.
    pub live: Vec<u8>,
}

/// The result of the dry run of an object.
#[derive(Clone, Default)]
pub(crate) enum DryRunResult {
    /// No dry run took place.
    #[default]
    NotRun,
    /// The object does not exist.
    New,
    /// The object exists.
    Exists {
        /// The object's resource version at the time of the dry run.
        resource_version: Option<String>,
        /// The time of our last apply that changed the object, or `None` if our field manager has not applied it.
        applied_at: Option<Timestamp>,
        /// Whether an apply would change the object.
        would_change: bool,
    },
}

/// The server's state and clock at the start of a run without dry runs.
#[derive(Clone, Copy)]
pub(crate) struct RunStart {
    /// The cluster's revision. Later writes have a higher revision.
    revision: u64,
    time: Timestamp,
}

/// The part of an object in a response that is read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PartialObject {
    metadata: LiveMetadata,
}

/// The part of a live object's `metadata` that determines outcomes.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct LiveMetadata {
    pub name: Option<String>,
    pub uid: Option<String>,
    pub resource_version: Option<String>,
    creation_timestamp: Option<Timestamp>,
    deletion_timestamp: Option<Timestamp>,
    finalizers: Vec<String>,
    managed_fields: Vec<ManagedFieldsEntry>,
}

/// An entry of `metadata.managedFields`, without `fieldsV1`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ManagedFieldsEntry {
    manager: String,
    operation: String,
    subresource: String,
    time: Option<Timestamp>,
}

impl ObjectResult {
    /// Creates a result without a uid.
    pub(crate) fn new(outcome: Outcome) -> Self {
        ObjectResult::with_uid(outcome, None)
    }

    /// Creates a result with the uid of the live object.
    pub(crate) fn with_uid(outcome: Outcome, uid: Option<String>) -> Self {
        ObjectResult {
            outcome,
            name: None,
            uid,
            resource_version: None,
            dry_run: DryRunResult::NotRun,
            live: Vec::new(),
        }
    }
}

impl DryRunResult {
    /// Returns whether an apply would create or change the object.
    pub(crate) fn is_created_or_changed(&self) -> bool {
        matches!(self, DryRunResult::New | DryRunResult::Exists { would_change: true, .. })
    }
}

impl RunStart {
    /// Reads the cluster's current revision and time. Returns `None` if the request fails, for example because the user
    /// may not list namespaces, or if the response has no revision or date. Outcomes are then determined without this
    /// state.
    pub(crate) async fn read(session: &Session<'_>) -> Option<Self> {
        let response = session.try_send(&Request::revision()).await.ok()?;
        let list: PartialObject = serde_json::from_slice(&response.body).unwrap_or_default();
        let revision = list.metadata.resource_version.and_then(|text| text.parse().ok())?;
        let time = response.date.filter(|_| response.code.is_success())?;
        Some(RunStart { revision, time })
    }
}

impl LiveMetadata {
    /// Reads the metadata of the object in a response.
    ///
    /// # Errors
    /// Fails if the response is not an object.
    pub(crate) fn read(response: &Response, object: &InputObject) -> Result<Self> {
        let parse_result = serde_json::from_slice(&response.body);
        let PartialObject { metadata } = parse_result.map_err(|_| invalid_response_error(object))?;
        match metadata.uid.is_some() || metadata.resource_version.is_some() {
            true => Ok(metadata),
            false => Err(invalid_response_error(object)),
        }
    }

    /// Returns the deletion of the object, or `None` if the object is not being deleted.
    pub(crate) fn deletion(&self) -> Option<Deletion> {
        self.deletion_timestamp.map(|_| Deletion { finalizers: self.finalizers.clone() })
    }

    /// Returns the time, by the server's clock, of the manager's last apply that changed the object. Returns `None` if
    /// the manager has not applied the object.
    pub(crate) fn applied_at(&self, manager: &str) -> Option<Timestamp> {
        self.managed_fields.iter().find(|entry| entry.is_apply_by(manager)).and_then(|entry| entry.time)
    }

    /// Returns whether the manager's last apply, at `time`, was part of this run.
    ///
    /// Times in `managedFields` are whole seconds, so an apply in the run's first second may be older than the run.
    /// Such an apply counts as part of the run unless another manager has written the object since the run's first
    /// second.
    fn is_applied_since(&self, start: RunStart, time: Option<Timestamp>, manager: &str) -> bool {
        let revision = self.resource_version.as_deref().and_then(|text| text.parse::<u64>().ok());
        if revision.is_some_and(|revision| revision <= start.revision) {
            return false;
        }
        let is_in_later_second =
            |time: Option<Timestamp>| time.is_none_or(|time| time.as_second() > start.time.as_second());
        // The object was written since the start of the run, but possibly by another manager.
        let is_written_by_others = || {
            self.managed_fields
                .iter()
                .filter(|entry| !entry.is_apply_by(manager))
                .any(|entry| entry.time.is_some_and(|time| time.as_second() >= start.time.as_second()))
        };
        is_in_later_second(time) || !is_written_by_others()
    }
}

impl ManagedFieldsEntry {
    fn is_apply_by(&self, manager: &str) -> bool {
        self.manager == manager && self.operation == "Apply" && self.subresource.is_empty()
    }
}

/// Determines the outcome of an apply by `manager` from its response, the result of the dry run, and the state at the
/// start of the run.
///
/// # Errors
/// Fails if the response is not an object.
pub(crate) fn classify_apply(
    object: &InputObject,
    dry_run: &DryRunResult,
    start: Option<RunStart>,
    response: &Response,
    manager: &str,
) -> Result<ObjectResult> {
    let metadata = LiveMetadata::read(response, object)?;
    let time = metadata.applied_at(manager);
    let is_applied_now = time.is_none_or(|time| response.covers(time));
    // A first attempt whose response was lost may have created the object, so the retry did not return code 201.
    let is_created_by_retry =
        || response.was_retried && metadata.creation_timestamp.is_some_and(|time| response.covers(time));
    let is_configured = match dry_run {
        DryRunResult::Exists { resource_version, .. } if *resource_version == metadata.resource_version => false,
        DryRunResult::Exists { would_change: true, .. } => true,
        // The object changed after the dry run. This apply also changed it if the time of our last apply is no longer
        // `applied_at`.
        DryRunResult::Exists { applied_at, .. } => is_applied_now && *applied_at != time,
        DryRunResult::New | DryRunResult::NotRun if is_created_by_retry() => {
            let (resource_version, live) = (metadata.resource_version, response.body.clone());
            return Ok(ObjectResult {
                resource_version,
                live,
                ..ObjectResult::with_uid(Outcome::Created, metadata.uid)
            });
        }
        DryRunResult::New | DryRunResult::NotRun => {
            is_applied_now && start.is_none_or(|start| metadata.is_applied_since(start, time, manager))
        }
    };
    let outcome = match response.code.as_u16() {
        201 => Outcome::Created,
        _ if is_configured => Outcome::Configured,
        _ => Outcome::Unchanged,
    };
    let (resource_version, live) = (metadata.resource_version, response.body.clone());
    Ok(ObjectResult { resource_version, live, ..ObjectResult::with_uid(outcome, metadata.uid) })
}
