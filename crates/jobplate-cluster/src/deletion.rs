//! Recognizes objects that are being deleted, reports what delays the deletion, and waits until they are gone.

use std::time::{Duration, Instant};

use jobplate_diagnostic::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::object::InputObject;
use crate::request::Resource;
use crate::session::Session;

/// The pause between two polls of an object that is being deleted.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The deletion of a live object. The server removes the object when it has no more finalizers.
#[derive(Debug)]
pub(crate) struct Deletion {
    /// The names of the finalizers.
    pub finalizers: Vec<String>,
}

impl Deletion {
    /// Returns the deletion of a live object, or `None` if the object is not being deleted.
    pub(crate) fn of(live: &Value) -> Option<Self> {
        let metadata = &live["metadata"];
        metadata["deletionTimestamp"].as_str()?;
        let finalizers = metadata["finalizers"].as_array().into_iter().flatten();
        Some(Deletion { finalizers: finalizers.filter_map(|name| name.as_str().map(str::to_owned)).collect() })
    }

    /// Returns the error for an object that cannot be applied because it is being deleted.
    pub(crate) fn to_error(&self, object: &InputObject, resource: &Resource) -> Error {
        let name = resource.qualified_name(object.name());
        let message = match self.describe_finalizers() {
            Some(finalizers) => format!("{name} is being deleted; it has {finalizers}"),
            None => format!("{name} is being deleted"),
        };
        object.locate(Error::new(ErrorKind::Cluster, message).hint(match object.is_job() {
            true => "run again after it is deleted, or pass --on-immutable=recreate to wait and create it again",
            false => "run again after it is deleted",
        }))
    }

    fn describe_finalizers(&self) -> Option<String> {
        match self.finalizers.as_slice() {
            [] => None,
            [finalizer] => Some(format!("the finalizer {finalizer}")),
            finalizers => Some(format!("the finalizers {}", finalizers.join(", "))),
        }
    }
}

/// Waits until the server has removed the live object `live`, also if the user cancels the run.
///
/// # Errors
/// Fails if a request fails, or if the deadline passes.
pub(crate) async fn wait_until_deleted(
    session: &Session<'_>,
    object: &InputObject,
    resource: &Resource,
    live: &Value,
    deadline: Instant,
) -> Result<()> {
    let mut finalizers = None;
    loop {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let get = session.get_live(object, resource, object.name());
        match tokio::time::timeout(remaining + POLL_INTERVAL, get)
            .await
            .map_err(|_| timeout_error(finalizers.as_ref()))??
        {
            Some(current) if current["metadata"]["uid"] == live["metadata"]["uid"] => {
                finalizers = Deletion::of(&current).and_then(|deletion| deletion.describe_finalizers());
            }
            _ => return Ok(()),
        }
        if Instant::now() > deadline {
            return Err(timeout_error(finalizers.as_ref()));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn timeout_error(finalizers: Option<&String>) -> Error {
    let finalizers = finalizers.map(|names| format!("; it has {names}")).unwrap_or_default();
    let error = Error::new(ErrorKind::Timeout, format!("timed out waiting for its deletion{finalizers}"));
    error.hint("check its pods with `kubectl get pods`; run again after it is deleted, or raise --timeout")
}
