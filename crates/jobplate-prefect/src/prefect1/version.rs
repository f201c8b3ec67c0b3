//! The versions of Prefect 1 whose agents differ in what they make.

/// A version of Prefect 1, as far as agents differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AgentVersion {
    /// 0.15.x
    V0_15,
    /// 1.3 and 1.4
    #[default]
    V1_4,
}
