//! The versions of Prefect 1 whose agents create different Jobs.

/// A group of versions of Prefect 1 whose agents create the same Jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AgentVersion {
    /// 0.15.x
    V0_15,
    /// 1.3 and 1.4
    #[default]
    V1_4,
}
