//! Reads the status of pods, for waits and for logs.

use std::time::Duration;

use serde_json::Value;

/// The pause before the log of a container is resumed.
pub(crate) const RESUME_PAUSE: Duration = Duration::from_millis(500);

/// Iterates over a pod's container statuses, init containers first.
pub(crate) fn container_statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .flat_map(|key| pod["status"][key].as_array().into_iter().flatten())
}

/// Returns the name in `value`, or `?` if `value` is not a string.
pub(crate) fn name_or_placeholder(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}
