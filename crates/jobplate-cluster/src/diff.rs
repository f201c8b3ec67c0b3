//! Compares each live object with the result of a dry run, to show the changes that an apply would make.

use futures::stream::{FuturesOrdered, StreamExt};
use jobplate_diagnostic::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::deletion::Deletion;
use crate::document::Document;
use crate::errors::conflict::may_be_resolved_by_take_over;
use crate::errors::describe::unknown_kind_error;
use crate::errors::status::RefusedRequest;
use crate::events::EventHandler;
use crate::immutable::{self, ImmutableJob, JobComparison, full_quota_error};
use crate::inventory::{Inventory, InventoryEntry, ProvidedResources, read_inventory};
use crate::job_fields::copy_controller_fields;
use crate::live::without_server_fields;
use crate::managed_fields;
use crate::object::InputObject;
use crate::refusal::explain_refusal;
use crate::request::{ApplyParams, Request, Resource, Verb, qualified_name};
use crate::runtime::block_on;
use crate::session::{Session, SessionOptions};

/// An object as YAML, before and after an apply.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The object's name in kubectl's format, such as `job.batch/etl`.
    pub object: String,
    /// The path of the object's input file, as given by the user.
    pub file: String,
    /// The live object. Empty if the object does not exist.
    pub before: String,
    /// The object after an apply.
    pub after: String,
    /// Whether the object is a Job whose immutable fields differ. An apply then requires `--on-immutable`.
    pub immutable: bool,
}

/// Compares the objects in the documents with the live objects, and calls `visit` with each [`Difference`] in input
/// order. `force` and `take_over` correspond to `--force-conflicts` and `--take-over`.
///
/// Failures of single objects are passed to [`EventHandler::on_failure`], with the errors that an apply would report.
/// Returns the kind of the first failure, or `None` if no object failed.
///
/// # Errors
/// Fails if a document or the kubeconfig is invalid, if the server cannot be reached, if the user presses Ctrl-C, or
/// with the first error of `visit`.
pub fn diff(
    documents: impl IntoIterator<Item = Result<Document>>,
    options: &SessionOptions,
    force: bool,
    take_over: bool,
    events: &dyn EventHandler,
    mut visit: impl FnMut(&Difference) -> Result<()>,
) -> Result<Option<ErrorKind>> {
    block_on(async {
        let session = Session::open(options, events).await?;
        let Inventory { entries, provided } = read_inventory(documents, &session.namespaces)?;
        let mut failure = None;
        let mut record = |comparison: Result<Difference>| match comparison {
            Ok(difference) => visit(&difference),
            // An error without a location is about the connection, so it ends the diff instead of being reported for
            // each object.
            Err(error) if error.location().is_none() => Err(error),
            Err(error) => {
                failure.get_or_insert(error.kind());
                events.on_failure(&error);
                Ok(())
            }
        };
        let comparer = Comparer { session: &session, provided: &provided, force, take_over };
        let mut comparisons = FuturesOrdered::new();
        for entry in &entries {
            while comparisons.len() >= session.concurrency {
                let next = session.cancellation.run_until_cancelled(comparisons.next()).await;
                if let Some(comparison) = next.ok_or_else(interrupted_error)? {
                    record(comparison)?;
                }
            }
            comparisons.push_back(comparer.compare(entry));
        }
        while let Some(comparison) =
            session.cancellation.run_until_cancelled(comparisons.next()).await.ok_or_else(interrupted_error)?
        {
            record(comparison)?;
        }
        Ok(failure)
    })
}

fn interrupted_error() -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted; nothing was changed")
}

/// Compares objects with the server.
struct Comparer<'a> {
    session: &'a Session<'a>,
    provided: &'a ProvidedResources,
    force: bool,
    take_over: bool,
}

