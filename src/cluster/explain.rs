//! A refusal, explained with what the live object tells: who owns the fields of a conflict, whose literal
//! stands in the way of a reference.

use serde_json::Value;

use super::object::{Named, Subject};
use super::owner;
use super::request::{Resource, Verb};
use super::session::Session;
use super::status::{Refused, Status};
use crate::error::{Error, Kind};
use crate::manifest::field::{FieldPath, Step};
use crate::manifest::{json, workload};

/// The error of a refused apply. `take_over`: whether the call takes entries over already.
pub(super) async fn explain(
    session: &Session<'_>,
    subject: &Subject,
    resource: &Resource,
    status: &Status,
    take_over: bool,
) -> Error {
    let plain = Refused::new(subject, resource, session.namespace(subject), Verb::Patch);
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
        let table = owner::conflict_table(&conflicts, &live, &json_of(subject));
        let error = Error::new(Kind::Cluster, format!("others own fields of {object} that this would change:{table}"));
        return subject.place(error.hint(
            "--force-conflicts takes all of them; --take-over takes the env entries named in the call; or leave these fields out of the manifest",
        ));
    }
    let literal = status.is_value_beside_reference().then(|| literal(session, subject, &object, &live, take_over));
    literal.flatten().unwrap_or_else(|| status.error(&plain))
}

/// A literal of the live object that stands in the way of a reference: whose it is, and the way out.
fn literal(session: &Session<'_>, subject: &Subject, object: &str, live: &Value, take_over: bool) -> Option<Error> {
    let pod_spec = workload::pod_spec_path(&subject.kind)?;
    let blocked = owner::blocked(live, &json_of(subject), &pod_spec, &session.writing.manager);
    let first = blocked.first()?;
    let of = |blocked: &owner::Blocked| {
        let by = if blocked.owners.is_empty() { "nobody".to_owned() } else { blocked.owners.join(", ") };
        format!("\n  {} of container {}, owned by {by}", blocked.name, blocked.container)
    };
    let lines: String = blocked.iter().map(of).collect();
    let error =
        Error::new(Kind::Cluster, format!("{object} has plain values where the manifest has references:{lines}"));
    let named: Vec<&Named> = subject.named().collect();
    let is_named = |blocked: &owner::Blocked| named.iter().any(|named| named.names.contains(&blocked.name));
    let flags: Vec<String> = blocked
        .iter()
        .filter(|blocked| !is_named(blocked))
        .filter_map(|blocked| blocked.reference.as_ref().map(|reference| format!("--secret-env {reference}")))
        .collect();
    let hint = match (flags.is_empty(), take_over) {
        (true, _) => "--take-over takes over the entries that the call names, and nothing else".to_owned(),
        (false, true) => format!("--take-over is for entries that the call names: add {}", flags.join(" ")),
        (false, false) => format!("take them over: {} --take-over", flags.join(" ")),
    };
    let place = subject.with_root(|root| place_of(root, &pod_spec, first)).flatten();
    Some(subject.place(match place {
        Some(at) => error.hint(hint).at(at..at + 1),
        None => error.hint(hint),
    }))
}

/// Where an entry begins in the document.
fn place_of(root: crate::yaml::Node<'_>, pod_spec: &FieldPath, blocked: &owner::Blocked) -> Option<usize> {
    let named = |name: &str| Step::Item(vec![("name".to_owned(), name.to_owned())]);
    ["containers", "initContainers"].into_iter().find_map(|list| {
        let keys =
            [Step::Key(list.to_owned()), named(&blocked.container), Step::Key("env".to_owned()), named(&blocked.name)];
        let found = keys.into_iter().fold(pod_spec.clone(), FieldPath::then).find(root);
        found.whole.then(|| found.node.span().start)
    })
}

fn json_of(subject: &Subject) -> Value {
    subject.with_root(|root| json::to_json(root).ok()).flatten().unwrap_or_default()
}
