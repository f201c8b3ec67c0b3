//! Renders errors, notes, diffs and edit reports as text. All text of an input goes through `mask` first.
//!
//! Returns strings and writes to no stream.
//!
//! | file | decides |
//! |---|---|
//! | `human` | the format of errors, warnings and notes on a terminal |
//! | `github` | the annotations and the step summary in GitHub Actions |
//! | `diff` | the format of a document's diff |
//! | `json` | the fields of a diagnostic in a report |
//! | `edits` | the fields of an edit report |
//! | `finding` | the place, the excerpt and the fingerprint of a finding in a report |
//! | `check_json` | the fields of a finding in JSON |
//! | `sarif` | the form of findings for code scanning |
//! | `gitlab` | the form of findings in a Code Quality report |
//! | `junit` | the form of findings as test cases |
//! | `rdjson` | the form of findings for reviewdog |
//! | `mask` | which values are masked in all outputs |
//! | `masked_object` | the form of a live object with masked values |
//! | `unparsed` | which parts of comments and of text that cannot be parsed are masked |
//! | `document_cache` | how long a document's masked ranges and lines are kept |
//! | `secret_values` | which parts of a server's message are masked, if the objects that it may quote are known |
//! | `server_message` | which words of a server's warning are shown, if they are not known |
//! | `table` | the alignment of columns |

pub mod check_json;
mod diff;
mod document_cache;
pub mod edits;
pub mod finding;
pub mod github;
pub mod gitlab;
mod human;
pub mod json;
pub mod junit;
mod mask;
mod masked_object;
pub mod rdjson;
pub mod sarif;
mod secret_values;
mod server_message;
mod table;
mod unparsed;

pub use diff::unified_diff;
pub use document_cache::DocumentCache;
pub use human::{
    escape_controls, escape_name, render_diagnostic, render_error, render_finding, render_hint, render_note,
    render_warning,
};
pub use mask::mask_value;
pub use masked_object::mask_object;
pub use secret_values::mask_server_message;
pub use table::format_table;
