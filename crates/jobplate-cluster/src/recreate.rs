//! Deletes a Job and creates it again (`--on-immutable=recreate`), and tracks what is known about it.

use std::time::{Duration, Instant};

use jobplate_diagnostic::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::deletion::{Deletion, wait_until_deleted};
use crate::errors::conflict::{MAX_CONFLICT_ATTEMPTS, conflict_loop_error};
use crate::errors::status::RefusedRequest;
use crate::errors::transport::invalid_response_error;
use crate::immutable::{compare_with_new_job, existing_job_error, new_job_error};
use crate::object::InputObject;
use crate::options::ApplyOptions;
use crate::outcome::{LiveMetadata, ObjectResult};
use crate::refusal::explain_refusal;
use crate::report::Outcome;
use crate::request::{ApplyParams, Request, Resource, Verb, qualified_name};
use crate::session::Session;
use crate::session::connection::Response;

/// The time in which the server updates a quota after the deletion of a Job.
const QUOTA_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause between two creations while a quota is full.
const QUOTA_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// What is known about a Job that is deleted and created again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RecreateStep {
    /// Nothing was deleted.
    #[default]
    NotStarted,
    /// The deletion was sent, and its result is unknown.
    DeletionSent,
    /// The server has accepted the deletion.
    Deleting,
    /// The Job no longer exists.
    Deleted,
    /// The creation was sent, and its result is unknown.
    CreationSent,
}

impl RecreateStep {
    /// Wraps an error that ends a recreation at this step. The message first states whether the Job exists.
    pub(crate) fn wrap(self, object: &InputObject, error: Error) -> Error {
        let state = match self {
            RecreateStep::NotStarted => return error,
            RecreateStep::DeletionSent => "may be deleted, and was not created again",
            RecreateStep::Deleting => "is being deleted, and was not created again",
            RecreateStep::Deleted => "was deleted, but not created again",
            RecreateStep::CreationSent => "was deleted, and may have been created again",
        };
        let name = qualified_name(object.group(), &object.kind, object.name());
        let message = format!("{name} {state}: {}", error.message());
        let hint = error.hint_message().cloned().unwrap_or("run again to create it".into());
        let wrapped_error = Error::new(error.kind(), message).hint(hint);
        match error.location() {
            Some(location) => wrapped_error.at_location(location.clone()),
            None => object.locate(wrapped_error),
        }
    }
}

/// Dry-runs the recreation of the Job `live`.
///
/// # Errors
/// Fails if the Job may not be deleted, if the server would reject a request, or if the server cannot be reached.
pub(crate) async fn dry_run(
    session: &Session<'_>,
    object: &InputObject,
    resource: &Resource,
    include_running: bool,
    live: &Value,
) -> Result<ObjectResult> {
    check_deletable(object, resource, live, include_running)?;
    if Deletion::of(live).is_none() {
        let request = Request::delete(resource, &object.namespace, object.name(), live, true);
        let refusal = session.send(&request, object).await?.refusal();
        // The Job changed or was deleted meanwhile, which the recreation itself can handle.
        if let Some(status) = refusal.filter(|status| !status.has_code(404) && !status.has_code(409)) {
            return Err(session.refusal_error(&RefusedRequest::new(object, resource, Verb::Delete), &status).await);
        }
    }
    Ok(ObjectResult::new(Outcome::Recreated))
}

