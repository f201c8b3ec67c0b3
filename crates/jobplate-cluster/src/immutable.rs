//! Handles a live Job whose pod template differs: fails, skips it, or deletes and creates it again (`--on-immutable`).
//! Kubernetes does not allow changes to the pod template of a Job.

use std::time::{Duration, Instant};

use jobplate_diagnostic::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::errors::conflict::{MAX_CONFLICT_ATTEMPTS, conflict_loop_error};
use crate::errors::status::RefusedRequest;
use crate::object::InputObject;
use crate::options::{ApplyOptions, OnImmutable};
use crate::outcome::{LiveMetadata, ObjectResult};
use crate::refusal::explain_refusal;
use crate::report::Outcome;
use crate::request::{ApplyParams, Request, Resource, Verb};
use crate::session::Session;

/// The pause between two polls of a Job that is being deleted.
const DELETION_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Dry-runs the action of [`apply`].
///
/// # Errors
/// Always fails with [`OnImmutable::Fail`]. Otherwise, fails if the Job may not be replaced, if the server would reject
/// a request, or if the server cannot be reached.
pub(crate) async fn dry_run(
    session: &Session<'_>,
    on_immutable: OnImmutable,
    object: &InputObject,
    resource: &Resource,
) -> Result<ObjectResult> {
    let outcome = match on_immutable {
        OnImmutable::Fail => return Err(immutable_error(object, resource)),
        OnImmutable::Skip => Outcome::Skipped,
        OnImmutable::Recreate { include_running } => {
            if let Some(live) = check_replaceable(session, object, resource, include_running).await? {
                delete(session, object, resource, &live, true).await?;
            }
            Outcome::Recreated
        }
    };
    Ok(ObjectResult::new(outcome))
}

/// Skips the Job, or deletes it and creates it again. Only creates the Job if it no longer exists.
///
/// # Errors
/// Always fails with [`OnImmutable::Fail`]. Otherwise, fails if the Job may not be replaced, if the server rejects a
/// request or cannot be reached, if the Job changes during each attempt, or if the deletion times out or the user
/// cancels the run.
pub(crate) async fn apply(
    session: &Session<'_>,
    options: &ApplyOptions,
    object: &InputObject,
    resource: &Resource,
) -> Result<ObjectResult> {
    let include_running = match options.on_immutable {
        OnImmutable::Fail => return Err(immutable_error(object, resource)),
        OnImmutable::Skip => return Ok(ObjectResult::new(Outcome::Skipped)),
        OnImmutable::Recreate { include_running } => include_running,
    };
    let deadline = Instant::now() + options.timeout;
    for attempt in 1.. {
        let live = check_replaceable(session, object, resource, include_running).await?;
        let Some(live) = live else { break };
        if delete(session, object, resource, &live, false).await? {
            let result = wait_until_deleted(session, object, resource, &live, deadline).await;
            result.map_err(|error| recreate_error(object, resource, &error))?;
            break;
        }
        if attempt == MAX_CONFLICT_ATTEMPTS {
            return Err(conflict_loop_error(object, resource, "deleted"));
        }
    }
    let result = recreate(session, options, object, resource).await;
    result.map_err(|error| recreate_error(object, resource, &error))
}

async fn recreate(
    session: &Session<'_>,
    options: &ApplyOptions,
    object: &InputObject,
    resource: &Resource,
) -> Result<ObjectResult> {
    let params = ApplyParams { write_options: &session.write_options, force: options.force_conflicts, dry_run: false };
    let request = Request::apply(resource, &object.namespace, object.name(), object.body()?, params);
    let response = session.send(&request, object).await?;
    match response.refusal() {
        None => Ok(ObjectResult::with_uid(Outcome::Recreated, LiveMetadata::read(&response, object)?.uid)),
        Some(status) => Err(explain_refusal(session, object, resource, &status, options.take_over).await),
    }
}

/// Returns the error for [`OnImmutable::Fail`].
fn immutable_error(object: &InputObject, resource: &Resource) -> Error {
    let name = resource.qualified_name(object.name());
    let error = Error::new(
        ErrorKind::Cluster,
        format!("{name} exists with a different pod template; pod templates of Jobs are immutable"),
    );
    object.locate(error.hint(
        "pass --on-immutable=recreate (delete and create it again), new-name (append a hash to the name) or skip",
    ))
}

