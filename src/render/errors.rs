//! What can go wrong with inputs and temporary files.

use std::io;

use jobplate_diagnostic::{Error, describe_io_error};
use jobplate_yaml::StreamError;

/// A failed read of an input.
pub(super) fn read_error(name: &str, error: StreamError) -> Error {
    match error {
        StreamError::Io(error) => Error::input(format!("can't be read: {}", describe_io_error(&error))).in_file(name),
        StreamError::TooLarge(_) => Error::input("a document is too large").in_file(name),
    }
}

/// A failed read or write of a temporary file.
pub(super) fn spool_error(error: &io::Error) -> Error {
    Error::input(format!("the temporary file can't be used: {}", describe_io_error(error)))
        .hint("set TMPDIR to a folder that can be written to")
}

/// An input that is not what was planned any more.
pub(super) fn changed(name: &str) -> Error {
    Error::input("changed while it was read").in_file(name).hint("run again when nothing writes to it")
}

/// Where a document stops being UTF-8: the error, the document's offset, and what can be read of it.
pub(super) fn not_utf8(bytes: &[u8], valid: usize, offset: u64) -> (Error, u64, String) {
    // The whole document, so that the masker knows what the line belongs to.
    let readable = String::from_utf8_lossy(bytes).into_owned();
    let error = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Error::input("UTF-16 text, not UTF-8").hint("save the file as UTF-8"),
        _ => Error::input("a byte that is not UTF-8").hint("save the file as UTF-8"),
    };
    (error.at(valid..valid), offset, readable)
}
