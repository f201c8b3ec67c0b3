//! A live Job whose pod template would have to change, which Kubernetes allows for no Job.

use std::time::{Duration, Instant};

use jobplate_diagnostic::{Error, Kind, Result};
use serde_json::Value;

use crate::errors::status::Refused;
use crate::object::Subject;
use crate::request::{Request, Resource, Verb};
use crate::session::Session;

/// How often a Job that is being deleted is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// The error where nothing may be done about it.
pub(crate) fn refused(subject: &Subject, resource: &Resource) -> Error {
    let object = resource.object(subject.name());
    let error = Error::new(
        Kind::Cluster,
        format!("{object} is on the server with another pod template, and a Job's can't be changed"),
    );
    subject.place(
        error.hint(
            "choose with --on-immutable: recreate (delete it, make it anew), new-name (a name with a hash), or skip",
        ),
    )
}

/// Whether the live Job may be deleted to make it anew, and the new one would be taken. Gives the live one.
pub(crate) async fn check_replaceable(
    session: &Session<'_>,
    subject: &Subject,
    resource: &Resource,
    running_too: bool,
) -> Result<Option<Value>> {
    let object = resource.object(subject.name());
    let Some(live) = session.live(subject, resource, subject.name()).await? else { return Ok(None) };
    let refuse = |message: String, hint: &str| Err(subject.place(Error::new(Kind::Cluster, message).hint(hint)));
    let owners = live["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    if let Some(owner) = owners.into_iter().find(|owner| owner["controller"] == true) {
        let kind = owner["kind"].as_str().unwrap_or("another object");
        let message = format!("{object} can't be replaced: a {kind} owns it, and would make it again");
        return refuse(message, "change what owns it");
    }
    if !running_too && is_running(&live) {
        let message = format!("{object} is running, so it is not deleted");
        return refuse(message, "wait until it has ended, or delete it with --recreate-running");
    }
    // The dry run of an apply is refused whatever the new Job is; a creation of the name is checked whole
    // before the name is found to be taken.
    let namespace = session.namespace(subject);
    let request = Request::create(resource, namespace, subject.body(), &session.writing, true);
    match session.send(&request, subject).await?.refusal() {
        None => Ok(Some(live)),
        Some(status) if status.already_exists() => Ok(Some(live)),
        Some(status) => {
            let refused = Refused::new(subject, resource, namespace, Verb::Create);
            Err(status.error(&Refused { is_new: true, ..refused }))
        }
    }
}

fn is_running(job: &Value) -> bool {
    let conditions = job["status"]["conditions"].as_array().into_iter().flatten();
    let ended = conditions.into_iter().any(|condition| {
        condition["status"] == "True" && (condition["type"] == "Complete" || condition["type"] == "Failed")
    });
    !ended && job["spec"]["suspend"] != true
}

/// Deletes exactly this live Job, pods first, or tries whether it may be. False where it is another by now, so that what was found out
/// about it may not hold any more.
pub(crate) async fn delete(
    session: &Session<'_>,
    subject: &Subject,
    resource: &Resource,
    live: &Value,
    dry_run: bool,
) -> Result<bool> {
    let namespace = session.namespace(subject);
    let request = Request::delete(resource, namespace, subject.name(), live, dry_run);
    match session.send(&request, subject).await?.refusal() {
        Some(status) if status.is(409) => Ok(false),
        Some(status) if !status.is(404) => Err(status.error(&Refused::new(subject, resource, namespace, Verb::Delete))),
        _ => Ok(true),
    }
}

/// Waits until a Job that was deleted is gone.
pub(crate) async fn wait_until_gone(
    session: &Session<'_>,
    subject: &Subject,
    resource: &Resource,
    live: &Value,
    deadline: Instant,
) -> Result<()> {
    let late = || {
        let error = Error::new(Kind::Timeout, "it is still being deleted");
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
            return Err(Error::new(Kind::Interrupted, "interrupted").hint("run again to make it"));
        }
        if Instant::now() > deadline {
            return Err(late());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// An error behind a deletion: that the Job is gone is the first thing to know.
pub(crate) fn not_made_anew(subject: &Subject, resource: &Resource, error: &Error) -> Error {
    let message = format!("{} is deleted, and not made anew: {}", resource.object(subject.name()), error.message());
    let told =
        Error::new(error.kind(), message).hint(error.hint_message().cloned().unwrap_or("run again to make it".into()));
    match error.place() {
        Some(place) => told.at(place.span.clone()).in_document(&place.file, place.first_line, &place.document),
        None => subject.place(told),
    }
}
