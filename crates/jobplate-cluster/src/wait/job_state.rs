//! Determines from the JSON of a Job and its pods whether the Job is running or has ended.

use jiff::Timestamp;
use jobplate_diagnostic::ErrorKind;
use serde_json::Value;

use super::pod_start::find_start_failure;
use crate::pods::{container_statuses, name_or_placeholder};

/// The phrases of [`JobState::Running`] for states that may last forever.
pub(super) const SUSPENDED: &str = "suspended";
pub(super) const NO_POD: &str = "no pod yet";

/// The state of a Job.
pub(super) enum JobState {
    /// The Job has not ended. The phrase describes the Job's progress.
    Running(String),
    /// The Job has ended, or one of its pods cannot start. `failure` is the kind of failure with an optional hint, or
    /// `None` if the Job is complete.
    Ended { text: String, failure: Option<(ErrorKind, Option<String>)> },
}

/// Determines the state of a Job. If `advises_logs` is true, the hint for a failed Job suggests `--logs`.
pub(super) fn read_job_state(job: &Value, pods: &[Value], advises_logs: bool) -> JobState {
    let iter_conditions = || job["status"]["conditions"].as_array().into_iter().flatten();
    let find_condition =
        |kind: &str| iter_conditions().find(|condition| condition["type"] == kind && condition["status"] == "True");
    let to_failure =
        |text: String, hint: Option<String>| JobState::Ended { text, failure: Some((ErrorKind::JobFailed, hint)) };
    if find_condition("Complete").is_some() {
        return JobState::Ended { text: format!("complete{}", format_duration(job)), failure: None };
    }
    if let Some(condition) = find_condition("Failed") {
        let reason = parse_reason(&condition["reason"]).map(|reason| format!(" ({reason})")).unwrap_or_default();
        let last_failure = pods.iter().filter_map(describe_failed_container).next_back();
        let container = last_failure.map(|failure| format!(": {failure}")).unwrap_or_default();
        let hint = advises_logs.then(|| "pass --logs to see the logs of its pods".to_owned());
        return to_failure(format!("failed{reason}{container}"), hint);
    }
    if let Some((text, hint)) = pods.iter().find_map(find_start_failure) {
        return to_failure(text, hint);
    }
    if job["spec"]["suspend"] == true {
        return JobState::Running(SUSPENDED.to_owned());
    }
    let read_count = |key: &str| job["status"][key].as_u64().unwrap_or(0);
    let reason = pods.iter().find_map(pending_reason);
    let waiting_note = reason.map(|reason| format!(" (a pod waits: {reason})")).unwrap_or_default();
    JobState::Running(match (read_count("active"), read_count("failed")) {
        (0, 0) => NO_POD.to_owned(),
        (active, 0) => format!("{active} active{waiting_note}"),
        (active, failed) => format!("{active} active{waiting_note}, {failed} failed"),
    })
}

/// Returns the reason why a pod is not running yet. Returns `None` if the pod is not pending or its status has no
/// reason.
fn pending_reason(pod: &Value) -> Option<&str> {
    if pod["status"]["phase"] != "Pending" {
        return None;
    }
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let unscheduled =
        conditions.find(|condition| condition["type"] == "PodScheduled" && condition["status"] == "False");
    let find_container_reason =
        || container_statuses(pod).find_map(|status| parse_reason(&status["state"]["waiting"]["reason"]));
    unscheduled.and_then(|condition| parse_reason(&condition["reason"])).or_else(find_container_reason)
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

/// Describes the first container of a pod that ended with a non-zero exit code. Returns `None` if there is no such
/// container.
fn describe_failed_container(pod: &Value) -> Option<String> {
    let has_failed = |status: &&Value| status["state"]["terminated"]["exitCode"].as_i64().is_some_and(|code| code != 0);
    let status = container_statuses(pod).find(has_failed)?;
    let terminated = &status["state"]["terminated"];
    let reason = parse_reason(&terminated["reason"]).map(|reason| format!(" ({reason})")).unwrap_or_default();
    Some(format!(
        "container {} of pod {} ended with exit code {}{reason}",
        name_or_placeholder(&status["name"]),
        name_or_placeholder(&pod["metadata"]["name"]),
        terminated["exitCode"]
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Formats a state. The text of a failure ends with ` !`.
    fn format_state(job: Value, pods: &[Value]) -> String {
        match read_job_state(&job, pods, true) {
            JobState::Running(text) => format!("running: {text}"),
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
    fn ends_a_job_whose_pod_cannot_start() {
        for (message, expected) in [
            ("secret \"db\" not found", "Secret db not found in namespace ns"),
            ("configmap \"db\" not found", "ConfigMap db not found in namespace ns"),
            ("couldn't find key token in Secret ns/db", "the Secret db in namespace ns has no key token"),
            ("canary canary", "waits (CreateContainerConfigError)"),
            ("secret \"can ary\" not found", "waits (CreateContainerConfigError)"),
        ] {
            let state = format_state(json!({}), &[waiting_pod("CreateContainerConfigError", message)]);
            assert!(state.contains(expected) && state.ends_with('!') && !state.contains("ary"), "{state}");
        }
    }

    #[test]
    fn shows_why_a_pending_pod_waits() {
        let mut creating_pod = waiting_pod("ContainerCreating", "");
        let job = json!({"status": {"active": 1}});
        assert_eq!(format_state(job.clone(), &[creating_pod.clone()]), "running: 1 active");
        creating_pod["status"]["phase"] = json!("Pending");
        assert_eq!(format_state(job, &[creating_pod]), "running: 1 active (a pod waits: ContainerCreating)");
    }
}
