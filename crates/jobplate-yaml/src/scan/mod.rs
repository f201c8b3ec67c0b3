//! The scanner: one document's bytes to a tape of nodes with exact spans, at the speed of reading.
//!
//! It understands a large part of YAML and proves what it accepts: where it is not sure that go-yaml,
//! libyaml and YAML 1.2 readers see the same nodes, it steps back with a place and a reason, and the
//! fallback parser is asked. It never guesses and never repairs. docs/editing.md lists what it accepts.
//!
//! A node that a line promised (`key:` or `-` with nothing behind) is a *slot* that a later line fills.
//! No recursion, no allocation per node.
//!
//! | file | decides |
//! |---|---|
//! | `block` | which collections a line ends or begins, and where a plain scalar ends |
//! | `flow` | what follows what inside of brackets |
//! | `scalar` | where quoted and block scalars end, and which escapes are accepted |
//! | `scanner` | which anchors, tags and aliases are accepted; depth and length limits |
//! | `bytes` | how bytes are searched for |

mod block;
mod bytes;
mod flow;
mod scalar;
mod scanner;

pub(super) use block::block_scalar_span;
pub use block::scan;
