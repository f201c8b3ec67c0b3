//! An input with the planned edits of its documents.

use super::edit_log::LogSection;
use super::input_source::InputSource;

/// An input with its planned edits.
pub(super) struct PlannedInput {
    pub source: InputSource,
    /// The input's records in the edit log.
    pub log_section: LogSection,
    /// Whether the input ends in a block scalar without a line break. Joining another input to it would change the
    /// scalar's value.
    pub ends_in_open_scalar: bool,
    /// The number of objects that are targets.
    pub targets: usize,
}
