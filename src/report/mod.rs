//! What people read: errors, notes, diffs. Every text of an input goes through `mask` first.
//!
//! Takes data and gives text; decides nothing and writes to no stream itself.

mod diff;
mod foreign;
mod human;
mod mask;

pub use diff::unified;
pub use foreign::foreign;
pub use human::{error, note, printable, warning};
