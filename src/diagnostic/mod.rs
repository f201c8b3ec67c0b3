//! What people and programs read: errors, notes, diffs, edits. Every text of an input goes through `mask` first.
//!
//! Takes data and gives text; writes to no stream itself.
//!
//! | file | decides |
//! |---|---|
//! | `human` | how an error, a warning and a note look on a terminal |
//! | `github` | the texts of annotations and of the step summary in GitHub Actions |
//! | `diff` | how a diff of a document looks |
//! | `edits` | what a report of edits holds |
//! | `mask` | how sensitive values are masked in every output, and what else is: comments, text that no parser reads |
//! | `shown` | how long the masked ranges of a document are kept |
//! | `foreign` | which words of a server's warning are shown |
//! | `table` | how columns are aligned |

mod diff;
pub mod edits;
mod foreign;
pub mod github;
mod human;
mod mask;
mod shown;
mod table;

pub use diff::unified;
pub use human::{error, name, note, printable, warning};
pub use shown::Documents;
pub use table::table;
