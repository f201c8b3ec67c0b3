//! Applies one object. Moves the ownership of env entries first (`--take-over`), and waits until the server serves new
//! kinds.

use std::time::{Duration, Instant};

use jobplate_diagnostic::{Error, ErrorKind, Result};

use crate::create::create;
use crate::errors::describe::unknown_kind_error;
use crate::inventory::ProvidedResources;
use crate::object::InputObject;
use crate::options::ApplyOptions;
use crate::outcome::{self, DryRunResult, LiveMetadata, ObjectResult, RunStart};
use crate::recreate::{RecreateStep, recreate};
use crate::refusal::explain_refusal;
use crate::request::{ApplyParams, Request, Resource};
use crate::session::Session;
use crate::session::connection::Response;
use crate::{immutable, on_immutable, take_over};

/// The time limit for a new CustomResourceDefinition to be established.
const ESTABLISH_TIMEOUT: Duration = Duration::from_secs(30);
/// The time limit for the new schema of a changed CustomResourceDefinition to take effect.
const SCHEMA_UPDATE_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause between two polls of a CustomResourceDefinition.
const CRD_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// What the apply of one object has done so far.
#[derive(Default)]
pub(crate) struct ApplyEffects {
    /// Whether the ownership of env entries was moved (`--take-over`).
    pub has_taken_over: bool,
    /// The state of the recreation of a Job (`--on-immutable=recreate`).
    pub recreate_step: RecreateStep,
}

/// The state that all apply requests of a run share.
pub(crate) struct ApplyContext<'a> {
    pub session: &'a Session<'a>,
    pub options: &'a ApplyOptions,
    /// The resources that the objects of the input provide.
    pub provided: ProvidedResources,
    /// The server's state at the start of the run. `None` if dry runs precede the apply requests, or if the state could
    /// not be read.
    pub run_start: Option<RunStart>,
}

impl ApplyContext<'_> {
    /// Applies an object. `dry_run` is the result of its dry run.
    ///
    /// Records in `effects` what was done, even if the apply then fails or the future is dropped.
    ///
    /// # Errors
    /// Fails if the server rejects the object or cannot be reached, or if a CustomResourceDefinition is not established
    /// in time.
    pub(crate) async fn apply(
        &self,
        object: &InputObject,
        resource: &Resource,
        dry_run: &DryRunResult,
        effects: &mut ApplyEffects,
    ) -> Result<ObjectResult> {
        let ApplyContext { session, options, .. } = self;
        if object.uses_generate_name {
            return create(session, object, resource, false).await;
        }
        let entries = take_over::selected_entries(options, object);
        if !entries.is_empty() {
            effects.has_taken_over = take_over::take_over(session, object, resource, entries).await?;
        }
        let send = async || self.send_apply(object, resource).await;
        let (response, job) = immutable::send_apply(session, object, resource, send).await?;
        let result = match response.refusal() {
            None => {
                take_over::note_remaining(session, options, object, resource, &response)?;
                match (LiveMetadata::read(&response, object)?.deletion(), options.recreation_of(object)) {
                    (Some(_), Some(include_running)) => {
                        recreate(session, options, object, resource, include_running, &mut effects.recreate_step)
                            .await?
                    }
                    (Some(deletion), None) => return Err(deletion.to_error(object, resource)),
                    (None, _) => {
                        let manager = &session.write_options.field_manager;
                        outcome::classify_apply(object, dry_run, self.run_start, &response, manager)?
                    }
                }
            }
            Some(status) => match job {
                Some(job) => {
                    on_immutable::apply(session, options, object, resource, job, &mut effects.recreate_step).await?
                }
                None => return Err(explain_refusal(session, object, resource, &status, options.take_over).await),
            },
        };
        if object.is_crd() {
            wait_until_established(session, object, resource).await?;
        }
        Ok(result)
    }

    /// Sends the apply request. If the input contains the object's CustomResourceDefinition, repeats the request until
    /// the server serves the kind with its new schema, a time limit has passed, or the session should stop.
    async fn send_apply(&self, object: &InputObject, resource: &Resource) -> Result<Response> {
        let ApplyContext { session, options, .. } = self;
        let params =
            ApplyParams { write_options: &session.write_options, force: options.force_conflicts, dry_run: false };
        let request = Request::apply(resource, &object.namespace, object.name(), object.body()?, params);
        let mut response = session.send(&request, object).await?;
        let start = Instant::now();
        let may_succeed_later = |response: &Response| {
            response.refusal().is_some_and(|status| {
                let timeout = if status.is_schema_fault() { SCHEMA_UPDATE_TIMEOUT } else { ESTABLISH_TIMEOUT };
                (status.is_unknown_kind() || status.is_schema_fault()) && start.elapsed() < timeout
            })
        };
        while self.provided.provides_kind_of(object) && may_succeed_later(&response) && !session.should_stop() {
            tokio::time::sleep(CRD_POLL_INTERVAL).await;
            response = session.send(&request, object).await?;
        }
        Ok(response)
    }

    /// Finds the resource of an object. If the input contains its CustomResourceDefinition, waits until the server
    /// serves the kind.
    ///
    /// # Errors
    /// Fails if a discovery request fails, if the server does not serve the kind in time, or if the session should stop
    /// during the wait.
    pub(crate) async fn wait_for_resource(&self, object: &InputObject) -> Result<Resource> {
        let deadline = Instant::now() + ESTABLISH_TIMEOUT;
        loop {
            match self.session.find_resource(object).await? {
                Some(resource) => return Ok(resource),
                None if self.provided.provides_kind_of(object)
                    && Instant::now() < deadline
                    && !self.session.should_stop() =>
                {
                    self.session.discovery.remove(&object.api_version);
                    tokio::time::sleep(CRD_POLL_INTERVAL).await;
                }
                None => return Err(object.locate(unknown_kind_error(object))),
            }
        }
    }
}

/// Waits until a CustomResourceDefinition has the condition `Established`, or until the session should stop. Fails
/// after [`ESTABLISH_TIMEOUT`], or if the CustomResourceDefinition cannot be read.
async fn wait_until_established(session: &Session<'_>, object: &InputObject, resource: &Resource) -> Result<()> {
    let deadline = Instant::now() + ESTABLISH_TIMEOUT;
    loop {
        let live = session.get_live(object, resource, object.name()).await?.unwrap_or_default();
        let conditions = live["status"]["conditions"].as_array().into_iter().flatten();
        if conditions.into_iter().any(|c| c["type"] == "Established" && c["status"] == "True") {
            return Ok(());
        }
        let name = resource.qualified_name(object.name());
        let mut conditions = live["status"]["conditions"].as_array().into_iter().flatten();
        if let Some(refusal) = conditions.find(|c| c["type"] == "NamesAccepted" && c["status"] == "False") {
            let reason = refusal["reason"].as_str().unwrap_or("NamesAccepted is False");
            let message = format!("{name} was created, but another CustomResourceDefinition has its names ({reason})");
            let error = Error::new(ErrorKind::Cluster, message);
            return Err(object.locate(error.hint("choose other names in `spec.names`")));
        }
        if Instant::now() > deadline {
            let message = format!("{name} was created, but the API server does not serve it");
            return Err(
                object.locate(Error::new(ErrorKind::Timeout, message).hint("`kubectl describe` shows its conditions"))
            );
        }
        if session.should_stop() {
            return Ok(());
        }
        tokio::time::sleep(CRD_POLL_INTERVAL).await;
    }
}