/// Deletes the live Job and creates it again. A Job that is being deleted is only created again, after it is gone.
/// Changes nothing if another client has replaced the Job with one that matches the manifest, unless a full quota
/// prevents the comparison.
///
/// Sets `step` before and after each request, so that it is correct even if the future is dropped.
///
/// # Errors
/// Fails if the Job may not be deleted, if the server rejects a request or cannot be reached, if the Job changes during
/// each attempt, if the deletion times out, or if another client creates a different Job. The caller adds `step` to the
/// error.
pub(crate) async fn recreate(
    session: &Session<'_>,
    options: &ApplyOptions,
    object: &InputObject,
    resource: &Resource,
    include_running: bool,
    step: &mut RecreateStep,
) -> Result<ObjectResult> {
    let deadline = Instant::now() + options.timeout;
    // A second Ctrl-C would end the process without a report.
    let _hold = session.cancellation.delay_second_signal();
    let mut old_uid = Value::Null;
    for attempt in 1.. {
        let Some(live) = session.get_live(object, resource, object.name()).await? else {
            if *step != RecreateStep::NotStarted {
                *step = RecreateStep::Deleted;
            }
            break;
        };
        old_uid = live["metadata"]["uid"].clone();
        if Deletion::of(&live).is_none() {
            match compare_with_new_job(session, object, resource, &live).await? {
                Ok(comparison) if comparison.fields.is_empty() => {
                    let uid = old_uid.as_str().map(str::to_owned);
                    let live = live.to_string().into_bytes();
                    return Ok(ObjectResult { live, ..ObjectResult::with_uid(Outcome::Unchanged, uid) });
                }
                Ok(_) => {}
                // Quotas are the last check, so the server has accepted everything else.
                // Source: k8s.io/kubernetes: pkg/kubeapiserver/options/plugins.go.
                Err(status) if status.is_resolved_by_deleting_job() => {}
                Err(status) => return Err(new_job_error(session, object, resource, &status).await),
            }
            check_deletable(object, resource, &live, include_running)?;
            if session.cancellation.is_cancelled() {
                return Err(object.locate(Error::new(ErrorKind::Interrupted, "interrupted; nothing was deleted")));
            }
            if !delete(session, object, resource, &live, step).await? {
                if attempt == MAX_CONFLICT_ATTEMPTS {
                    return Err(conflict_loop_error(object, resource, "deleted"));
                }
                continue;
            }
        } else {
            check_deletable(object, resource, &live, include_running)?;
            *step = RecreateStep::Deleting;
        }
        wait_until_deleted(session, object, resource, &live, deadline).await?;
        *step = RecreateStep::Deleted;
        break;
    }
    create_again(session, options, object, resource, &old_uid, deadline, step).await
}

/// Deletes the live Job, after its pods, if its uid and resource version still match `live`. Returns false if they do
/// not match; the Job must then be read again. A Job that no longer exists counts as deleted.
async fn delete(
    session: &Session<'_>,
    object: &InputObject,
    resource: &Resource,
    live: &Value,
    step: &mut RecreateStep,
) -> Result<bool> {
    let request = Request::delete(resource, &object.namespace, object.name(), live, false);
    *step = RecreateStep::DeletionSent;
    let response = session.send_tracked(&request, object).await.map_err(|failure| {
        if !failure.may_have_acted {
            *step = RecreateStep::NotStarted;
        }
        failure.error
    })?;
    match response.refusal() {
        Some(status) if status.has_code(409) => {
            // After a retry, the first attempt may have changed the Job's resource version.
            if !response.was_retried {
                *step = RecreateStep::NotStarted;
            }
            Ok(false)
        }
        Some(status) if !status.has_code(404) => {
            if !status.is_transient() && !response.was_retried {
                *step = RecreateStep::NotStarted;
            }
            Err(session.refusal_error(&RefusedRequest::new(object, resource, Verb::Delete), &status).await)
        }
        // A proxy, and not the API server, has sent a page instead of the Job or a `Status`.
        None if !response.is_object() => Err(invalid_response_error(object)),
        _ => {
            *step = RecreateStep::Deleting;
            Ok(true)
        }
    }
}

