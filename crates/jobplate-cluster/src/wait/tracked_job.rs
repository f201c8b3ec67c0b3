//! Tracks one Job during the wait: its live object, its pods, and why it cannot create pods.

use std::time::{Duration, Instant};

use jobplate_diagnostic::ErrorKind;
use serde_json::Value;

use super::awaited_job::AwaitedJob;
use super::job_state::{JobState, read_job_state};
use super::messages::describe_failed_creation;
use super::watch::{Update, WatchedKind};
use crate::options::WaitGoal;

/// The time for the deletion of a Job to arrive in a watch after a list without the Job. The deletion contains the last
/// state of the Job.
const DELETION_TIMEOUT: Duration = Duration::from_secs(3);

/// The progress of a Job since the last check.
pub(super) enum JobProgress {
    /// The state has not changed.
    Pending,
    /// The state has changed, and the Job has not ended.
    Changed,
    /// The Job has ended, and the final state of its pods is required.
    NeedsPods,
    /// The wait for the Job has ended. `failure` is like that of [`JobState::Ended`].
    Ended { text: String, failure: Option<Failure> },
}

/// The kind of a failure, and a hint.
type Failure = (ErrorKind, Option<String>);

/// A Job of which the wait tracks the state.
pub(super) struct TrackedJob {
    /// The index that the caller passed with the Job.
    pub index: usize,
    pub job: AwaitedJob,
    goal: WaitGoal,
    live: Option<Value>,
    pods: Vec<Value>,
    /// The reason why the Job controller cannot create a pod, from an event.
    creation_failure: Option<String>,
    /// The state text that was last reported. Empty if the Job was not seen yet.
    state_text: String,
    /// The hint for a Job that does not end in time.
    hint: String,
    /// The start of the period in which a pod has been unable to start.
    blocked_since: Option<Instant>,
    /// The time of a list without the Job.
    missing_since: Option<Instant>,
    /// Whether the final state of the pods was requested, and whether it was read.
    requested_pods: bool,
    read_pods: bool,
    /// Whether an update was applied since the last check.
    is_updated: bool,
    /// The end of a Job that was deleted or cannot be watched, with the failure, if it is one.
    lost: Option<(String, Option<Failure>)>,
}

impl TrackedJob {
    pub(super) fn new(index: usize, job: AwaitedJob, goal: WaitGoal) -> Self {
        TrackedJob {
            index,
            job,
            goal,
            live: None,
            pods: Vec::new(),
            creation_failure: None,
            state_text: String::new(),
            hint: "it continues; raise --timeout to wait longer".to_owned(),
            blocked_since: None,
            missing_since: None,
            requested_pods: false,
            read_pods: false,
            is_updated: false,
            lost: None,
        }
    }

    /// Returns the pods of the Job that were seen and exist, or have failed.
    pub(super) fn pods(&self) -> &[Value] {
        &self.pods
    }

    /// Returns the last known state. Empty if the Job was not seen yet.
    pub(super) fn state_text(&self) -> &str {
        &self.state_text
    }

    /// Returns the hint for a Job that does not end in time.
    pub(super) fn hint(&self) -> &str {
        &self.hint
    }

    /// Applies an update. Ignores updates about other Jobs. Returns whether the update may concern this Job.
    pub(super) fn apply(&mut self, update: &Update) -> bool {
        match update {
            Update::Listed { kind: WatchedKind::Job, namespace, objects } if self.job.namespace == **namespace => {
                match objects.iter().find(|object| self.is_job(object)) {
                    Some(object) => self.set_live(object),
                    None => drop(self.missing_since.get_or_insert_with(Instant::now)),
                }
            }
            Update::Listed { kind: WatchedKind::Pod, namespace, objects } if self.job.namespace == **namespace => {
                self.pods = objects.iter().filter(|pod| self.owns(pod)).cloned().collect();
            }
            Update::Listed { kind: WatchedKind::Event, objects, .. } => {
                let events = objects.iter().filter(|event| is_about(event, &self.job.uid));
                events.for_each(|event| self.creation_failure = read_failure(event));
            }
            Update::FinalPods { job_uid, objects } if *job_uid == self.job.uid => {
                self.read_pods = true;
                if let Some(objects) = objects {
                    self.pods = objects.iter().filter(|pod| self.owns(pod)).cloned().collect();
                }
            }
            Update::Changed { kind: WatchedKind::Job, object } if self.is_job(object) => self.set_live(object),
            Update::Deleted { kind: WatchedKind::Job, object } if self.is_job(object) => {
                self.set_live(object);
                self.set_deleted("was deleted before it ended", None);
            }
            Update::Changed { kind: WatchedKind::Pod, object } if self.owns(object) => self.set_pod(object),
            // A failed pod explains the failure of the Job even if it was deleted.
            Update::Deleted { kind: WatchedKind::Pod, object } if self.owns(object) => {
                match object["status"]["phase"] == "Failed" {
                    true => self.set_pod(object),
                    false => self.pods.retain(|pod| pod["metadata"]["uid"] != object["metadata"]["uid"]),
                }
            }
            Update::Changed { kind: WatchedKind::Event, object } if is_about(object, &self.job.uid) => {
                self.creation_failure = read_failure(object);
            }
            Update::Lost { namespace, text, hint } if self.job.namespace == **namespace => {
                self.lost = Some((text.clone(), Some((ErrorKind::Cluster, Some(hint.clone())))));
            }
            _ => return false,
        }
        self.is_updated = true;
        true
    }

