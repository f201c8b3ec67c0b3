//! What can go wrong, in one type: a kind, one sentence, a place in an input, a hint.

mod error;

pub use error::{Error, Kind, Place, Result, io_reason};
