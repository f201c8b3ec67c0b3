//! Decides which messages of the Kubernetes components are shown. Messages of the Job controller, the scheduler and the
//! kubelet are shown if their known form contains only names and quantities.

use serde_json::Value;

/// The maximum length of a message that is shown, in characters.
const MAX_MESSAGE_LEN: usize = 240;

/// The phrases of messages about rejected pods that quote no values of containers.
const SAFE_CREATION_PHRASES: [&str; 8] = [
    // k8s.io/apiserver: pkg/admission/plugin/resourcequota/controller.go
    "exceeded quota: ",
    "failed quota: ",
    // k8s.io/kubernetes: plugin/pkg/admission/limitranger/admission.go
    " usage per Container is ",
    " usage per Pod is ",
    " to request ratio per ",
    // k8s.io/kubernetes: plugin/pkg/admission/serviceaccount/admission.go
    "error looking up service account ",
    // k8s.io/kubernetes: plugin/pkg/admission/priority/admission.go
    "no PriorityClass with name ",
    // k8s.io/pod-security-admission: admission/admission.go
    "violates PodSecurity ",
];

/// Returns the string in `value` if it is printable. Cuts a long string.
pub(super) fn read_message(value: &Value) -> Option<String> {
    let text = value.as_str().map(str::trim).filter(|text| !text.is_empty())?;
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.char_indices().nth(MAX_MESSAGE_LEN) {
        Some((end, _)) => Some(format!("{}...", &text[..end])),
        None => Some(text.trim_end_matches('.').to_owned()),
    }
}

/// Describes why the Job controller cannot create a pod, from the message of an event `FailedCreate`. The message of a
/// webhook or policy may quote values and is not shown.
pub(super) fn describe_failed_creation(message: &str) -> String {
    let message = message.strip_prefix("Error creating: ").unwrap_or(message);
    // The name of the rejected pod changes with each attempt.
    let reason = match message.split_once(" is forbidden: ") {
        Some((object, reason)) if object.starts_with("pods ") => reason,
        _ => message,
    };
    let is_safe = SAFE_CREATION_PHRASES.iter().any(|phrase| reason.contains(phrase)) && !reason.contains("webhook");
    match read_message(&Value::from(reason)).filter(|_| is_safe) {
        Some(reason) => format!("cannot create its pod: {reason}"),
        None => "cannot create its pod: the API server rejects it".to_owned(),
    }
}

/// Returns the first sentence of the scheduler's message, such as `0/3 nodes are available: 3 Insufficient cpu`.
pub(super) fn read_scheduler_message(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let first = text.split(" preemption: ").next().unwrap_or(text);
    // k8s.io/kubernetes: pkg/scheduler/framework/types.go, `FitError`
    let is_known = first.contains(" nodes are available") || first.contains("no nodes available");
    is_known.then(|| read_message(&Value::from(first))).flatten()
}

/// Returns the first sentence of the kubelet's message about an eviction. Returns `None` for other messages.
pub(super) fn read_eviction_message(value: &Value) -> Option<String> {
    let first = value.as_str()?.split(". ").next()?;
    // k8s.io/kubernetes: pkg/kubelet/eviction/helpers.go
    let is_known =
        ["The node was low on resource: ", "Pod ephemeral local storage usage exceeds ", "Usage of EmptyDir "]
            .iter()
            .any(|start| first.starts_with(start))
            || first.starts_with("Container ") && first.contains(" exceeded its local ephemeral storage limit ");
    is_known.then(|| read_message(&Value::from(first))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_only_known_messages_about_rejected_pods() {
        for (message, expected) in [
            (
                "Error creating: pods \"etl-x7\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1",
                "cannot create its pod: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1",
            ),
            (
                "Error creating: pods \"etl-x7\" is forbidden: maximum memory usage per Container is 128Mi, but limit is 1Gi",
                "cannot create its pod: maximum memory usage per Container is 128Mi, but limit is 1Gi",
            ),
            (
                "Error creating: pods \"etl-x7\" is forbidden: error looking up service account ns/flows: serviceaccount \"flows\" not found",
                "cannot create its pod: error looking up service account ns/flows: serviceaccount \"flows\" not found",
            ),
            (
                "Error creating: admission webhook \"a.example.io\" denied the request: TOKEN is canary",
                "cannot create its pod: the API server rejects it",
            ),
            ("canary", "cannot create its pod: the API server rejects it"),
        ] {
            assert_eq!(describe_failed_creation(message), expected);
        }
    }

    #[test]
    fn shows_the_first_sentence_of_known_messages() {
        let message = Value::from(
            "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.",
        );
        assert_eq!(read_scheduler_message(&message).unwrap(), "0/3 nodes are available: 3 Insufficient cpu");
        let message = Value::from(
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 1Mi. Container flow was using 5Gi",
        );
        assert_eq!(read_eviction_message(&message).unwrap(), "The node was low on resource: memory");
        assert!(read_eviction_message(&Value::from("canary")).is_none());
        assert!(read_scheduler_message(&Value::from("canary")).is_none());
    }
}
