//! Layout: how an edit looks in this document. Edits in, splices out.
//!
//! New text takes the document's own habits. Comments stay where they are. What can't be written safely is
//! refused. Whether the result means what was asked is not decided here but by `verify`.
//!
//! | file | decides |
//! |---|---|
//! | `changes` | which way of writing each change takes |
//! | `places` | where a node is, the style of its surroundings, where new lines go |
//! | `block` | lines of block collections: dashes, indentation, quotes, comments that go with an entry |
//! | `flow` | elements of flow collections: commas, spacing, quotes, one line or many |

mod block;
mod changes;
mod flow;
mod places;

pub(super) use changes::layout;