/// Creates the Job after the Job with `old_uid` was deleted. Until `deadline`, and at most for [`QUOTA_TIMEOUT`], waits
/// for the server to update a full quota.
async fn create_again(
    session: &Session<'_>,
    options: &ApplyOptions,
    object: &InputObject,
    resource: &Resource,
    old_uid: &Value,
    deadline: Instant,
    step: &mut RecreateStep,
) -> Result<ObjectResult> {
    let outcome = if *step == RecreateStep::NotStarted { Outcome::Created } else { Outcome::Recreated };
    let params = ApplyParams { write_options: &session.write_options, force: options.force_conflicts, dry_run: false };
    let request = Request::apply(resource, &object.namespace, object.name(), object.body()?, params);
    let (before, deadline) = (*step, deadline.min(Instant::now() + QUOTA_TIMEOUT));
    for attempt in 1.. {
        let response = send_creation(session, object, &request, deadline, before, step).await?;
        let Some(status) = response.refusal() else {
            let uid = LiveMetadata::read(&response, object)?.uid;
            *step = RecreateStep::NotStarted;
            return Ok(ObjectResult { live: response.body, ..ObjectResult::with_uid(outcome, uid) });
        };
        if !status.has_code(409) && !status.has_code(422) {
            return Err(explain_refusal(session, object, resource, &status, options.take_over).await);
        }
        // Another client created the Job at the same time.
        if status.has_code(409) && status.conflicts().is_none() && attempt < MAX_CONFLICT_ATTEMPTS {
            continue;
        }
        let live = session.get_live(object, resource, object.name()).await?;
        let Some(live) = live.filter(|live| live["metadata"]["uid"] != *old_uid) else {
            return Err(explain_refusal(session, object, resource, &status, options.take_over).await);
        };
        *step = RecreateStep::NotStarted;
        let comparison = compare_with_new_job(session, object, resource, &live).await?;
        let fields = comparison.map_or_else(|_| Vec::new(), |comparison| comparison.fields);
        return Err(existing_job_error(object, resource, &fields, "was created again by another client"));
    }
    Err(conflict_loop_error(object, resource, "created again"))
}

/// Sends the creation of a Job. Repeats it until `deadline` if a quota is full, since the server may still count the
/// deleted Job. `before` is the step before the creation.
async fn send_creation(
    session: &Session<'_>,
    object: &InputObject,
    request: &Request,
    deadline: Instant,
    before: RecreateStep,
    step: &mut RecreateStep,
) -> Result<Response> {
    loop {
        *step = RecreateStep::CreationSent;
        let response = session.send_tracked(request, object).await.map_err(|failure| {
            if !failure.may_have_acted {
                *step = before;
            }
            failure.error
        })?;
        let Some(status) = response.refusal() else { return Ok(response) };
        if !status.is_transient() && !response.was_retried {
            *step = before;
        }
        if !status.exceeds_quota() || before == RecreateStep::NotStarted || Instant::now() > deadline {
            return Ok(response);
        }
        tokio::time::sleep(QUOTA_POLL_INTERVAL).await;
    }
}

/// Checks that the live Job may be deleted. A Job that is being deleted need not have ended.
fn check_deletable(object: &InputObject, resource: &Resource, live: &Value, include_running: bool) -> Result<()> {
    let name = resource.qualified_name(object.name());
    let refuse = |message: String, hint: &str| Err(object.locate(Error::new(ErrorKind::Cluster, message).hint(hint)));
    let owners = live["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    if let Some(owner) = owners.into_iter().find(|owner| owner["controller"] == true) {
        let kind = owner["kind"].as_str().unwrap_or("another object");
        let message = format!("cannot replace {name}: a {kind} owns it and would create it again");
        return refuse(message, "change its owner");
    }
    if !include_running && is_running(live) && Deletion::of(live).is_none() {
        let message = format!("{name} is running, so it is not deleted");
        return refuse(message, "wait until it ends, or pass --recreate-running to delete it");
    }
    Ok(())
}

fn is_running(job: &Value) -> bool {
    let conditions = job["status"]["conditions"].as_array().into_iter().flatten();
    let has_ended = conditions.into_iter().any(|condition| {
        condition["status"] == "True" && (condition["type"] == "Complete" || condition["type"] == "Failed")
    });
    !has_ended && job["spec"]["suspend"] != true
}