/// Checks that the live Job may be deleted, and that the server would accept the new Job. Returns the live Job, or
/// `None` if it no longer exists.
async fn check_replaceable(
    session: &Session<'_>,
    object: &InputObject,
    resource: &Resource,
    include_running: bool,
) -> Result<Option<Value>> {
    let name = resource.qualified_name(object.name());
    let Some(live) = session.get_live(object, resource, object.name()).await? else { return Ok(None) };
    let refuse = |message: String, hint: &str| Err(object.locate(Error::new(ErrorKind::Cluster, message).hint(hint)));
    let owners = live["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    if let Some(owner) = owners.into_iter().find(|owner| owner["controller"] == true) {
        let kind = owner["kind"].as_str().unwrap_or("another object");
        let message = format!("cannot replace {name}: a {kind} owns it and would create it again");
        return refuse(message, "change its owner");
    }
    if !include_running && is_running(&live) {
        let message = format!("{name} is running, so it is not deleted");
        return refuse(message, "wait until it ends, or pass --recreate-running to delete it");
    }
    // A dry run of an apply would fail, since the pod template is immutable. For a creation, the server checks that the
    // name is free only after it has validated the whole object, so `AlreadyExists` means that the new Job is valid.
    let request = Request::create(resource, &object.namespace, object.body()?, &session.write_options, true);
    match session.send(&request, object).await?.refusal() {
        None => Ok(Some(live)),
        Some(status) if status.already_exists() => Ok(Some(live)),
        Some(status) => Err(status.to_error(&RefusedRequest::for_new(object, resource))),
    }
}

fn is_running(job: &Value) -> bool {
    let conditions = job["status"]["conditions"].as_array().into_iter().flatten();
    let has_ended = conditions.into_iter().any(|condition| {
        condition["status"] == "True" && (condition["type"] == "Complete" || condition["type"] == "Failed")
    });
    !has_ended && job["spec"]["suspend"] != true
}

/// Deletes the live Job, after its pods, if its uid and resource version still match `live`. Returns false if they do
/// not match; the Job must then be checked again. A Job that no longer exists counts as deleted.
async fn delete(
    session: &Session<'_>,
    object: &InputObject,
    resource: &Resource,
    live: &Value,
    dry_run: bool,
) -> Result<bool> {
    let request = Request::delete(resource, &object.namespace, object.name(), live, dry_run);
    match session.send(&request, object).await?.refusal() {
        Some(status) if status.has_code(409) => Ok(false),
        Some(status) if !status.has_code(404) => {
            Err(status.to_error(&RefusedRequest::new(object, resource, Verb::Delete)))
        }
        _ => Ok(true),
    }
}

/// Waits until the server has removed the Job. Fails if a request fails, if the deadline passes, or if the user cancels
/// the run.
async fn wait_until_deleted(
    session: &Session<'_>,
    object: &InputObject,
    resource: &Resource,
    live: &Value,
    deadline: Instant,
) -> Result<()> {
    let timeout_error = || {
        let error = Error::new(ErrorKind::Timeout, "it is still being deleted");
        error.hint("check its pods with `kubectl get pods`; run again after it is deleted, or raise --timeout")
    };
    loop {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let get = session.get_live(object, resource, object.name());
        let current = tokio::time::timeout(remaining + DELETION_POLL_INTERVAL, get).await;
        match current.map_err(|_| timeout_error())?? {
            Some(current) if current["metadata"]["uid"] == live["metadata"]["uid"] => {}
            _ => return Ok(()),
        }
        if session.cancellation.is_cancelled() {
            return Err(Error::new(ErrorKind::Interrupted, "interrupted").hint("run again to create it"));
        }
        if Instant::now() > deadline {
            return Err(timeout_error());
        }
        tokio::time::sleep(DELETION_POLL_INTERVAL).await;
    }
}

/// Wraps an error that occurred after the deletion request. The message first states that the Job is deleted.
fn recreate_error(object: &InputObject, resource: &Resource, error: &Error) -> Error {
    let message =
        format!("{} was deleted, but not created again: {}", resource.qualified_name(object.name()), error.message());
    let hint = error.hint_message().cloned().unwrap_or("run again to create it".into());
    let wrapped_error = Error::new(error.kind(), message).hint(hint);
    match error.location() {
        Some(location) => wrapped_error.at_location(location.clone()),
        None => object.locate(wrapped_error),
    }
}
