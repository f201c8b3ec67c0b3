//! A refusal, explained with what the live object shows: who owns the fields of a conflict, whose value
//! stands in the way of another.

use jobplate_diagnostic::{Error, ErrorKind};
use jobplate_manifest::field::{FieldPath, PathStep};
use jobplate_manifest::workload;
use jobplate_yaml::Node;
use serde_json::Value;

use crate::errors::conflict::{self, Blocked};
use crate::errors::status::{Refused, Status};
use crate::object::InputObject;
use crate::request::{Resource, Verb};
use crate::session::Session;

/// The error of a refused apply. `take_over`: whether the call takes entries over already.
pub(crate) async fn explain(
    session: &Session<'_>,
    subject: &InputObject,
    resource: &Resource,
    status: &Status,
    take_over: bool,
) -> Error {
    let plain = Refused::new(subject, resource, Verb::Patch);
    if status.conflicts().is_none() && !status.is(422) {
        return status.error(&plain);
    }
    let live = match session.live(subject, resource, subject.name()).await {
        Ok(Some(live)) => live,
        Ok(None) => return status.error(&Refused { is_new: true, ..plain }),
        Err(_) => return status.error(&plain),
    };
    let object = resource.object(subject.name());
    if let Some(conflicts) = status.conflicts() {
        let table = conflict::table(&conflicts, &live, &subject.json_or_null());
        let error =
            Error::new(ErrorKind::Cluster, format!("others own fields of {object} that this would change:{table}"));
        return subject.place(error.hint(
            "--force-conflicts takes all of them; --take-over takes the env entries named in the call; or leave these fields out of the manifest",
        ));
    }
    let other_way = status.is_about_a_source().then(|| other_way(session, subject, &object, &live, take_over));
    other_way.flatten().unwrap_or_else(|| status.error(&plain))
}

/// Entries that have their values in another way on the server: whose they are, and the way out.
fn other_way(
    session: &Session<'_>,
    subject: &InputObject,
    object: &str,
    live: &Value,
    take_over: bool,
) -> Option<Error> {
    let pod_spec = workload::pod_spec_path(&subject.kind)?;
    let blocked = conflict::blocked(live, &subject.json_or_null(), &pod_spec, &session.writing.field_manager);
    let is_named = |blocked: &Blocked| {
        subject.named.iter().any(|named| named.container == blocked.container && named.names.contains(&blocked.name))
    };
    let unnamed: Vec<&Blocked> = blocked.iter().filter(|blocked| !is_named(blocked)).collect();
    let first = unnamed.first()?;
    let of = |blocked: &Blocked| {
        let by = if blocked.owners.is_empty() { "nobody".to_owned() } else { blocked.owners.join(", ") };
        let what = if blocked.live == "value" { "a plain value" } else { blocked.live };
        format!("\n  {} of container {}: {what}, owned by {by}", blocked.name, blocked.container_name)
    };
    let lines: String = blocked.iter().map(of).collect();
    let message = format!("{object} has these values in another way than the manifest:{lines}");
    let flags = flags(subject, &blocked.iter().collect::<Vec<_>>());
    let hint = match take_over {
        true => format!("--take-over is for entries that the call names: {flags} --take-over"),
        false => format!("take them over: {flags} --take-over"),
    };
    let error = Error::new(ErrorKind::Cluster, message).hint(hint);
    Some(subject.place(match subject.with_root(|root| place_of(root, first)).flatten() {
        Some(at) => error.at(at..at + 1),
        None => error,
    }))
}

/// The flags that name entries: all of those containers that have the same ones as the first.
fn flags(subject: &InputObject, blocked: &[&Blocked]) -> String {
    let of = |container: &FieldPath| -> Vec<String> {
        blocked
            .iter()
            .filter(|blocked| blocked.container == *container)
            .filter_map(|blocked| blocked.flag.clone())
            .collect()
    };
    let mut containers: Vec<&Blocked> = Vec::new();
    for entry in blocked {
        if !containers.iter().any(|known| known.container == entry.container) {
            containers.push(entry);
        }
    }
    let Some(first) = containers.first() else { return String::new() };
    let mut words = of(&first.container);
    let alike: Vec<&&Blocked> = containers.iter().filter(|other| of(&other.container) == words).collect();
    let is_default_kind = subject.is_job() || &*subject.kind == "CronJob";
    if !is_default_kind {
        words.push(format!("--target {}/{}", subject.kind, subject.name()));
    }
    if alike.len() > 1 || !first.is_first {
        words.extend(alike.iter().map(|blocked| format!("-c {}", blocked.container_name)));
    }
    if alike.iter().any(|blocked| blocked.is_init) {
        words.push("--init-containers".to_owned());
    }
    words.join(" ")
}

/// Where an entry begins in the document.
fn place_of(root: Node<'_>, blocked: &Blocked) -> Option<usize> {
    let name = PathStep::Item(vec![("name".to_owned(), blocked.name.clone())]);
    let found = blocked.container.clone().join(PathStep::Key("env".to_owned())).join(name).resolve(root);
    found.is_complete.then(|| found.node.span().start)
}
