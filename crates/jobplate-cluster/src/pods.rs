//! What is read of pods, and how often they are looked at.

use std::time::Duration;

use serde_json::Value;

/// How often Jobs and their pods are looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(500);

/// Iterates over the statuses of a pod's containers, init containers first.
pub(crate) fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .flat_map(|key| pod["status"][key].as_array().into_iter().flatten())
}

/// Returns the text of a name, or a question mark where there is none.
pub(crate) fn name_of(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}
