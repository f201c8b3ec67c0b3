//! YAML as bytes: split a stream into documents, find nodes with exact spans, plan splices, verify them.
//!
//! The pipeline of an edit is `scan` (text to tape) > [`Edit`]s > `layout` (splices) > `scan` again >
//! `verify`. Knows nothing of Kubernetes, files or flags.

mod admit;
mod de;
mod edit;
mod fallback;
mod inner;
mod layout;
mod scalar;
mod scan;
mod splice;
mod stream;
mod tree;
mod verify;

pub use admit::{NotAdmitted, admit};
pub use de::from_node;
pub use edit::{Change, Child, Edit, Value};
pub use fallback::{agree as witness_agrees, parse_with_granit, read};
pub use inner::Inner;
pub use layout::layout;
pub use scalar::{ScalarKind, quote_double, quote_name, resolve};
pub use scan::{StepBack, scan};
pub use splice::Splices;
pub use stream::{Chunk, Documents, StreamError};
pub use tree::{Document, Kind, Node, Tape};
pub use verify::{Mismatch, same, verify};
