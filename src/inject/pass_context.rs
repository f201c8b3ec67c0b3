//! The facts that one pass over the inputs finds and the next pass uses.

use super::checksum::ChangedConfigMaps;

/// Facts about all documents, found by the previous pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassContext {
    /// Whether an agent or worker gets Prefect's settings. If so, the job template that it mounts does not need the
    /// settings, because the agent sets them itself. `None` until a pass has searched all documents for an agent.
    /// Embedded documents are planned only after that pass.
    pub agent_gets_settings: Option<bool>,
    /// The ConfigMaps whose data change.
    pub changed_config_maps: ChangedConfigMaps,
}
