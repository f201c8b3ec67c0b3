//! What people and programs read: errors, notes, diffs, edits. Every text of an input goes through `mask` first.
//!
//! Takes data and gives text; decides nothing and writes to no stream itself.

mod diff;
pub mod edits;
mod foreign;
pub mod github;
mod human;
mod mask;
mod table;

pub use diff::unified;
pub use foreign::foreign;
pub use human::{error, name, note, printable, warning};
pub use table::table;