    /// Determines the progress since the last call. A pod may be unable to start for `start_timeout`.
    pub(super) fn progress(&mut self, follows_logs: bool, start_timeout: Duration) -> JobProgress {
        // The state of a Job without an update changes only with time.
        let is_timed = self.blocked_since.is_some() || self.missing_since.is_some();
        if !std::mem::take(&mut self.is_updated) && !is_timed {
            return JobProgress::Pending;
        }
        let state = match &self.live {
            Some(live) => {
                let state = read_job_state(live, &self.pods, self.creation_failure.as_deref(), !follows_logs);
                Some(if self.goal == WaitGoal::Deleted { state.until_deletion() } else { state })
            }
            None => None,
        };
        if self.missing_since.is_some_and(|since| since.elapsed() > DELETION_TIMEOUT) {
            let hint = self.job.has_ttl.then(|| "raise its TTL, or grant the verb `watch` on jobs".to_owned());
            self.set_deleted("was deleted before its end was observed", hint);
        }
        match (state, self.lost.take()) {
            (Some(JobState::Ended { text, failure }), _) => {
                let lacks_pod = failure.is_some() && !self.pods.iter().any(|pod| pod["status"]["phase"] == "Failed");
                if !self.read_pods && (follows_logs || lacks_pod) {
                    let is_first = !std::mem::replace(&mut self.requested_pods, true);
                    return if is_first { JobProgress::NeedsPods } else { JobProgress::Pending };
                }
                match (self.goal, failure.is_some()) {
                    (WaitGoal::Failed, true) => JobProgress::Ended { text, failure: None },
                    (WaitGoal::Failed, false) => {
                        let text = format!("did not fail: {text}");
                        JobProgress::Ended { text, failure: Some((ErrorKind::JobFailed, None)) }
                    }
                    _ => JobProgress::Ended { text, failure },
                }
            }
            (_, Some((text, failure))) => JobProgress::Ended { text, failure },
            (Some(JobState::Blocked { text, hint }), None) => {
                let since = *self.blocked_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= start_timeout {
                    return JobProgress::Ended {
                        text: format!("cannot start: {text}"),
                        failure: Some((ErrorKind::JobFailed, Some(hint))),
                    };
                }
                self.set_state(text, hint)
            }
            (Some(JobState::Running { text, hint }), None) => {
                self.blocked_since = None;
                self.set_state(text, hint)
            }
            (None, None) => JobProgress::Pending,
        }
    }

    fn set_state(&mut self, text: String, hint: String) -> JobProgress {
        self.hint = hint;
        if self.state_text == text {
            return JobProgress::Pending;
        }
        self.state_text = text;
        JobProgress::Changed
    }

    fn set_live(&mut self, object: &Value) {
        self.live = Some(object.clone());
        self.missing_since = None;
    }

    fn set_deleted(&mut self, text: &str, hint: Option<String>) {
        let is_goal = self.goal == WaitGoal::Deleted;
        let text = if is_goal { "was deleted" } else { text };
        self.lost.get_or_insert((text.to_owned(), (!is_goal).then_some((ErrorKind::JobFailed, hint))));
    }

    fn set_pod(&mut self, object: &Value) {
        match self.pods.iter_mut().find(|pod| pod["metadata"]["uid"] == object["metadata"]["uid"]) {
            Some(pod) => *pod = object.clone(),
            None => self.pods.push(object.clone()),
        }
    }

    fn is_job(&self, object: &Value) -> bool {
        object["metadata"]["uid"] == self.job.uid.as_str()
    }

    fn owns(&self, pod: &Value) -> bool {
        let mut owners = pod["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        owners.any(|owner| owner["uid"] == self.job.uid.as_str())
    }
}

/// Returns whether an event reports that the controller cannot create a pod of the Job with a uid.
fn is_about(event: &Value, uid: &str) -> bool {
    event["involvedObject"]["uid"] == uid && event["reason"] == "FailedCreate"
}

fn read_failure(event: &Value) -> Option<String> {
    Some(describe_failed_creation(event["message"].as_str().unwrap_or_default()))
}
