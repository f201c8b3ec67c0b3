//! An input with the planned edits of its documents.

use super::edit_log::EditLog;
use super::input_source::InputSource;

/// An input with its planned edits.
pub(super) struct PlannedInput {
    pub source: InputSource,
    pub log: EditLog,
    /// Whether the input ends in a block scalar without a line break. Joining another input to it would change the
    /// scalar's value.
    pub ends_in_open_scalar: bool,
}

impl PlannedInput {
    /// Creates an input without planned edits.
    pub(super) fn new(source: InputSource) -> Self {
        PlannedInput { source, log: EditLog::new(), ends_in_open_scalar: false }
    }
}
