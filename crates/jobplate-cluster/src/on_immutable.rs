//! Decides what is done about an immutable Job (`--on-immutable`): fail, leave it as it is, or recreate it.

use jobplate_diagnostic::Result;
use serde_json::Value;

use crate::deletion::Deletion;
use crate::immutable::{ImmutableJob, existing_job_error, full_quota_error, kept_job_error};
use crate::object::InputObject;
use crate::options::{ApplyOptions, OnImmutable};
use crate::outcome::ObjectResult;
use crate::recreate::{self, RecreateStep};
use crate::report::Outcome;
use crate::request::Resource;
use crate::session::Session;

/// Dry-runs the action for an immutable Job.
///
/// # Errors
/// Fails with [`OnImmutable::Fail`] if a field differs, if the Job may not be replaced, if the server would reject a
/// request, or if the server cannot be reached.
pub(crate) async fn dry_run(
    session: &Session<'_>,
    options: &ApplyOptions,
    object: &InputObject,
    resource: &Resource,
    job: ImmutableJob,
) -> Result<ObjectResult> {
    let live = job.live.clone();
    let new = job.comparison.as_ref().map_or_else(|_| Vec::new(), |comparison| to_json(&comparison.new));
    match decide(options, object, resource, job)? {
        Decision::Done(result) => Ok(result),
        Decision::Recreate { include_running } => {
            let result = recreate::dry_run(session, object, resource, include_running, &live).await?;
            Ok(ObjectResult { live: new, ..result })
        }
    }
}

/// Leaves an immutable Job as it is, or deletes it and creates it again. `step` is the state of the recreation.
///
/// # Errors
/// Fails like [`dry_run`] and [`recreate::recreate`].
pub(crate) async fn apply(
    session: &Session<'_>,
    options: &ApplyOptions,
    object: &InputObject,
    resource: &Resource,
    job: ImmutableJob,
    step: &mut RecreateStep,
) -> Result<ObjectResult> {
    match decide(options, object, resource, job)? {
        Decision::Done(result) => Ok(result),
        Decision::Recreate { include_running } => {
            recreate::recreate(session, options, object, resource, include_running, step).await
        }
    }
}

fn to_json(object: &Value) -> Vec<u8> {
    object.to_string().into_bytes()
}

enum Decision {
    Done(ObjectResult),
    Recreate { include_running: bool },
}

/// Decides what is done about an immutable Job.
///
/// # Errors
/// Fails if the Job is neither left as it is nor recreated.
fn decide(options: &ApplyOptions, object: &InputObject, resource: &Resource, job: ImmutableJob) -> Result<Decision> {
    if let Some(deletion) = Deletion::of(&job.live) {
        let include_running = options.recreation_of(object).ok_or_else(|| deletion.to_error(object, resource))?;
        return Ok(Decision::Recreate { include_running });
    }
    if job.comparison.as_ref().is_ok_and(|comparison| comparison.fields.is_empty()) {
        let uid = job.live["metadata"]["uid"].as_str().map(str::to_owned);
        let result = ObjectResult { live: to_json(&job.live), ..ObjectResult::with_uid(Outcome::Unchanged, uid) };
        return Ok(Decision::Done(result));
    }
    match (options.on_immutable, job.comparison) {
        (OnImmutable::Skip, _) => {
            let result = ObjectResult { live: to_json(&job.live), ..ObjectResult::new(Outcome::Skipped) };
            Ok(Decision::Done(result))
        }
        (OnImmutable::Recreate { .. }, Err(quota)) if !quota.accepts_after_deletion => {
            Err(kept_job_error(object, &quota.error))
        }
        (OnImmutable::Recreate { include_running }, _) => Ok(Decision::Recreate { include_running }),
        (OnImmutable::Fail, Ok(comparison)) => Err(existing_job_error(object, resource, &comparison.fields, "exists")),
        (OnImmutable::Fail, Err(quota)) => Err(full_quota_error(object, resource, &quota)),
    }
}
