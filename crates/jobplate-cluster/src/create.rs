//! Creates objects whose name the server generates (`generateName`). A server-side apply requires a name.

use jobplate_diagnostic::Result;

use crate::errors::status::RefusedRequest;
use crate::errors::transport::unknown_creation_error;
use crate::object::InputObject;
use crate::outcome::{LiveMetadata, ObjectResult};
use crate::report::Outcome;
use crate::request::{Request, Resource};
use crate::session::Session;

/// Creates an object, or dry-runs its creation.
///
/// # Errors
/// Fails if the server rejects the object or cannot be reached, or if it is unknown whether the server created the
/// object.
pub(crate) async fn create(
    session: &Session<'_>,
    object: &InputObject,
    resource: &Resource,
    dry_run: bool,
) -> Result<ObjectResult> {
    let request = Request::create(resource, &object.namespace, object.body()?, &session.write_options, dry_run);
    let response = session.send(&request, object).await?;
    if let Some(status) = response.refusal() {
        // etcd may have stored the object before it failed, so it is unknown whether the object was created.
        if !dry_run && status.is_transient() {
            let reason = format!("the API server responded with {}", status.code.as_u16());
            return Err(unknown_creation_error(&reason, object));
        }
        return Err(session.refusal_error(&RefusedRequest::for_new(object, resource), &status).await);
    }
    let metadata = LiveMetadata::read(&response, object)?;
    // The server generates a different name for the creation than for its dry run, so discard the name from a dry run.
    let name = metadata.name.filter(|_| !dry_run);
    let (resource_version, live) = (metadata.resource_version, response.body);
    Ok(ObjectResult { name, resource_version, live, ..ObjectResult::with_uid(Outcome::Created, metadata.uid) })
}
