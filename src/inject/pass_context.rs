//! The facts that one pass over the inputs finds and the next pass uses.

use super::checksum::ChangedConfigMaps;

/// Facts about all documents, found by the previous pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassContext {
    /// Whether an agent or worker gets Prefect's settings. If so, the job template that it mounts does not need them:
    /// the agent overrides them. `None` until a pass has looked for one; embedded documents are planned after that.
    pub agent_gets_settings: Option<bool>,
    /// The ConfigMaps whose data change.
    pub changed_config_maps: ChangedConfigMaps,
}