impl Comparer<'_> {
    async fn compare(&self, entry: &InventoryEntry) -> Result<Difference> {
        let object = &*entry.object;
        let Some(resource) = self.session.find_resource(object).await? else {
            // An unknown kind is an error unless the input contains its CustomResourceDefinition.
            return match self.provided.provides_kind_of(object) {
                true => {
                    let name = qualified_name(object.group(), &object.kind, object.name());
                    Ok(build_difference(name, object, None, object.json()?, false))
                }
                false => Err(object.locate(unknown_kind_error(object))),
            };
        };
        let name = resource.qualified_name(object.name());
        if object.uses_generate_name {
            let new = self.dry_run_generated(object, &resource).await?;
            return Ok(build_difference(name, object, None, new, false));
        }
        let live = self.session.get_live(object, &resource, object.name()).await?;
        let build_request = |body, force| {
            let params = ApplyParams { write_options: &self.session.write_options, force, dry_run: true };
            Request::apply(&resource, &object.namespace, object.name(), body, params)
        };
        let request = build_request(object.body()?, self.force);
        let send = async || self.session.send(&request, object).await;
        let (response, job) = immutable::send_apply(self.session, object, &resource, send).await?;
        let Some(status) = response.refusal() else {
            check_deletion(live.as_ref(), object, &resource)?;
            let after = complete_dry_run(response.parse_object(object)?, object, live.is_none());
            return Ok(build_difference(name, object, live, after, false));
        };
        if let Some(ImmutableJob { live, comparison }) = job {
            check_deletion(Some(&live), object, &resource)?;
            let JobComparison { new, fields } =
                comparison.map_err(|quota| full_quota_error(object, &resource, &quota))?;
            let after = if fields.is_empty() { live.clone() } else { new };
            return Ok(build_difference(name, object, Some(live), after, true));
        }
        let entries = &*object.take_over_entries;
        if self.take_over && !entries.is_empty() && may_be_resolved_by_take_over(&status, entries) {
            let response = self.session.send(&build_request(object.take_over_dry_run_body()?, true), object).await?;
            if response.refusal().is_none() {
                let after = complete_dry_run(response.parse_object(object)?, object, live.is_none());
                return Ok(build_difference(name, object, live, after, false));
            }
        }
        // The object's namespace or another requirement does not exist yet, but the input provides it, so an apply
        // would create the object.
        if live.is_none() && status.has_code(404) && self.provided.satisfies_any(&entry.requirements) {
            return Ok(build_difference(name, object, None, object.json()?, false));
        }
        Err(explain_refusal(self.session, object, &resource, &status, self.take_over).await)
    }

    /// Dry-runs the creation of an object with `generateName`. The result has no name, since the real creation
    /// generates a different name.
    async fn dry_run_generated(&self, object: &InputObject, resource: &Resource) -> Result<Value> {
        let write_options = &self.session.write_options;
        let request = Request::create(resource, &object.namespace, object.body()?, write_options, true);
        let response = self.session.send(&request, object).await?;
        if let Some(status) = response.refusal() {
            return Err(self
                .session
                .refusal_error(&RefusedRequest::new(object, resource, Verb::Create), &status)
                .await);
        }
        let mut new = response.parse_object(object)?;
        if let Some(metadata) = new["metadata"].as_object_mut() {
            metadata.remove("name");
        }
        if object.is_job() {
            copy_controller_fields(&mut new, None);
        }
        Ok(new)
    }
}

/// Fails if the live object is being deleted.
fn check_deletion(live: Option<&Value>, object: &InputObject, resource: &Resource) -> Result<()> {
    live.and_then(Deletion::of).map_or(Ok(()), |deletion| Err(deletion.to_error(object, resource)))
}

fn build_difference(
    name: String,
    object: &InputObject,
    before: Option<Value>,
    after: Value,
    immutable: bool,
) -> Difference {
    Difference {
        object: name,
        file: object.file().to_owned(),
        before: before.map(to_yaml).unwrap_or_default(),
        after: to_yaml(after),
        immutable,
    }
}

/// Completes the result of a dry run: removes the env entries that `--unset` names and, from a new Job, the fields that
/// the server generates for the Job controller.
fn complete_dry_run(mut after: Value, object: &InputObject, is_new: bool) -> Value {
    if !object.take_over_entries.is_empty() {
        managed_fields::remove_unset_entries(&mut after, &object.json_or_null(), &object.take_over_entries);
    }
    if is_new && object.is_job() {
        copy_controller_fields(&mut after, None);
    }
    after
}

fn to_yaml(object: Value) -> String {
    serde_yaml::to_string(&without_server_fields(object)).unwrap_or_default()
}
