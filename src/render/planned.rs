//! One input with its planned edits.

use super::log::EditLog;
use super::source::Source;

/// An input whose documents are planned.
pub(super) struct Planned {
    pub source: Source,
    pub log: EditLog,
    /// It ends in a block scalar without a line break: one more byte would change its value.
    pub ends_in_open_scalar: bool,
}

impl Planned {
    /// An input of which nothing is planned yet.
    pub(super) fn new(source: Source) -> Self {
        Planned { source, log: EditLog::new(), ends_in_open_scalar: false }
    }
}
