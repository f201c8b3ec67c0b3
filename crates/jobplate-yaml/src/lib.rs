//! YAML as bytes: split a stream into documents, find nodes with exact spans, edit, prove.
//!
//! Knows nothing of Kubernetes, files or flags.

mod admit;
mod de;
mod edit;
mod editor;
mod fallback;
mod inner;
mod kind;
mod layout;
mod scalar;
mod scan;
mod splice;
mod step_back;
mod stream;
mod tree;
mod verify;

pub use admit::{NotAdmitted, admit};
pub use de::from_node;
pub use edit::{Change, Child, Edit, Value};
pub use editor::{Edited, Editor};
pub use fallback::{parse_with_granit, read};
pub use inner::Inner;
pub use kind::Kind;
pub use scalar::{ScalarKind, quote_double, quote_name, resolve};
pub use scan::scan;
pub use step_back::StepBack;
pub use stream::{Chunk, Documents, StreamError};
pub use tree::{Document, Node, Tape};
