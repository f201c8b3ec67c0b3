//! Dry-runs one object on the server, and determines whether an apply would change it.

use jobplate_diagnostic::Result;

use crate::create::create;
use crate::errors::conflict;
use crate::live::without_server_fields;
use crate::managed_fields::plan_transfer;
use crate::object::InputObject;
use crate::options::ApplyOptions;
use crate::outcome::{DryRunResult, LiveMetadata, ObjectResult};
use crate::recreate;
use crate::refusal::explain_refusal;
use crate::report::Outcome;
use crate::request::{ApplyParams, Request, Resource};
use crate::session::Session;
use crate::session::connection::Response;
use crate::{immutable, on_immutable, take_over};

/// Dry-runs the apply of an object, including the effects of `--take-over` and `--on-immutable`.
///
/// # Errors
/// Fails if the server would reject the apply or cannot be reached.
pub(crate) async fn dry_run(
    session: &Session<'_>,
    options: &ApplyOptions,
    object: &InputObject,
    resource: &Resource,
) -> Result<ObjectResult> {
    if object.uses_generate_name {
        return create(session, object, resource, true).await;
    }
    let build_request = |body, force| {
        let params = ApplyParams { write_options: &session.write_options, force, dry_run: true };
        Request::apply(resource, &object.namespace, object.name(), body, params)
    };
    let request = build_request(object.body()?, options.force_conflicts);
    let (response, job) =
        immutable::send_apply(session, object, resource, async || session.send(&request, object).await).await?;
    let Some(status) = response.refusal() else {
        let result = classify_success(session, options, object, resource, &response).await?;
        // The response of a Job that is recreated is the old Job.
        let live = if result.outcome == Outcome::Recreated { Vec::new() } else { response.body };
        return Ok(ObjectResult { live, ..result });
    };
    if let Some(job) = job {
        return on_immutable::dry_run(session, options, object, resource, job).await;
    }
    let entries = take_over::selected_entries(options, object);
    // Only a forced dry run shows whether the ownership of these entries is the only obstacle.
    if !entries.is_empty() && conflict::may_be_resolved_by_take_over(&status, entries) {
        let response = session.send(&build_request(object.take_over_dry_run_body()?, true), object).await?;
        return match response.refusal() {
            None => Ok(ObjectResult { live: response.body, ..ObjectResult::new(Outcome::Configured) }),
            Some(status) => Err(explain_refusal(session, object, resource, &status, options.take_over).await),
        };
    }
    Err(explain_refusal(session, object, resource, &status, options.take_over).await)
}

/// Determines from a successful dry run whether an apply would change the object.
async fn classify_success(
    session: &Session<'_>,
    options: &ApplyOptions,
    object: &InputObject,
    resource: &Resource,
    response: &Response,
) -> Result<ObjectResult> {
    if response.code.as_u16() == 201 {
        return Ok(ObjectResult { dry_run: DryRunResult::New, ..ObjectResult::new(Outcome::Created) });
    }
    let metadata = LiveMetadata::read(response, object)?;
    if let Some(deletion) = metadata.deletion() {
        let Some(include_running) = options.recreation_of(object) else {
            return Err(deletion.to_error(object, resource));
        };
        let live = response.parse_object(object)?;
        return recreate::dry_run(session, object, resource, include_running, &live).await;
    }
    let applied_at = metadata.applied_at(&session.write_options.field_manager);
    if options.dry_run {
        take_over::note_remaining(session, options, object, resource, response)?;
    }
    // If the dry run makes no change, the server keeps the time of our last apply, so an older time means "unchanged".
    // The current time is ambiguous, since the last apply may have been a moment ago. In this case, or if env entries
    // are taken over, the objects are compared.
    let entries = take_over::selected_entries(options, object);
    let would_change = if !entries.is_empty() || applied_at.is_none_or(|time| response.covers(time)) {
        let live = session.get_live(object, resource, object.name()).await?.unwrap_or_default();
        let moves_ownership = plan_transfer(&live, entries, &session.write_options.field_manager).is_some();
        moves_ownership || without_server_fields(live) != without_server_fields(response.parse_object(object)?)
    } else {
        false
    };
    let dry_run = DryRunResult::Exists { resource_version: metadata.resource_version, applied_at, would_change };
    let outcome = if would_change { Outcome::Configured } else { Outcome::Unchanged };
    Ok(ObjectResult { dry_run, ..ObjectResult::new(outcome) })
}
