//! Recognizes live Jobs that cannot be changed to match the manifest.
//!
//! Most fields of a Job are immutable. A rejected update is about them if the server would accept the same manifest as a
//! new Job. This does not depend on the fields that the server names: a dropped label of the pod template, for example,
//! is reported as a selector that does not match.

use jobplate_diagnostic::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::errors::conflict::MAX_CONFLICT_ATTEMPTS;
use crate::errors::status::{RefusedRequest, Status};
use crate::job_fields::{copy_controller_fields, find_differences};
use crate::object::InputObject;
use crate::request::{Request, Resource};
use crate::session::Session;
use crate::session::connection::Response;

/// The maximum number of differing fields in an error.
const MAX_LISTED_FIELDS: usize = 8;

/// A live Job whose update the server rejects, although it would accept the manifest as a new Job.
pub(crate) struct ImmutableJob {
    /// The live Job.
    pub live: Value,
    /// The comparison with the new Job, or the full quota that prevents it.
    pub comparison: Result<JobComparison, FullQuota>,
}

/// A quota that rejects a new Job as long as the live Job exists.
pub(crate) struct FullQuota {
    /// The immutable fields in the rejection of the update.
    pub fields: Vec<String>,
    /// Whether the quota accepts the new Job after the deletion of the live one.
    pub accepts_after_deletion: bool,
    /// The error for the new Job.
    pub error: Error,
}

/// A new Job, compared with a live one.
pub(crate) struct JobComparison {
    /// The Job that the server would create.
    pub new: Value,
    /// The paths of the fields that differ. Empty if only the cluster has changed the live Job, such as a mutating
    /// webhook that also changes the new Job.
    pub fields: Vec<String>,
}

/// Sends an apply or its dry run with `send`. Returns the response, and the live Job if the server rejected the apply
/// because of immutable fields. Sends the request again if another client has deleted the Job meanwhile.
///
/// # Errors
/// Fails if the server would also reject a new Job, or cannot be reached, or if `send` fails.
pub(crate) async fn send_apply(
    session: &Session<'_>,
    object: &InputObject,
    resource: &Resource,
    send: impl AsyncFn() -> Result<Response>,
) -> Result<(Response, Option<ImmutableJob>)> {
    for _ in 1..MAX_CONFLICT_ATTEMPTS {
        let response = send().await?;
        let Some(status) = response.refusal().filter(|status| object.is_job() && status.is_invalid()) else {
            return Ok((response, None));
        };
        let live = session.get_live(object, resource, object.name()).await?;
        match live {
            Some(live) => {
                let job = find_immutable_job(session, object, resource, &status, live).await?;
                return Ok((response, job));
            }
            None if !status.names_immutable_field() => return Ok((response, None)),
            None => {}
        }
    }
    Ok((send().await?, None))
}

/// Returns the live Job if the rejection `status` of its update is about immutable fields, or `None` if it is about
/// something else.
///
/// # Errors
/// Fails if the server would also reject the new Job, or cannot be reached.
async fn find_immutable_job(
    session: &Session<'_>,
    object: &InputObject,
    resource: &Resource,
    status: &Status,
    live: Value,
) -> Result<Option<ImmutableJob>> {
    let refusal = match compare_with_new_job(session, object, resource, &live).await? {
        Ok(comparison) => return Ok(Some(ImmutableJob { live, comparison: Ok(comparison) })),
        Err(refusal) => refusal,
    };
    if refusal.exceeds_quota() && status.names_immutable_field() {
        let fields = status.immutable_fields().map(str::to_owned).collect();
        let accepts_after_deletion = refusal.is_resolved_by_deleting_job();
        let error = session.refusal_error(&RefusedRequest::for_new(object, resource), &refusal).await;
        let comparison = Err(FullQuota { fields, accepts_after_deletion, error });
        return Ok(Some(ImmutableJob { live, comparison }));
    }
    // The indexes of fields in this status refer to the document, unlike those in `status`.
    if refusal.is_invalid() || status.names_immutable_field() {
        return Err(new_job_error(session, object, resource, &refusal).await);
    }
    Ok(None)
}

