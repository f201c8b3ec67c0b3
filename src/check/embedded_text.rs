//! Decides which values of a ConfigMap may be manifests with containers.

use jobplate_manifest::embedded;
use jobplate_yaml::{Node, PathCursor};

/// Returns the keys on the path to a node, such as `data.job_template.yaml`.
pub(super) fn key_path<'a>(cursor: &mut PathCursor<'a>, node: Node<'a>) -> String {
    let keys: Vec<_> = cursor.steps_to(node).iter().filter_map(|step| step.key?.text()).collect();
    keys.join(".")
}

/// Returns whether the value of a ConfigMap may contain objects with containers. An escape may hide a keyword.
pub(super) fn may_hold_objects(value: Node<'_>) -> bool {
    embedded::can_hold_document(value)
        && value.tag().is_none_or(|tag| tag == "!!str")
        && (mentions_objects(value.raw()) || value.raw().contains('\\'))
}

/// Returns whether a string contains a keyword of an object with containers, or an escape that may hide one.
pub(super) fn mentions_objects(text: &str) -> bool {
    ["ontainers", "job_configuration", "\\u", "\\x"].iter().any(|keyword| text.contains(keyword))
}
