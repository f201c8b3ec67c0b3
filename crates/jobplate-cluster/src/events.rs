//! What a run reports while it goes on.

use jobplate_diagnostic::Error;

use crate::object::InputObject;
use crate::report::ReportRow;

/// Receives progress for people, as it happens.
pub trait EventHandler {
    /// A request or a repetition, for `-v`.
    fn on_request(&self, _text: &str) {}
    /// Something that the user should know.
    fn on_note(&self, _text: &str) {}
    /// What the server remarks about an object. It may hold values.
    fn on_warning(&self, _subject: &InputObject, _text: &str) {}
    /// An object could not be applied.
    fn on_failure(&self, _error: &Error) {}
    /// An object is finished.
    fn on_finished(&self, _row: &ReportRow) {}
    /// A line of a container's log.
    fn on_log_line(&self, _pod: &str, _container: &str, _line: &str) {}
    /// What is being waited for; replaces the message before it.
    fn on_progress(&self, _text: &str) {}
}
