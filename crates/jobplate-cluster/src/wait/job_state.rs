//! Determines from the JSON of a Job and its pods whether the Job is running or has ended.

use jiff::Timestamp;
use jobplate_diagnostic::ErrorKind;
use serde_json::Value;

use super::messages::{read_eviction_message, read_message, read_scheduler_message};
use super::pod_start::find_start_failure;
use crate::pods::{container_statuses, name_or_placeholder};

/// The state of a Job.
pub(super) enum JobState {
    /// The Job has not ended. The phrase describes the Job's progress, and the hint is for a Job that does not end.
    Running { text: String, hint: String },
    /// A pod cannot start without a change by the user or another program.
    Blocked { text: String, hint: String },
    /// The Job has ended. `failure` is the kind of failure with an optional hint, or `None` if the Job is complete.
    Ended { text: String, failure: Option<(ErrorKind, Option<String>)> },
}

impl JobState {
    /// Returns the state for a wait that only ends with the deletion of the Job.
    pub(super) fn until_deletion(self) -> Self {
        match self {
            JobState::Running { .. } => self,
            JobState::Blocked { text, hint } => JobState::Running { text, hint },
            JobState::Ended { text, .. } => {
                JobState::Running { text, hint: "delete it, or raise --timeout to wait longer".to_owned() }
            }
        }
    }
}

/// Determines the state of a Job. `creation_failure` is the reason why its pods cannot be created, if any. If
/// `advises_logs` is true, the hint for a failed Job suggests `--logs`.
pub(super) fn read_job_state(
    job: &Value,
    pods: &[Value],
    creation_failure: Option<&str>,
    advises_logs: bool,
) -> JobState {
    let iter_conditions = || job["status"]["conditions"].as_array().into_iter().flatten();
    let find_condition =
        |kind: &str| iter_conditions().find(|condition| condition["type"] == kind && condition["status"] == "True");
    if find_condition("Complete").is_some() {
        return JobState::Ended { text: format!("complete{}", format_duration(job)), failure: None };
    }
    if let Some(condition) = find_condition("Failed") {
        let text = format!("failed{}", describe_failure(job, condition, pods));
        let hint = advises_logs.then(|| "pass --logs to see the logs of its pods".to_owned());
        return JobState::Ended { text, failure: Some((ErrorKind::JobFailed, hint)) };
    }
    if let Some((text, hint)) = pods.iter().find_map(find_start_failure) {
        return JobState::Blocked { text, hint };
    }
    read_running_state(job, pods, creation_failure)
}

/// Determines the state of a Job that has not ended and is not blocked.
fn read_running_state(job: &Value, pods: &[Value], creation_failure: Option<&str>) -> JobState {
    let running = |text: String, hint: &str| JobState::Running { text, hint: hint.to_owned() };
    if job["spec"]["suspend"] == true {
        return running("suspended".to_owned(), "set its `suspend` to false to run it");
    }
    let read_count = |key: &str| job["status"][key].as_u64().unwrap_or(0);
    let (active, failed) = (read_count("active"), read_count("failed"));
    if active == 0
        && let Some(reason) = creation_failure
    {
        return running(reason.to_owned(), "`kubectl describe job` shows its events; the Job continues");
    }
    let has_ended = |pod: &Value| pod["status"]["phase"] == "Succeeded" || pod["status"]["phase"] == "Failed";
    if active == 0 && !pods.is_empty() && pods.iter().all(has_ended) {
        return running("its pods have ended".to_owned(), "it continues; raise --timeout to wait longer");
    }
    if (active, failed) == (0, 0) {
        return running("no pod yet".to_owned(), "`kubectl describe job` shows the reason");
    }
    let failed_note = if failed == 0 { String::new() } else { format!(", {failed} failed") };
    let pending = pods.iter().find_map(describe_pending_pod);
    let pending_note = pending.map(|reason| format!(", {reason}")).unwrap_or_default();
    running(format!("{active} active{failed_note}{pending_note}"), "it continues; raise --timeout to wait longer")
}

/// Describes why a Job has failed, from its condition and its pods.
fn describe_failure(job: &Value, condition: &Value, pods: &[Value]) -> String {
    let reason = parse_reason(&condition["reason"]);
    let reason_note = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    // k8s.io/kubernetes: pkg/controller/job/job_controller.go, pod_failure_policy.go
    let detail = match reason {
        Some("DeadlineExceeded") => job["spec"]["activeDeadlineSeconds"]
            .as_u64()
            .map(|seconds| format!("it was active for longer than its deadline of {seconds} s")),
        Some("PodFailurePolicy") => {
            read_message(&condition["message"]).filter(|message| message.contains(" rule at index "))
        }
        _ => None,
    };
    let detail = detail.or_else(|| pods.iter().rev().find_map(describe_failed_pod));
    reason_note + &detail.map(|detail| format!(": {detail}")).unwrap_or_default()
}

