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
//! | `document_cache` | how long the masked ranges of a document are kept |
//! | `server_message` | which words of a server's warning are shown |
//! | `table` | how columns are aligned |

mod diff;
mod document_cache;
pub mod edits;
pub mod github;
mod human;
mod mask;
mod server_message;
mod table;

pub use diff::unified_diff;
pub use document_cache::DocumentCache;
pub use human::{escape_controls, escape_name, render_error, render_note, render_warning};
pub use table::format_table;
