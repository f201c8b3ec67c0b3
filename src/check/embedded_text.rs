//! Decides which strings may be manifests with containers, and how they are checked.

use jobplate_manifest::embedded;
use jobplate_prefect::chart_values::ChartValue;
use jobplate_prefect::template_keys;
use jobplate_yaml::{Node, PathCursor};

use super::subject::Embedding;

/// A string to check.
#[derive(Clone, Copy)]
pub(super) struct EmbeddedText<'a> {
    pub value: Node<'a>,
    pub embedding: Embedding,
    /// Whether the string is a template. Text that cannot be parsed is an error then.
    pub is_template: bool,
}

impl<'a> EmbeddedText<'a> {
    /// Describes a value of a ConfigMap.
    pub(super) fn from_config_map(key: Node<'a>, value: Node<'a>) -> Self {
        let is_job_template = template_keys::JOB_TEMPLATE.iter().any(|name| key.has_text(name));
        let embedding = if is_job_template { Embedding::JobTemplate } else { Embedding::Document };
        EmbeddedText { value, embedding, is_template: template_keys::is_template_key(&key.text().unwrap_or_default()) }
    }

    /// Describes a string in the values of a chart.
    pub(super) fn from_values(found: &ChartValue<'a>) -> Self {
        EmbeddedText { value: found.value, embedding: Embedding::Document, is_template: true }
    }
}

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
