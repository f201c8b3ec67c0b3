//! Applies one object: moves ownership first if `--take-over` asks for it, and waits for new kinds to be served.

use std::time::{Duration, Instant};

use jobplate_diagnostic::{Error, ErrorKind, Result};

use crate::create::create;
use crate::errors::status::unknown_kind;
use crate::inventory::Brought;
use crate::object::InputObject;
use crate::options::ApplyOptions;
use crate::outcome::{self, Done, Start, Tried};
use crate::refusal::explain;
use crate::request::{Apply, Request, Resource};
use crate::session::Session;
use crate::session::connection::Answer;
use crate::{immutable, take_over};

/// How long a CustomResourceDefinition may take until its objects can be made.
const ESTABLISHED: Duration = Duration::from_secs(30);
/// How long the schema of one that changes may take to be in force.
const NEW_SCHEMA: Duration = Duration::from_secs(5);
/// How often a new CustomResourceDefinition is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// What all objects of a run are applied with.
pub(crate) struct Context<'a> {
    /// To the server.
    pub session: &'a Session<'a>,
    /// How.
    pub options: &'a ApplyOptions,
    /// What the input itself brings.
    pub brought: Brought,
    /// Where the run began, if it has to be known.
    pub start: Option<Start>,
}

impl Context<'_> {
    /// Applies an object, once it was tried. `has_taken_over` is set when ownership was moved, also if the apply
    /// then fails.
    ///
    /// # Errors
    /// Fails if the server refuses, or can't be reached.
    pub(crate) async fn apply(
        &self,
        subject: &InputObject,
        resource: &Resource,
        tried: &Tried,
        has_taken_over: &mut bool,
    ) -> Result<Done> {
        let Context { session, options, .. } = self;
        if subject.generated {
            return create(session, subject, resource, false).await;
        }
        let named = take_over::entries(options, subject);
        if !named.is_empty() {
            *has_taken_over = take_over::take_over(session, subject, resource, named).await?;
        }
        let how = Apply { writing: &session.writing, force: options.force_conflicts, dry_run: false };
        let request = Request::apply(resource, &subject.namespace, subject.name(), subject.body()?, how);
        let mut answer = session.send(&request, subject).await?;
        // The endpoint and the schema of a CustomResourceDefinition of this run may become available later.
        let started = Instant::now();
        let is_late = |answer: &Answer| {
            answer.refusal().is_some_and(|status| {
                let patience = if status.is_schema_fault() { NEW_SCHEMA } else { ESTABLISHED };
                (status.is_unknown_kind() || status.is_schema_fault()) && started.elapsed() < patience
            })
        };
        while self.brought.has_kind(subject) && is_late(&answer) && !session.is_over() {
            tokio::time::sleep(POLL_INTERVAL).await;
            answer = session.send(&request, subject).await?;
        }
        let done = match answer.refusal() {
            None => {
                take_over::note_remaining(session, options, subject, resource, &answer)?;
                outcome::of_apply(subject, tried, self.start, &answer, &session.writing.field_manager)?
            }
            Some(status) if status.is_immutable() && subject.is_job() => {
                immutable::apply(session, options, subject, resource).await?
            }
            Some(status) => return Err(explain(session, subject, resource, &status, options.take_over).await),
        };
        if subject.is_crd() {
            wait_until_established(session, subject, resource).await?;
        }
        Ok(done)
    }

    /// Finds the resource of an object, and waits for it where the input brings its kind.
    ///
    /// # Errors
    /// Fails if the server does not have the kind in time.
    pub(crate) async fn resource_when_there(&self, subject: &InputObject) -> Result<Resource> {
        let patience = Instant::now() + ESTABLISHED;
        loop {
            match self.session.find_resource(subject).await? {
                Some(resource) => return Ok(resource),
                None if self.brought.has_kind(subject) && Instant::now() < patience && !self.session.is_over() => {
                    self.session.forget(&subject.api_version);
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
                None => return Err(subject.place(unknown_kind(subject))),
            }
        }
    }
}

async fn wait_until_established(session: &Session<'_>, subject: &InputObject, resource: &Resource) -> Result<()> {
    let deadline = Instant::now() + ESTABLISHED;
    loop {
        let live = session.live(subject, resource, subject.name()).await?.unwrap_or_default();
        let conditions = live["status"]["conditions"].as_array().into_iter().flatten();
        if conditions.into_iter().any(|c| c["type"] == "Established" && c["status"] == "True") {
            return Ok(());
        }
        if Instant::now() > deadline {
            let message = format!("{} was made, but the server does not take it up", resource.object(subject.name()));
            return Err(
                subject.place(Error::new(ErrorKind::Timeout, message).hint("kubectl describe shows its conditions"))
            );
        }
        if session.is_over() {
            return Ok(());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
