//! The scanner: finds the nodes of a document, with exact spans, in one pass.
//!
//! The scanner supports a large part of YAML. If go-yaml, libyaml and YAML 1.2 readers may see different nodes, it
//! rejects the document with a position and a reason, and the fallback parser is used. The scanner never guesses and
//! never repairs. docs/editing.md lists what it supports.
//!
//! A `key:` or `-` without a node on its line leaves a *slot*, which a later line fills. The scanner is not recursive,
//! and does not allocate memory for each node.
//!
//! | file | decides |
//! |---|---|
//! | `block` | which block collections a line ends or begins |
//! | `plain` | where a plain scalar in block context ends |
//! | `flow` | which tokens may follow each other in a flow collection |
//! | `quoted` | where a quoted scalar ends, and which escapes are supported |
//! | `block_scalar` | where a block scalar ends, and the column of its content |
//! | `scanner` | which anchors, tags and aliases are supported; depth and length limits |
//! | `bytes` | how bytes are searched for |

mod block;
mod block_scalar;
mod bytes;
mod flow;
mod plain;
mod quoted;
mod scanner;

pub use block::scan;
pub(super) use block_scalar::block_scalar_span;
pub(super) use flow::{LEADING_COLON, MULTILINE_KEY, QUESTION_MARK};
pub(super) use quoted::check_escapes;
