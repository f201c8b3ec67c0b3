//! Which kinds of runs of Prefect a command line describes.

/// The run of Prefect that a command line describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DescribedRun {
    /// Whether a flag for Prefect 1, such as `--agent` or `--run-config`, is set.
    pub is_prefect1: bool,
    /// Whether `--scenario` is set, which may be for any generation.
    pub has_scenario: bool,
}
