//! Reports progress to the caller during a run.

use jobplate_diagnostic::Error;

use crate::object::InputObject;
use crate::report::ReportRow;

/// Receives the events of a run as they happen. Every method does nothing unless it is implemented.
pub trait EventHandler {
    /// Called for each request and each retry, with one line for `-v`.
    fn on_request(&self, _text: &str) {}
    /// Called with a sentence that the user should know.
    fn on_note(&self, _text: &str) {}
    /// Called with a warning of the server about an object. The text may contain values of the object.
    fn on_warning(&self, _object: &InputObject, _text: &str) {}
    /// Called when an object could not be applied, or when a Job failed.
    fn on_failure(&self, _error: &Error) {}
    /// Called when an object is finished.
    fn on_finished(&self, _row: &ReportRow) {}
    /// Called with each line of a container's log.
    fn on_log_line(&self, _pod: &str, _container: &str, _line: &str) {}
    /// Called with the current state of a wait. Each text replaces the one before; an empty one removes it.
    fn on_progress(&self, _text: &str) {}
}
