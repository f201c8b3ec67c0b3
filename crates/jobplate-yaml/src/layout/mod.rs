//! Layout: writes edits as splices, in the style of the document.
//!
//! New text follows the surrounding style, and comments are kept in place. An edit that cannot be written safely is
//! refused. `verify` checks that the result means what was requested.
//!
//! | file | decides |
//! |---|---|
//! | `changes` | whether a change is written in block or flow style; the end of a document without a line break |
//! | `local_style` | the style around an edited node: indentation, dashes, line endings; where new lines are inserted |
//! | `block` | lines of block collections: dashes, indentation, quotes, the comments that belong to an entry |
//! | `flow` | children of flow collections: commas, spacing, quotes, one line or many |

mod block;
mod changes;
mod flow;
mod local_style;

pub(super) use changes::layout;