/// Describes why a pod is not running yet. Returns `None` if the pod is not pending or its status has no reason.
fn describe_pending_pod(pod: &Value) -> Option<String> {
    if pod["status"]["phase"] != "Pending" {
        return None;
    }
    let name = name_or_placeholder(&pod["metadata"]["name"]);
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let unscheduled =
        conditions.find(|condition| condition["type"] == "PodScheduled" && condition["status"] == "False");
    if let Some(condition) = unscheduled {
        let message = read_scheduler_message(&condition["message"]);
        return Some(match (message, parse_reason(&condition["reason"])) {
            (Some(message), _) => format!("pod {name} cannot be scheduled: {message}"),
            (None, Some(reason)) => format!("pod {name} waits ({reason})"),
            (None, None) => format!("pod {name} waits for a node"),
        });
    }
    let reason = container_statuses(pod).find_map(|status| parse_reason(&status["state"]["waiting"]["reason"]))?;
    Some(format!("pod {name} waits ({reason})"))
}

/// Returns a reason that is a single word, the format of reasons in Kubernetes. Returns `None` for other strings, which
/// may quote values.
fn parse_reason(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty() && text.len() <= 60 && text.bytes().all(|b| b.is_ascii_alphabetic()))
}

/// Returns ` after N s`, or an empty string if the status lacks the start or completion time.
fn format_duration(job: &Value) -> String {
    let parse_time = |key: &str| job["status"][key].as_str()?.parse::<Timestamp>().ok();
    match (parse_time("startTime"), parse_time("completionTime")) {
        (Some(from), Some(to)) => format!(" after {} s", to.as_second() - from.as_second()),
        _ => String::new(),
    }
}

