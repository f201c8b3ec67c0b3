//! What a caller can ask of an apply.

use std::time::Duration;

/// What to do about a live Job whose pod template differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnImmutable {
    /// Say so.
    Fail,
    /// Delete it and make it anew; a running one only if that is wanted, too.
    Recreate {
        /// `--recreate-running`
        include_running: bool,
    },
    /// Leave it as it is.
    Skip,
}

/// How to apply.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Only try (`--dry-run=server`).
    pub dry_run: bool,
    /// Try everything first.
    pub preflight: bool,
    /// Take fields from whoever owns them (`--force-conflicts`).
    pub force_conflicts: bool,
    /// Take over the env entries that documents name.
    pub take_over: bool,
    /// What to do about Jobs that can't be changed.
    pub on_immutable: OnImmutable,
    /// Wait for the Jobs, if at all.
    pub wait: Option<WaitOptions>,
    /// How long deletions, and Jobs that are waited for, may take.
    pub timeout: Duration,
}

/// What waiting brings along.
#[derive(Clone, Copy, Debug)]
pub struct WaitOptions {
    /// Follow the logs of the pods.
    pub follow_logs: bool,
}