/// Returns the error for a live Job whose immutable fields differ from the manifest. `fields` are the paths of the
/// differing fields, and `state` is the predicate of the message, such as `exists`.
pub(crate) fn existing_job_error(object: &InputObject, resource: &Resource, fields: &[String], state: &str) -> Error {
    let name = resource.qualified_name(object.name());
    let mut list = fields[..fields.len().min(MAX_LISTED_FIELDS)].join(", ");
    if fields.len() > MAX_LISTED_FIELDS {
        list += &format!(" and {} more", fields.len() - MAX_LISTED_FIELDS);
    }
    let list = if list.is_empty() { list } else { format!(": {list}") };
    let error = Error::new(ErrorKind::Cluster, format!("{name} {state} with different immutable fields{list}"));
    object.locate(error.hint(
        "pass --on-immutable=recreate (delete and create it again), new-name (append a hash to the name) or skip",
    ))
}

/// Returns the error for a live Job whose immutable fields differ from the manifest, in a namespace with a full quota.
pub(crate) fn full_quota_error(object: &InputObject, resource: &Resource, quota: &FullQuota) -> Error {
    let error = existing_job_error(object, resource, &quota.fields, "exists");
    let message = format!("{}; {}", error.message(), quota.error.message());
    object.locate(Error::new(ErrorKind::Cluster, message).hint(match quota.accepts_after_deletion {
        true => "pass --on-immutable=recreate (delete and create it again) or skip, or raise the quota",
        false => "raise the quota, or pass --on-immutable=skip",
    }))
}

/// Returns the error for a Job that is not recreated, since the quota of `error` would also be full without it.
pub(crate) fn kept_job_error(object: &InputObject, error: &Error) -> Error {
    let message = format!("{}; the live Job is kept, since the quota would also be full without it", error.message());
    object.locate(Error::new(error.kind(), message).hint("raise the quota, or pass --on-immutable=skip"))
}

/// Returns the error for a new Job that the server would reject.
pub(crate) async fn new_job_error(
    session: &Session<'_>,
    object: &InputObject,
    resource: &Resource,
    refusal: &Status,
) -> Error {
    let error = session.refusal_error(&RefusedRequest::for_new(object, resource), refusal).await;
    if refusal.exceeds_quota() {
        return kept_job_error(object, &error);
    }
    if !refusal.is_denied_by_admission() {
        return error;
    }
    error.hint(
        "the server checked the manifest under another name, since the Job exists: change the manifest, or ask the \
         administrator of the cluster",
    )
}

/// Dry-runs the creation of a Job that exists as `live`, and compares the two. Returns the status if the server would
/// reject the new Job.
///
/// The request uses a placeholder name, since the server would reject the name of the live Job.
///
/// # Errors
/// Fails if the document has no JSON form, or if the server cannot be reached.
pub(crate) async fn compare_with_new_job(
    session: &Session<'_>,
    object: &InputObject,
    resource: &Resource,
    live: &Value,
) -> Result<Result<JobComparison, Status>> {
    let document = object.json()?;
    let mut renamed_job = document.clone();
    let prefix: String = object.name().chars().take(45).collect();
    let uid: String = live["metadata"]["uid"].as_str().unwrap_or_default().chars().take(8).collect();
    renamed_job["metadata"]["name"] = json!(format!("{}-jobplate-{uid}", prefix.trim_end_matches(['-', '.'])));
    let (body, write_options) = (renamed_job.to_string().into_bytes(), &session.write_options);
    let request = Request::create(resource, &object.namespace, body, write_options, true);
    let response = session.send(&request, object).await?;
    if let Some(status) = response.refusal() {
        return Ok(Err(status));
    }
    let mut new = response.parse_object(object)?;
    new["metadata"]["name"] = json!(object.name());
    copy_controller_fields(&mut new, Some(live));
    let fields = find_differences(live, &new, &document, &session.write_options.field_manager);
    Ok(Ok(JobComparison { new, fields }))
}
