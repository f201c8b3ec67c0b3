//! What the server would say about one object, and whether an apply would change it.

use jobplate_diagnostic::Result;

use crate::create::create;
use crate::errors::conflict;
use crate::immutable;
use crate::live::without_noise;
use crate::managed_fields::transfer;
use crate::object::InputObject;
use crate::options::ApplyOptions;
use crate::outcome::{Done, Metadata, Tried};
use crate::refusal::explain;
use crate::report::Outcome;
use crate::request::{Apply, Request, Resource};
use crate::session::Session;
use crate::session::connection::Answer;
use crate::take_over;

/// Tries an object.
///
/// # Errors
/// Fails as an apply of it would.
pub(crate) async fn dry_run(
    session: &Session<'_>,
    options: &ApplyOptions,
    subject: &InputObject,
    resource: &Resource,
) -> Result<Done> {
    if subject.generated {
        return create(session, subject, resource, true).await;
    }
    let apply = |body, force| {
        let how = Apply { writing: &session.writing, force, dry_run: true };
        Request::apply(resource, &subject.namespace, subject.name(), body, how)
    };
    let answer = session.send(&apply(subject.body()?, options.force_conflicts), subject).await?;
    let Some(status) = answer.refusal() else { return succeeded(session, options, subject, resource, &answer).await };
    if status.is_immutable() && subject.is_job() {
        return immutable::dry_run(session, options.on_immutable, subject, resource).await;
    }
    let named = take_over::entries(options, subject);
    // Only the server knows whether nothing but the others' ownership is in the way.
    if !named.is_empty() && conflict::is_only_about(&status, named) {
        let answer = session.send(&apply(subject.trial_body()?, true), subject).await?;
        return match answer.refusal() {
            None => Ok(Done::new(Outcome::Configured)),
            Some(status) => Err(explain(session, subject, resource, &status, options.take_over).await),
        };
    }
    Err(explain(session, subject, resource, &status, options.take_over).await)
}

/// Finds out whether an apply whose trial succeeded would change anything.
async fn succeeded(
    session: &Session<'_>,
    options: &ApplyOptions,
    subject: &InputObject,
    resource: &Resource,
    answer: &Answer,
) -> Result<Done> {
    if answer.code.as_u16() == 201 {
        return Ok(Done { tried: Tried::New, ..Done::new(Outcome::Created) });
    }
    let metadata = Metadata::read(answer, subject)?;
    let time = metadata.applied_at(&session.writing.field_manager);
    if options.dry_run {
        take_over::note_remaining(session, options, subject, resource, answer)?;
    }
    // An apply that changes nothing leaves the time of the last one that did. Only a time of now says
    // nothing: that one may have been a moment ago.
    let named = take_over::entries(options, subject);
    let changes = if !named.is_empty() || time.is_none_or(|time| answer.is_of_now(time)) {
        let live = session.live(subject, resource, subject.name()).await?.unwrap_or_default();
        let moves = transfer(&live, named, &session.writing.field_manager).is_some();
        moves || without_noise(live) != without_noise(answer.object(subject)?)
    } else {
        false
    };
    let tried = Tried::There { resource_version: metadata.resource_version, time, changes };
    let outcome = if changes { Outcome::Configured } else { Outcome::Unchanged };
    Ok(Done { tried, ..Done::new(outcome) })
}
