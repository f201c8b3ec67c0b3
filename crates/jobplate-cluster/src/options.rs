//! The options of an apply.

use std::time::Duration;

use crate::object::InputObject;

/// The action for a live Job whose immutable fields differ from the manifest's (`--on-immutable`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnImmutable {
    /// Report an error.
    Fail,
    /// Delete the Job and create it again.
    Recreate {
        /// Whether a running Job may also be deleted (`--recreate-running`).
        include_running: bool,
    },
    /// Leave the Job unchanged.
    Skip,
}

/// The options of an apply.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Send dry runs only (`--dry-run=server`).
    pub dry_run: bool,
    /// Dry-run every object before any object is applied.
    pub preflight: bool,
    /// Overwrite conflicting fields owned by other field managers (`--force-conflicts`).
    pub force_conflicts: bool,
    /// Take over the ownership of the env entries that the documents list (`--take-over`).
    pub take_over: bool,
    /// The action for Jobs whose immutable fields differ.
    pub on_immutable: OnImmutable,
    /// Pass the live objects to [`EventHandler::on_live_object`](crate::EventHandler::on_live_object) (`--show-live`).
    pub show_live: bool,
    /// Wait for the Jobs. With `None`, the apply returns once all objects are applied.
    pub wait: Option<WaitOptions>,
    /// The time limit for the deletion of a Job, and for the wait for all Jobs.
    pub timeout: Duration,
}

impl ApplyOptions {
    /// Returns whether running Jobs may be deleted if the object is a Job that may be recreated, otherwise `None`.
    pub(crate) fn recreation_of(&self, object: &InputObject) -> Option<bool> {
        match self.on_immutable {
            OnImmutable::Recreate { include_running } if object.is_job() => Some(include_running),
            _ => None,
        }
    }
}

/// The state of a Job that ends the wait with success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitGoal {
    /// The Job is complete.
    #[default]
    Complete,
    /// The Job has failed.
    Failed,
    /// The Job does not exist, whether it was complete or not.
    Deleted,
}

/// The options of the wait for Jobs.
#[derive(Clone, Copy, Debug)]
pub struct WaitOptions {
    /// The state to wait for (`--for`).
    pub goal: WaitGoal,
    /// Follow the logs of the pods.
    pub follow_logs: bool,
    /// The time for which a pod may be unable to start, for example because a Secret is missing (`--start-timeout`).
    pub start_timeout: Duration,
    /// The time between two calls of [`EventHandler::on_waiting`](crate::EventHandler::on_waiting).
    pub summary_interval: Duration,
}
