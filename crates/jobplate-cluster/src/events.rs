//! Reports progress to the caller during a run.

use jobplate_diagnostic::Error;
use serde_json::Value;

use crate::object::InputObject;
use crate::report::ReportRow;

/// A handler that receives the events of a run as they happen. The default implementations ignore the events.
pub trait EventHandler {
    /// Receives one line for each request and each retry, for `-v`.
    fn on_request(&self, _text: &str) {}
    /// Receives a one-sentence note for the user.
    fn on_note(&self, _text: &str) {}
    /// Masks the sensitive values of `objects` in a server's message about them. Returns `None` if the message must not
    /// be shown.
    fn mask_message(&self, _objects: &[&Value], _text: &str) -> Option<String> {
        None
    }
    /// Receives a warning from the server about an object. `masked` is the result of [`EventHandler::mask_message`], or
    /// `None` if the live object is unknown. `text` may contain values.
    fn on_warning(&self, _object: &InputObject, _text: &str, _masked: Option<&str>) {}
    /// Receives the error for an object that could not be applied or compared, or for a Job that failed.
    fn on_failure(&self, _error: &Error) {}
    /// Receives the report row of an object, once, when the row is complete. The rows of objects that were not tried
    /// follow at the end of the run.
    fn on_finished(&self, _row: &ReportRow) {}
    /// Receives an object that the run has applied, as the server returned it. In a dry run, receives the object that
    /// the server would store. The object may contain secrets. Only called with
    /// [`ApplyOptions::show_live`](crate::ApplyOptions::show_live).
    fn on_live_object(&self, _object: &Value) {}
    /// Receives a line of a container's log.
    fn on_log_line(&self, _pod: &str, _container: &str, _line: &str) {}
    /// Receives the state of a Job that the run waits for, each time it changes. The state is `None` at the end of the
    /// wait for this Job.
    fn on_job_state(&self, _job: &str, _state: Option<&str>) {}
    /// Receives, at regular intervals, the names and states of the Jobs that the run still waits for. A state is empty
    /// if it is unknown.
    fn on_waiting(&self, _jobs: &[(String, &str)]) {}
}
