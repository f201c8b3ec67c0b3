//! What can go wrong, in one type: a kind, one sentence, a place in an input, a hint.

mod error;
mod line_index;
mod message;
pub mod suggest;

pub use error::{Error, Kind, Place, Result, io_reason, write_error};
pub use line_index::LineIndex;
pub use message::{Message, ProgramName};
