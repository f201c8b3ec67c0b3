//! Reports progress to the caller during a run.

use jobplate_diagnostic::Error;

use crate::object::InputObject;
use crate::report::ReportRow;

/// Receives the events of a run as they happen. Every method does nothing unless it is implemented.
pub trait EventHandler {
    /// Receives one line for each request and each retry, for `-v`.
    fn on_request(&self, _text: &str) {}
    /// Receives a sentence that the user should know.
    fn on_note(&self, _text: &str) {}
    /// Receives a warning of the server about an object. The text may contain values of the object.
    fn on_warning(&self, _object: &InputObject, _text: &str) {}
    /// Receives the error if an object could not be applied, or if a Job failed.
    fn on_failure(&self, _error: &Error) {}
    /// Receives the row of a finished object.
    fn on_finished(&self, _row: &ReportRow) {}
    /// Receives a line of a container's log.
    fn on_log_line(&self, _pod: &str, _container: &str, _line: &str) {}
    /// Receives the current state of a wait. Each text replaces the one before; an empty one removes it.
    fn on_progress(&self, _text: &str) {}
}