/// Describes why a pod has failed: its eviction, or its first container that ended with a non-zero exit code. Returns
/// `None` if there is neither.
fn describe_failed_pod(pod: &Value) -> Option<String> {
    let pod_name = name_or_placeholder(&pod["metadata"]["name"]);
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let disruption =
        conditions.find(|condition| condition["type"] == "DisruptionTarget" && condition["status"] == "True");
    if pod["status"]["reason"] == "Evicted" {
        let message = read_eviction_message(&pod["status"]["message"]);
        return Some(format!(
            "pod {pod_name} was evicted{}",
            message.map(|message| format!(": {message}")).unwrap_or_default()
        ));
    }
    if let Some(reason) = disruption.and_then(|condition| parse_reason(&condition["reason"])) {
        return Some(format!("pod {pod_name} was disrupted ({reason})"));
    }
    let has_failed = |status: &&Value| status["state"]["terminated"]["exitCode"].as_i64().is_some_and(|code| code != 0);
    let status = container_statuses(pod).find(has_failed)?;
    let terminated = &status["state"]["terminated"];
    let reason = parse_reason(&terminated["reason"]).map(|reason| format!(" ({reason})")).unwrap_or_default();
    Some(format!(
        "container {} of pod {pod_name} ended with exit code {}{reason}",
        name_or_placeholder(&status["name"]),
        terminated["exitCode"]
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Formats a state. The text of a failure ends with ` !`.
    fn format_state(job: Value, pods: &[Value]) -> String {
        match read_job_state(&job, pods, None, true) {
            JobState::Running { text, .. } => format!("running: {text}"),
            JobState::Blocked { text, .. } => format!("blocked: {text}"),
            JobState::Ended { text, failure } => format!("ended: {text}{}", if failure.is_some() { " !" } else { "" }),
        }
    }

    fn waiting_pod(reason: &str, message: &str) -> Value {
        json!({"metadata": {"name": "etl-x", "namespace": "ns"}, "status": {"containerStatuses": [
            {"name": "flow", "state": {"waiting": {"reason": reason, "message": message}}}]}})
    }

    #[test]
    fn reads_how_a_job_ended_without_quoting_messages() {
        let with_condition = |kind: &str, reason: &str| {
            json!({"status": {"startTime": "2026-01-01T00:00:00Z",
            "completionTime": "2026-01-01T00:00:07Z", "conditions": [{"type": kind, "status": "True", "reason": reason}]}})
        };
        let failed_pod = json!({"metadata": {"name": "etl-x"}, "status": {"containerStatuses": [
            {"name": "flow", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": "canary"}}}]}});
        assert_eq!(format_state(with_condition("Complete", ""), &[]), "ended: complete after 7 s");
        assert_eq!(
            format_state(with_condition("Failed", "BackoffLimitExceeded"), &[failed_pod]),
            "ended: failed (BackoffLimitExceeded): container flow of pod etl-x ended with exit code 137 (OOMKilled) !"
        );
        assert_eq!(format_state(with_condition("Failed", "can ary"), &[]), "ended: failed !");
        assert_eq!(format_state(with_condition("FailureTarget", ""), &[]), "running: no pod yet");
        assert_eq!(format_state(json!({"spec": {"suspend": true}}), &[]), "running: suspended");
    }

    #[test]
    fn reports_a_pod_that_cannot_start() {
        for (message, expected) in [
            ("secret \"db\" not found", "Secret db not found in namespace ns"),
            ("configmap \"db\" not found", "ConfigMap db not found in namespace ns"),
            ("couldn't find key token in Secret ns/db", "the Secret db in namespace ns has no key token"),
            ("canary canary", "waits (CreateContainerConfigError)"),
            ("secret \"can ary\" not found", "waits (CreateContainerConfigError)"),
        ] {
            let state = format_state(json!({}), &[waiting_pod("CreateContainerConfigError", message)]);
            assert!(state.starts_with("blocked: ") && state.contains(expected) && !state.contains("ary"), "{state}");
        }
    }

    #[test]
    fn shows_why_a_pending_pod_waits() {
        let mut creating_pod = waiting_pod("ContainerCreating", "");
        let job = json!({"status": {"active": 1}});
        assert_eq!(format_state(job.clone(), &[creating_pod.clone()]), "running: 1 active");
        creating_pod["status"]["phase"] = json!("Pending");
        assert_eq!(
            format_state(job.clone(), &[creating_pod.clone()]),
            "running: 1 active, pod etl-x waits (ContainerCreating)"
        );
        creating_pod["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/3 nodes are available: 3 Insufficient cpu."}]);
        assert_eq!(
            format_state(job, &[creating_pod]),
            "running: 1 active, pod etl-x cannot be scheduled: 0/3 nodes are available: 3 Insufficient cpu"
        );
    }

    #[test]
    fn explains_failures_without_a_failed_container() {
        let failed = |reason: &str, message: &str| {
            json!({"spec": {"activeDeadlineSeconds": 5}, "status": {"conditions":
                [{"type": "Failed", "status": "True", "reason": reason, "message": message}]}})
        };
        let evicted_pod = json!({"metadata": {"name": "etl-x"}, "status": {"phase": "Failed", "reason": "Evicted",
            "message": "The node was low on resource: memory. Container flow was using 5Gi, canary"}});
        let disrupted_pod = json!({"metadata": {"name": "etl-x"}, "status": {"phase": "Failed", "conditions":
            [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]}});
        for (job, pod, expected) in [
            (
                failed("BackoffLimitExceeded", ""),
                &evicted_pod,
                "failed (BackoffLimitExceeded): pod etl-x was evicted: The node was low on resource: memory",
            ),
            (
                failed("BackoffLimitExceeded", ""),
                &disrupted_pod,
                "failed (BackoffLimitExceeded): pod etl-x was disrupted (PreemptionByScheduler)",
            ),
            (
                failed("DeadlineExceeded", "canary"),
                &Value::Null,
                "failed (DeadlineExceeded): it was active for longer than its deadline of 5 s",
            ),
            (
                failed(
                    "PodFailurePolicy",
                    "Container flow for pod ns/etl-x failed with exit code 42 matching FailJob rule at index 0",
                ),
                &Value::Null,
                "failed (PodFailurePolicy): Container flow for pod ns/etl-x failed with exit code 42 matching FailJob rule at index 0",
            ),
        ] {
            assert_eq!(format_state(job, std::slice::from_ref(pod)), format!("ended: {expected} !"));
        }
    }

    #[test]
    fn shows_why_no_pod_can_be_created() {
        let read = |job: Value| match read_job_state(&job, &[], Some("cannot create its pod: no"), true) {
            JobState::Running { text, .. } => text,
            _ => "another state".to_owned(),
        };
        assert_eq!(read(json!({})), "cannot create its pod: no");
        assert_eq!(read(json!({"status": {"active": 1}})), "1 active");
    }
}
