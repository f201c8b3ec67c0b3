//! Determines why a pod cannot start: a missing Secret, ConfigMap or key, or an image that cannot be pulled.

use serde_json::Value;

use crate::pods::{container_statuses, name_or_placeholder};

/// The reasons of waiting containers that only the user can resolve.
const PERMANENT_REASONS: [&str; 7] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImagePull",
    "ErrImageNeverPull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
];

/// Returns the reason why a pod cannot start, and a hint. Returns `None` if the pod may still start without a change by
/// the user.
pub(super) fn find_start_failure(pod: &Value) -> Option<(String, String)> {
    let find_permanent_reason =
        |status: &Value| PERMANENT_REASONS.into_iter().find(|reason| status["state"]["waiting"]["reason"] == *reason);
    let (status, reason) = container_statuses(pod).find_map(|status| Some((status, find_permanent_reason(status)?)))?;
    let namespace = name_or_placeholder(&pod["metadata"]["namespace"]);
    let message = status["state"]["waiting"]["message"].as_str().unwrap_or_default();
    let (container, pod) = (name_or_placeholder(&status["name"]), name_or_placeholder(&pod["metadata"]["name"]));
    let text = format!("container {container} of pod {pod} waits ({reason})");
    let (text, hint) = match parse_missing_reference(message) {
        Some(MissingReference { kind, name, key: None }) => (
            format!("{text}: {} {name} not found in namespace {namespace}", kind.as_str()),
            format!(
                "create it: kubectl create {} {name} -n {namespace} ...; the Job continues, and its pod starts once the {} exists",
                kind.kubectl_create_args(),
                kind.as_str()
            ),
        ),
        Some(MissingReference { kind, name, key: Some(key) }) => (
            format!("{text}: the {} {name} in namespace {namespace} has no key {key}", kind.as_str()),
            "add the key, or refer to an existing key; the Job continues, and its pod starts once the key exists"
                .to_owned(),
        ),
        None if reason.contains("Image") => {
            (text, "check the name of its image, and the permission to pull it; the Job continues".to_owned())
        }
        None => (text, "`kubectl describe pod` shows the events; the Job continues".to_owned()),
    };
    Some((text, hint))
}

#[derive(Clone, Copy)]
enum ReferencedKind {
    Secret,
    ConfigMap,
}

impl ReferencedKind {
    fn as_str(self) -> &'static str {
        match self {
            ReferencedKind::Secret => "Secret",
            ReferencedKind::ConfigMap => "ConfigMap",
        }
    }

    /// Returns the arguments with which `kubectl create` creates the kind.
    fn kubectl_create_args(self) -> &'static str {
        match self {
            ReferencedKind::Secret => "secret generic",
            ReferencedKind::ConfigMap => "configmap",
        }
    }
}

/// A reference from a container to a missing object, or to a missing key of an object.
struct MissingReference<'m> {
    kind: ReferencedKind,
    name: &'m str,
    key: Option<&'m str>,
}

/// Parses a kubelet's message, such as `secret "x" not found` or `couldn't find key k in Secret ns/x`. Returns `None`
/// for other messages, and for messages with an invalid name.
///
/// Source: kubernetes:pkg/kubelet/kubelet_pods.go, `makeEnvironmentVariables`.
fn parse_missing_reference(message: &str) -> Option<MissingReference<'_>> {
    let is_valid_name = |text: &str| {
        !text.is_empty() && text.len() <= 253 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    for (word, kind) in [("secret", ReferencedKind::Secret), ("configmap", ReferencedKind::ConfigMap)] {
        if let Some(rest) = message.strip_prefix(word).and_then(|rest| rest.strip_prefix(" \""))
            && let Some((name, "not found")) = rest.split_once("\" ")
            && is_valid_name(name)
        {
            return Some(MissingReference { kind, name, key: None });
        }
    }
    let rest = message.strip_prefix("couldn't find key ")?;
    for (separator, kind) in [(" in Secret ", ReferencedKind::Secret), (" in ConfigMap ", ReferencedKind::ConfigMap)] {
        if let Some((key, object)) = rest.split_once(separator) {
            let name = object.rsplit_once('/').map_or(object, |(_, name)| name);
            let has_valid_names = is_valid_name(key) && is_valid_name(name);
            return has_valid_names.then_some(MissingReference { kind, name, key: Some(key) });
        }
    }
    None
}
