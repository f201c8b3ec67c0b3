//! The options of an apply.

use std::time::Duration;

/// What to do about a live Job whose pod template differs (`--on-immutable`): pod templates of Jobs are immutable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnImmutable {
    /// Report an error.
    Fail,
    /// Delete the Job and create it again.
    Recreate {
        /// Whether a running Job may be deleted, too (`--recreate-running`).
        include_running: bool,
    },
    /// Leave the Job unchanged.
    Skip,
}

/// How to apply.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Send dry runs only (`--dry-run=server`).
    pub dry_run: bool,
    /// Dry-run every object before any is applied.
    pub preflight: bool,
    /// Overwrite conflicting fields owned by other field managers (`--force-conflicts`).
    pub force_conflicts: bool,
    /// Take over the ownership of the env entries that the documents list.
    pub take_over: bool,
    /// What to do about Jobs whose pod template differs.
    pub on_immutable: OnImmutable,
    /// Wait for the Jobs; `None` returns once everything is applied.
    pub wait: Option<WaitOptions>,
    /// The time limit for deletions and for Jobs that are waited for.
    pub timeout: Duration,
}

/// What to do while Jobs are waited for.
#[derive(Clone, Copy, Debug)]
pub struct WaitOptions {
    /// Follow the logs of the pods.
    pub follow_logs: bool,
}
