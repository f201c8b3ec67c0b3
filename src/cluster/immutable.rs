//! A live Job whose pod template would have to change, which Kubernetes allows for no Job.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::object::Subject;
use super::request::{Request, Resource, Verb};
use super::session::Session;
use super::status::Refused;
use crate::error::{Error, Kind, Result};

/// How often a Job that is being deleted is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// The error where nothing may be done about it.
pub(super) fn refused(subject: &Subject, resource: &Resource) -> Error {
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
pub(super) async fn check_replaceable(
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

/// Deletes exactly this live Job, pods first, and waits until it is gone. False where it is another by now,
/// so that what was found out about it may not hold any more.
pub(super) async fn delete(
    session: &Session<'_>,
    subject: &Subject,
    resource: &Resource,
    live: &Value,
    deadline: Instant,
) -> Result<bool> {
    let (namespace, name) = (session.namespace(subject), subject.name());
    let text = |key: &str| live["metadata"][key].as_str().unwrap_or_default().to_owned();
    let uid = text("uid");
    let request = Request::delete(resource, namespace, name, &uid, &text("resourceVersion"));
    match session.send(&request, subject).await?.refusal() {
        Some(status) if status.is(409) => return Ok(false),
        Some(status) if !status.is(404) => {
            return Err(status.error(&Refused::new(subject, resource, namespace, Verb::Delete)));
        }
        _ => {}
    }
    loop {
        match session.live(subject, resource, name).await? {
            Some(live) if live["metadata"]["uid"] == uid.as_str() => {}
            _ => return Ok(true),
        }
        if session.stop.is_asked() {
            let message = format!("{} is being deleted, and was not made anew", resource.object(name));
            return Err(subject.place(Error::new(Kind::Interrupted, message).hint("run again to make it")));
        }
        if Instant::now() > deadline {
            let message = format!("{} is still being deleted, and was not made anew", resource.object(name));
            return Err(subject.place(
                Error::new(Kind::Timeout, message)
                    .hint("its pods may hang: kubectl get pods; run again when it is gone, or raise --timeout"),
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
}
