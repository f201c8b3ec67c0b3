//! Which env entries are taken over, and the move of their ownership before the apply that replaces them.

use jobplate_diagnostic::Result;

use crate::document::TakeOverEntries;
use crate::errors::conflict::{ATTEMPTS, keeps_changing};
use crate::errors::status::Refused;
use crate::managed_fields::{self, Left, Transfer};
use crate::object::InputObject;
use crate::options::ApplyOptions;
use crate::request::{Apply, Request, Resource, Verb};
use crate::session::Session;
use crate::session::connection::Answer;

/// Returns the entries that are to be taken over. In a Job nothing of its pods can be changed, whoever owns it.
pub(crate) fn entries<'s>(options: &ApplyOptions, subject: &'s InputObject) -> &'s [TakeOverEntries] {
    if options.take_over && !subject.is_job() { &subject.named } else { &[] }
}

/// Moves the ownership of entries, so that the apply that follows can replace and remove them. Returns whether
/// there was anything to move.
///
/// # Errors
/// Fails if the server refuses, or if the object changes again and again meanwhile.
pub(crate) async fn take_over(
    session: &Session<'_>,
    subject: &InputObject,
    resource: &Resource,
    named: &[TakeOverEntries],
) -> Result<bool> {
    // The response of a move was lost: the next read shows whether the move took place.
    let mut uncertain: Option<Transfer> = None;
    for _ in 0..ATTEMPTS {
        let Some(live) = session.live(subject, resource, subject.name()).await? else { return Ok(false) };
        if managed_fields::is_unowned(&live) {
            // An apply that changes nothing makes the server give all that is there to an owner.
            touch(session, subject, resource).await?;
            continue;
        }
        let Some(transfer) = managed_fields::transfer(&live, named, &session.writing.field_manager) else {
            let Some(transfer) = uncertain else { return Ok(false) };
            note_move(session, subject, resource, &transfer);
            return Ok(true);
        };
        let request = Request::patch(resource, &subject.namespace, subject.name(), &transfer.patch, &session.writing);
        let answer = session.send(&request, subject).await?;
        match answer.refusal() {
            None => {
                note_move(session, subject, resource, &transfer);
                return Ok(true);
            }
            // The object has changed meanwhile: the test of the resource version failed.
            Some(status) if status.is(409) || status.is(422) => {
                uncertain = answer.repeated.then_some(transfer).or(uncertain);
            }
            Some(status) => return Err(status.error(&Refused::new(subject, resource, Verb::Patch))),
        }
    }
    Err(keeps_changing(subject, resource, "taken over"))
}

/// Applies no more than what the object is called.
async fn touch(session: &Session<'_>, subject: &InputObject, resource: &Resource) -> Result<()> {
    let object = serde_json::json!({
        "apiVersion": &*subject.api_version, "kind": &*subject.kind, "metadata": {"name": subject.name()},
    });
    let how = Apply { writing: &session.writing, force: false, dry_run: false };
    let body = object.to_string().into_bytes();
    let request = Request::apply(resource, &subject.namespace, subject.name(), body, how);
    match session.send(&request, subject).await?.refusal() {
        None => Ok(()),
        Some(status) => Err(status.error(&Refused::new(subject, resource, Verb::Patch))),
    }
}

fn note_move(session: &Session<'_>, subject: &InputObject, resource: &Resource, transfer: &Transfer) {
    let object = resource.object(subject.name());
    let owners = if transfer.from.is_empty() { "nobody".to_owned() } else { transfer.from.join(", ") };
    session.events.on_note(&match (transfer.moves, transfer.drops_last_applied) {
        (true, true) => {
            format!("{object}: entries taken over from {owners}, and its last-applied annotation removed")
        }
        (true, false) => format!("{object}: entries taken over from {owners}"),
        (false, _) => format!("{object}: its last-applied annotation removed"),
    });
}

/// Notes the entries that were to be removed and are still there, in an answer to an apply without a take-over.
///
/// # Errors
/// Fails if the response is not an object.
pub(crate) fn note_remaining(
    session: &Session<'_>,
    options: &ApplyOptions,
    subject: &InputObject,
    resource: &Resource,
    answer: &Answer,
) -> Result<()> {
    if subject.named.is_empty() || options.take_over {
        return Ok(());
    }
    let live = answer.object(subject)?;
    for left in managed_fields::left(&live, &subject.json_or_null(), &subject.named, &session.writing.field_manager) {
        let owners = if left.owners.is_empty() { "others".to_owned() } else { left.owners.join(", ") };
        let object = resource.object(subject.name());
        let Left { name, container, .. } = left;
        session.events.on_note(&format!(
            "{object} still has {name} (container {container}), owned by {owners}: --take-over removes it"
        ));
    }
    Ok(())
}
