//! What a run reports while it goes on.

use jobplate_diagnostic::Error;

use crate::object::Subject;
use crate::report::Row;

/// Receives progress for people, as it happens.
pub trait Events {
    /// A request or a repetition, for `-v`.
    fn verbose(&self, _text: &str) {}
    /// Something that the user should know.
    fn note(&self, _text: &str) {}
    /// What the server remarks about an object. It may hold values.
    fn warning(&self, _subject: &Subject, _text: &str) {}
    /// An object could not be applied.
    fn failed(&self, _error: &Error) {}
    /// An object is finished.
    fn finished(&self, _row: &Row) {}
    /// A line of a container's log.
    fn log(&self, _pod: &str, _container: &str, _line: &str) {}
    /// What is being waited for; replaces the message before it.
    fn waiting(&self, _text: &str) {}
}
