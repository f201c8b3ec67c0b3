//! One input with its planned edits.

use super::edit_log::EditLog;
use super::input_source::InputSource;

/// An input whose documents are planned.
pub(super) struct PlannedInput {
    pub source: InputSource,
    pub log: EditLog,
    /// It ends in a block scalar without a line break: one more byte would change its value.
    pub ends_in_open_scalar: bool,
}

impl PlannedInput {
    /// An input of which nothing is planned yet.
    pub(super) fn new(source: InputSource) -> Self {
        PlannedInput { source, log: EditLog::new(), ends_in_open_scalar: false }
    }
}
