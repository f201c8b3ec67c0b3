//! Polls one Job and its pods.

use std::cell::Cell;

use jobplate_diagnostic::ErrorKind;
use serde_json::Value;

use super::job_state::{JobState, read_job_state};
use crate::kinds::built_in_resource;
use crate::request::{Request, Resource};
use crate::session::Session;

/// A Job to wait for.
#[derive(Clone, Debug)]
pub(crate) struct AwaitedJob {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// Whether the server removes the Job some time after its end (`ttlSecondsAfterFinished`).
    pub has_ttl: bool,
}

impl AwaitedJob {
    /// Returns the Job's name in kubectl's format, such as `job.batch/etl`.
    pub(super) fn qualified_name(&self) -> String {
        format!("job.batch/{}", self.name)
    }
}

/// The result of polling one Job.
pub(super) struct JobPoll {
    pub index: usize,
    pub job: AwaitedJob,
    pub state: JobState,
    /// The live pods of the Job. Empty if they could not be listed.
    pub pods: Vec<Value>,
}

/// The state that all polls share.
pub(super) struct Poller<'p> {
    pub session: &'p Session<'p>,
    /// Whether the logs of the pods are followed. If not, the hint for a failed Job suggests `--logs`.
    pub follows_logs: bool,
    job_resource: Resource,
    pub pod_resource: Resource,
    /// Whether the user was warned that listing pods is forbidden. Concurrent polls share the flag.
    warned_forbidden: Cell<bool>,
}

impl<'p> Poller<'p> {
    /// Creates a poller. Returns `None` if the table of built-in kinds lacks Jobs or Pods.
    pub(super) fn new(session: &'p Session<'p>, follows_logs: bool) -> Option<Self> {
        let (job_resource, pod_resource) = (built_in_resource("batch/v1", "Job")?, built_in_resource("v1", "Pod")?);
        Some(Poller { session, follows_logs, job_resource, pod_resource, warned_forbidden: Cell::new(false) })
    }

    /// Reads a Job and its pods. A Job counts as ended if it cannot be read, or if its name now belongs to a Job with
    /// another uid.
    pub(super) async fn poll(&self, index: usize, job: AwaitedJob) -> JobPoll {
        let end_poll = |job, text: String, kind, hint: Option<&str>| {
            let failure = Some((kind, hint.map(str::to_owned)));
            JobPoll { index, job, state: JobState::Ended { text, failure }, pods: Vec::new() }
        };
        let response = match self.session.try_send(&Request::get(&self.job_resource, &job.namespace, &job.name)).await {
            Ok(response) => response,
            Err(error) => {
                let text = format!("can no longer be watched: {}", error.reason);
                return end_poll(job, text, ErrorKind::Cluster, Some("it continues"));
            }
        };
        let live: Value = match response.refusal() {
            None => serde_json::from_slice(&response.body).unwrap_or_default(),
            Some(status) if status.has_code(404) => {
                let (text, hint) = match job.has_ttl {
                    true => ("was deleted before its end was observed", Some("raise its TTL")),
                    false => ("was deleted before it ended", None),
                };
                return end_poll(job, text.to_owned(), ErrorKind::JobFailed, hint);
            }
            Some(status) => {
                let text = format!("cannot be watched: the API server responded with {}", status.code.as_u16());
                let hint = "grant the verb `get` on jobs and `list` on pods";
                return end_poll(job, text, ErrorKind::Cluster, Some(hint));
            }
        };
        if live["metadata"]["uid"].as_str() != Some(job.uid.as_str()) {
            let text = "was deleted and created again by another client".to_owned();
            return end_poll(job, text, ErrorKind::JobFailed, None);
        }
        let pods = self.list_pods(&job).await.unwrap_or_else(|| {
            self.warn_forbidden(&job.namespace);
            Vec::new()
        });
        let state = read_job_state(&live, &pods, !self.follows_logs);
        JobPoll { index, job, state, pods }
    }

    /// Lists the pods of a Job. Returns `None` if the user may not list pods, and an empty list if the request fails
    /// for another reason.
    async fn list_pods(&self, job: &AwaitedJob) -> Option<Vec<Value>> {
        // All versions of Kubernetes set this label. Versions before 1.27 do not set `batch.kubernetes.io/job-name`.
        let request = Request::list(&self.pod_resource, &job.namespace, &format!("job-name={}", job.name));
        let Ok(response) = self.session.try_send(&request).await else { return Some(Vec::new()) };
        if let Some(status) = response.refusal() {
            return (!status.has_code(403)).then(Vec::new);
        }
        let list: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let is_owned = |pod: &Value| {
            let owners = pod["metadata"]["ownerReferences"].as_array().into_iter().flatten();
            owners.into_iter().any(|owner| owner["uid"] == job.uid.as_str())
        };
        Some(list["items"].as_array().into_iter().flatten().filter(|pod| is_owned(pod)).cloned().collect())
    }

    /// Reports, once for all Jobs, that the user may not list pods.
    fn warn_forbidden(&self, namespace: &str) {
        if !self.warned_forbidden.replace(true) {
            self.session.events.on_note(&format!(
                "you are not allowed to list pods in namespace {namespace}, so the reason why a pod does not start is not shown; bind a Role with this rule: {{apiGroups: [\"\"], resources: [pods], verbs: [list]}}"
            ));
        }
    }
}
