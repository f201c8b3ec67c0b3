//! A live Job whose pod template would have to change, which Kubernetes allows for no Job: whether it fails, is
//! skipped, or is deleted and created again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jobplate_diagnostic::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::errors::conflict::{ATTEMPTS, keeps_changing};
use crate::errors::status::Refused;
use crate::object::InputObject;
use crate::options::{ApplyOptions, OnImmutable};
use crate::outcome::{Done, Metadata};
use crate::refusal::explain;
use crate::report::Outcome;
use crate::request::{Apply, Request, Resource, Verb};
use crate::session::Session;

/// How often a Job that is being deleted is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Decides what is done about such a Job, and tries it.
///
/// # Errors
/// Fails if nothing may be done about it, or if the server would refuse it.
pub(crate) async fn dry_run(
    session: &Session<'_>,
    on_immutable: OnImmutable,
    subject: &InputObject,
    resource: &Resource,
) -> Result<Done> {
    let outcome = match on_immutable {
        OnImmutable::Fail => return Err(refused(subject, resource)),
        OnImmutable::Skip => Outcome::Skipped,
        OnImmutable::Recreate { include_running } => {
            if let Some(live) = check_replaceable(session, subject, resource, include_running).await? {
                delete(session, subject, resource, &live, true).await?;
            }
            Outcome::Recreated
        }
    };
    Ok(Done::new(outcome))
}

/// Decides what is done about such a Job, and does it.
///
/// # Errors
/// Fails if nothing may be done about it, or if the server refuses it.
pub(crate) async fn apply(
    session: &Session<'_>,
    options: &ApplyOptions,
    subject: &InputObject,
    resource: &Resource,
) -> Result<Done> {
    let include_running = match options.on_immutable {
        OnImmutable::Fail => return Err(refused(subject, resource)),
        OnImmutable::Skip => return Ok(Done::new(Outcome::Skipped)),
        OnImmutable::Recreate { include_running } => include_running,
    };
    let deadline = Instant::now() + options.timeout;
    for attempt in 1.. {
        let live = check_replaceable(session, subject, resource, include_running).await?;
        let Some(live) = live else { break };
        if delete(session, subject, resource, &live, false).await? {
            let gone = wait_until_gone(session, subject, resource, &live, deadline).await;
            gone.map_err(|error| not_made_anew(subject, resource, &error))?;
            break;
        }
        if attempt == ATTEMPTS {
            return Err(keeps_changing(subject, resource, "deleted"));
        }
    }
    let made = make_anew(session, options, subject, resource).await;
    made.map_err(|error| not_made_anew(subject, resource, &error))
}

async fn make_anew(
    session: &Session<'_>,
    options: &ApplyOptions,
    subject: &InputObject,
    resource: &Resource,
) -> Result<Done> {
    let how = Apply { writing: &session.writing, force: options.force_conflicts, dry_run: false };
    let request = Request::apply(resource, &subject.namespace, subject.name(), subject.body()?, how);
    let answer = session.send(&request, subject).await?;
    match answer.refusal() {
        None => Ok(Done::with_uid(Outcome::Recreated, Metadata::read(&answer, subject)?.uid)),
        Some(status) => Err(explain(session, subject, resource, &status, options.take_over).await),
    }
}

/// The error where nothing may be done about it.
fn refused(subject: &InputObject, resource: &Resource) -> Error {
    let object = resource.object(subject.name());
    let error = Error::new(
        ErrorKind::Cluster,
        format!("{object} is on the server with another pod template, and a Job's can't be changed"),
    );
    subject.place(
        error.hint(
            "choose with --on-immutable: recreate (delete it, make it anew), new-name (a name with a hash), or skip",
        ),
    )
}

/// Returns the live Job if it may be deleted and the server would accept the new one.
async fn check_replaceable(
    session: &Session<'_>,
    subject: &InputObject,
    resource: &Resource,
    include_running: bool,
) -> Result<Option<Value>> {
    let object = resource.object(subject.name());
    let Some(live) = session.live(subject, resource, subject.name()).await? else { return Ok(None) };
    let refuse = |message: String, hint: &str| Err(subject.place(Error::new(ErrorKind::Cluster, message).hint(hint)));
    let owners = live["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    if let Some(owner) = owners.into_iter().find(|owner| owner["controller"] == true) {
        let kind = owner["kind"].as_str().unwrap_or("another object");
        let message = format!("{object} can't be replaced: a {kind} owns it, and would make it again");
        return refuse(message, "change what owns it");
    }
    if !include_running && is_running(&live) {
        let message = format!("{object} is running, so it is not deleted");
        return refuse(message, "wait until it has ended, or delete it with --recreate-running");
    }
    // The dry run of an apply is refused whatever the new Job is; a creation of the name is checked whole
    // before the name is found to be taken.
    let request = Request::create(resource, &subject.namespace, subject.body()?, &session.writing, true);
    match session.send(&request, subject).await?.refusal() {
        None => Ok(Some(live)),
        Some(status) if status.already_exists() => Ok(Some(live)),
        Some(status) => Err(status.error(&Refused::of_new(subject, resource))),
    }
}

fn is_running(job: &Value) -> bool {
    let conditions = job["status"]["conditions"].as_array().into_iter().flatten();
    let ended = conditions.into_iter().any(|condition| {
        condition["status"] == "True" && (condition["type"] == "Complete" || condition["type"] == "Failed")
    });
    !ended && job["spec"]["suspend"] != true
}

/// Deletes exactly this live Job, pods first, or tries whether it may be. False where it is another by now, so that
/// what was found out about it may not hold any more.
async fn delete(
    session: &Session<'_>,
    subject: &InputObject,
    resource: &Resource,
    live: &Value,
    dry_run: bool,
) -> Result<bool> {
    let request = Request::delete(resource, &subject.namespace, subject.name(), live, dry_run);
    match session.send(&request, subject).await?.refusal() {
        Some(status) if status.is(409) => Ok(false),
        Some(status) if !status.is(404) => Err(status.error(&Refused::new(subject, resource, Verb::Delete))),
        _ => Ok(true),
    }
}

/// Waits until a Job that was deleted is gone.
async fn wait_until_gone(
    session: &Session<'_>,
    subject: &InputObject,
    resource: &Resource,
    live: &Value,
    deadline: Instant,
) -> Result<()> {
    let late = || {
        let error = Error::new(ErrorKind::Timeout, "it is still being deleted");
        error.hint("its pods may hang: kubectl get pods; run again when it is gone, or raise --timeout")
    };
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let look = session.live(subject, resource, subject.name());
        match tokio::time::timeout(left + LOOK, look).await.map_err(|_| late())?? {
            Some(now) if now["metadata"]["uid"] == live["metadata"]["uid"] => {}
            _ => return Ok(()),
        }
        if session.stop.is_asked() {
            return Err(Error::new(ErrorKind::Interrupted, "interrupted").hint("run again to make it"));
        }
        if Instant::now() > deadline {
            return Err(late());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// An error after the Job was deleted. Says first that the Job no longer exists.
fn not_made_anew(subject: &InputObject, resource: &Resource, error: &Error) -> Error {
    let message = format!("{} is deleted, and not made anew: {}", resource.object(subject.name()), error.message());
    let told =
        Error::new(error.kind(), message).hint(error.hint_message().cloned().unwrap_or("run again to make it".into()));
    match error.location() {
        Some(place) => {
            told.at(place.span.clone()).in_document(&place.file, place.first_line, Arc::clone(&place.document))
        }
        None => subject.place(told),
    }
}
