//! Objects whose name the server gives (`generateName`): created, never applied.

use jobplate_diagnostic::Result;

use crate::errors::status::Refused;
use crate::errors::transport::may_have_been_made;
use crate::object::InputObject;
use crate::outcome::{Done, Metadata};
use crate::report::Outcome;
use crate::request::{Request, Resource};
use crate::session::Session;

/// Creates an object, or tries to.
///
/// # Errors
/// Fails if the server refuses, or if nobody knows whether it has made the object.
pub(crate) async fn create(
    session: &Session<'_>,
    subject: &InputObject,
    resource: &Resource,
    dry_run: bool,
) -> Result<Done> {
    let request = Request::create(resource, &subject.namespace, subject.body()?, &session.writing, dry_run);
    let answer = session.send(&request, subject).await?;
    if let Some(status) = answer.refusal() {
        // The storage may have kept it before it failed.
        if !dry_run && status.is_passing() {
            let reason = format!("the server answered {}", status.code.as_u16());
            return Err(may_have_been_made(&reason, subject));
        }
        return Err(status.error(&Refused::of_new(subject, resource)));
    }
    let metadata = Metadata::read(&answer, subject)?;
    // The name of a trial is not the one that it will have.
    let name = metadata.name.filter(|_| !dry_run);
    Ok(Done { name, ..Done::with_uid(Outcome::Created, metadata.uid) })
}
