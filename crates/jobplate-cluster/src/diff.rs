//! What an apply would change: the live object beside what a dry run makes of it.

use futures::stream::{FuturesOrdered, StreamExt};
use jobplate_diagnostic::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::document::Document;
use crate::errors::conflict;
use crate::errors::status::{Refused, unknown_kind};
use crate::events::EventHandler;
use crate::inventory::{Brought, Entry, Inventory, inventory};
use crate::live::without_noise;
use crate::managed_fields;
use crate::object::InputObject;
use crate::refusal::explain;
use crate::request::{Apply, Request, Resource, Verb, qualified};
use crate::runtime::block_on;
use crate::session::connection::Answer;
use crate::session::{Session, SessionOptions};

/// One object, live and as it would be, in YAML.
#[derive(Clone, Debug)]
pub struct Difference {
    /// `job.batch/etl`
    pub object: String,
    /// The input that it stands in.
    pub file: String,
    /// The live object; empty where there is none.
    pub before: String,
    /// What an apply would make of it.
    pub after: String,
    /// Whether it is a Job that can't be changed, so that an apply has to be told what to do.
    pub immutable: bool,
}

/// Compares documents with the server, in their order, and gives each object to `each`. Returns the kind of the first
/// refusal; refusals are told like those of an apply.
///
/// # Errors
/// Fails if an input or the configuration is wrong, if the server is lost, or with the first error of `each`.
pub fn diff(
    documents: impl IntoIterator<Item = Result<Document>>,
    options: &SessionOptions,
    force: bool,
    take_over: bool,
    events: &dyn EventHandler,
    mut each: impl FnMut(&Difference) -> Result<()>,
) -> Result<Option<ErrorKind>> {
    block_on(async {
        let session = Session::open(options, events).await?;
        let Inventory { entries, brought } = inventory(documents, &session.namespaces)?;
        let mut failure = None;
        let mut take = |compared: Result<Difference>| match compared {
            Ok(difference) => each(&difference),
            // Of a server that is lost one need not hear for every object.
            Err(error) if error.location().is_none() => Err(error),
            Err(error) => {
                failure.get_or_insert(error.kind());
                events.on_failure(&error);
                Ok(())
            }
        };
        let mut running = FuturesOrdered::new();
        for entry in &entries {
            while running.len() >= session.concurrency {
                if let Some(difference) = session.stop.or_stop(running.next()).await.ok_or_else(interrupted)? {
                    take(difference)?;
                }
            }
            running.push_back(compare(&session, entry, &brought, force, take_over));
        }
        while let Some(difference) = session.stop.or_stop(running.next()).await.ok_or_else(interrupted)? {
            take(difference)?;
        }
        Ok(failure)
    })
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted; nothing was changed")
}

async fn compare(
    session: &Session<'_>,
    entry: &Entry,
    brought: &Brought,
    force: bool,
    take_over: bool,
) -> Result<Difference> {
    let subject = &*entry.subject;
    let Some(resource) = session.find_resource(subject).await? else {
        return match brought.has_kind(subject) {
            true => Ok(Difference {
                object: qualified(subject.group(), &subject.kind, subject.name()),
                file: subject.file().to_owned(),
                before: String::new(),
                after: yaml(subject.json()?),
                immutable: false,
            }),
            false => Err(subject.place(unknown_kind(subject))),
        };
    };
    let namespace = &*subject.namespace;
    let difference = |before: Option<Value>, after: Value, immutable| Difference {
        object: resource.object(subject.name()),
        file: subject.file().to_owned(),
        before: before.map(yaml).unwrap_or_default(),
        after: yaml(after),
        immutable,
    };
    if subject.generated {
        let request = Request::create(&resource, namespace, subject.body()?, &session.writing, true);
        let answer = session.send(&request, subject).await?;
        return match answer.refusal() {
            None => {
                let mut new = answer.object(subject)?;
                if let Some(metadata) = new["metadata"].as_object_mut() {
                    metadata.remove("name");
                }
                if subject.is_job() {
                    as_of(&mut new, None);
                }
                Ok(difference(None, new, false))
            }
            Some(status) => Err(status.error(&Refused::new(subject, &resource, Verb::Create))),
        };
    }
    let live = session.live(subject, &resource, subject.name()).await?;
    let tried = |body, force| {
        let how = Apply { writing: &session.writing, force, dry_run: true };
        Request::apply(&resource, namespace, subject.name(), body, how)
    };
    let answer = session.send(&tried(subject.body()?, force), subject).await?;
    let named = &*subject.named;
    let is_new = live.is_none();
    let taken = |answer: &Answer| {
        let mut after = answer.object(subject)?;
        if !named.is_empty() {
            managed_fields::remove_unset(&mut after, &subject.json_or_null(), named);
        }
        if is_new && subject.is_job() {
            as_of(&mut after, None);
        }
        Ok(after)
    };
    let Some(status) = answer.refusal() else { return Ok(difference(live, taken(&answer)?, false)) };
    if status.is_immutable() && subject.is_job() {
        let after = as_new(session, subject, &resource, live.as_ref()).await?;
        return Ok(difference(live, after, true));
    }
    if take_over && !named.is_empty() && conflict::is_only_about(&status, named) {
        let answer = session.send(&tried(subject.trial_body()?, true), subject).await?;
        if answer.refusal().is_none() {
            return Ok(difference(live, taken(&answer)?, false));
        }
    }
    // Not on the server yet, like what it is in: nothing to compare with.
    if live.is_none() && status.is(404) && brought.holds(&entry.needs) {
        return Ok(difference(None, subject.json()?, false));
    }
    Err(explain(session, subject, &resource, &status, take_over).await)
}

/// What the server would make of a Job that can't be changed, if it were new: tried under another name.
async fn as_new(
    session: &Session<'_>,
    subject: &InputObject,
    resource: &Resource,
    live: Option<&Value>,
) -> Result<Value> {
    let namespace = &*subject.namespace;
    let mut own = subject.json()?;
    let base: String = subject.name().chars().take(50).collect();
    own["metadata"]["name"] = json!(format!("{}-jobplate", base.trim_end_matches(['-', '.'])));
    let request = Request::create(resource, namespace, own.to_string().into_bytes(), &session.writing, true);
    let answer = session.send(&request, subject).await?;
    if let Some(status) = answer.refusal() {
        return Err(status.error(&Refused::of_new(subject, resource)));
    }
    let mut new = answer.object(subject)?;
    new["metadata"]["name"] = json!(subject.name());
    as_of(&mut new, live);
    Ok(new)
}

/// Labels that the server writes into each Job for itself.
const OWN_LABELS: [&str; 4] =
    ["batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name"];

/// A new Job with the labels and the selector that a live one has; without any where there is none.
fn as_of(new: &mut Value, live: Option<&Value>) {
    for key in OWN_LABELS {
        for at in ["/metadata/labels", "/spec/template/metadata/labels"] {
            let there = live.and_then(|live| live.pointer(at)).and_then(|labels| labels.get(key)).cloned();
            if let Some(labels) = new.pointer_mut(at).and_then(Value::as_object_mut) {
                match there {
                    Some(value) => drop(labels.insert(key.to_owned(), value)),
                    None => drop(labels.remove(key)),
                }
            }
        }
    }
    if let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) {
        match live.and_then(|live| live["spec"].get("selector")) {
            Some(selector) => drop(spec.insert("selector".to_owned(), selector.clone())),
            None => drop(spec.remove("selector")),
        }
    }
}

fn yaml(object: Value) -> String {
    serde_yaml::to_string(&without_noise(object)).unwrap_or_default()
}
