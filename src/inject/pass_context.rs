//! What one pass of planning finds out for the next.

use super::checksum::ChangedConfigMaps;

/// What is known of all documents before the first of them is planned: what the pass before has found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassContext {
    /// Whether an agent or worker takes Prefect's settings, so that the job template it mounts needs none: it
    /// would put its own in their place. None as long as nobody has looked: texts in ConfigMaps wait for that.
    pub agent: Option<bool>,
    /// The ConfigMaps whose data change.
    pub changed: ChangedConfigMaps,
}
