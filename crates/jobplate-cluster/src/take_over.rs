//! Moves the ownership of env entries to our field manager (`--take-over`), so that the apply can replace them.

use jobplate_diagnostic::Result;

use crate::document::TakeOverEntries;
use crate::errors::conflict::{MAX_CONFLICT_ATTEMPTS, conflict_loop_error};
use crate::errors::status::RefusedRequest;
use crate::managed_fields::{self, OwnershipTransfer, RemainingEntry};
use crate::object::InputObject;
use crate::options::ApplyOptions;
use crate::request::{ApplyParams, Request, Resource, Verb};
use crate::session::Session;
use crate::session::connection::Response;

/// Returns the env entries to take over. Returns no entries if `--take-over` was not passed, or if the object is a Job,
/// since its pod template is immutable.
pub(crate) fn selected_entries<'o>(options: &ApplyOptions, object: &'o InputObject) -> &'o [TakeOverEntries] {
    if options.take_over && !object.is_job() { &object.take_over_entries } else { &[] }
}

/// Moves the ownership of entries to our field manager, so that the apply that follows can replace and remove them.
/// Returns false if no transfer was necessary or the object does not exist.
///
/// # Errors
/// Fails if the server rejects a request or cannot be reached, or if the object changes during each attempt.
pub(crate) async fn take_over(
    session: &Session<'_>,
    object: &InputObject,
    resource: &Resource,
    entries: &[TakeOverEntries],
) -> Result<bool> {
    // A transfer that was retried and then rejected. Its first attempt may have taken effect; the next read shows
    // whether it did.
    let mut unconfirmed_transfer: Option<OwnershipTransfer> = None;
    for _ in 0..MAX_CONFLICT_ATTEMPTS {
        let Some(live) = session.get_live(object, resource, object.name()).await? else { return Ok(false) };
        if managed_fields::is_unowned(&live) {
            // An apply without fields makes the server create the owner `before-first-apply` for all existing fields.
            apply_identity(session, object, resource).await?;
            continue;
        }
        let plan = managed_fields::plan_transfer(&live, entries, &session.write_options.field_manager);
        let Some(transfer) = plan else {
            let Some(transfer) = unconfirmed_transfer else { return Ok(false) };
            note_transfer(session, object, resource, &transfer);
            return Ok(true);
        };
        let request =
            Request::patch(resource, &object.namespace, object.name(), &transfer.patch, &session.write_options);
        let response = session.send(&request, object).await?;
        match response.refusal() {
            None => {
                note_transfer(session, object, resource, &transfer);
                return Ok(true);
            }
            // The object changed after it was read, so the patch's test of the resource version failed.
            Some(status) if status.has_code(409) || status.has_code(422) => {
                unconfirmed_transfer = response.was_retried.then_some(transfer).or(unconfirmed_transfer);
            }
            Some(status) => {
                return Err(session.refusal_error(&RefusedRequest::new(object, resource, Verb::Patch), &status).await);
            }
        }
    }
    Err(conflict_loop_error(object, resource, "taken over"))
}

/// Applies a manifest that contains only the object's `apiVersion`, kind and name.
async fn apply_identity(session: &Session<'_>, object: &InputObject, resource: &Resource) -> Result<()> {
    let identity = serde_json::json!({
        "apiVersion": &*object.api_version, "kind": &*object.kind, "metadata": {"name": object.name()},
    });
    let params = ApplyParams { write_options: &session.write_options, force: false, dry_run: false };
    let body = identity.to_string().into_bytes();
    let request = Request::apply(resource, &object.namespace, object.name(), body, params);
    match session.send(&request, object).await?.refusal() {
        None => Ok(()),
        Some(status) => Err(session.refusal_error(&RefusedRequest::new(object, resource, Verb::Patch), &status).await),
    }
}

fn note_transfer(session: &Session<'_>, object: &InputObject, resource: &Resource, transfer: &OwnershipTransfer) {
    let name = resource.qualified_name(object.name());
    let OwnershipTransfer { previous_owners, .. } = transfer;
    let entries = match previous_owners.as_slice() {
        [] => "entries without an owner".to_owned(),
        owners => format!("entries from {}", owners.join(", ")),
    };
    session.events.on_note(&match (transfer.moves_entries, transfer.removes_last_applied) {
        (true, true) => format!("{name}: took over {entries}, and removed its last-applied annotation"),
        (true, false) => format!("{name}: took over {entries}"),
        (false, _) => format!("{name}: removed its last-applied annotation"),
    });
}

/// Reports the env entries that the manifest removes but that an apply without `--take-over` leaves on the server.
///
/// # Errors
/// Fails if the response is not an object.
pub(crate) fn note_remaining(
    session: &Session<'_>,
    options: &ApplyOptions,
    object: &InputObject,
    resource: &Resource,
    response: &Response,
) -> Result<()> {
    if object.take_over_entries.is_empty() || options.take_over {
        return Ok(());
    }
    let live = response.parse_object(object)?;
    let manager = &session.write_options.field_manager;
    for entry in managed_fields::find_remaining(&live, &object.json_or_null(), &object.take_over_entries, manager) {
        let RemainingEntry { name, container, owners } = entry;
        let owners = if owners.is_empty() { "others".to_owned() } else { owners.join(", ") };
        let object_name = resource.qualified_name(object.name());
        session.events.on_note(&format!(
            "{object_name} still has {name} in container {container}, owned by {owners}; --take-over removes it"
        ));
    }
    Ok(())
}
