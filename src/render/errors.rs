//! Errors about inputs and temporary files.

use std::io;

use jobplate_diagnostic::{Error, describe_io_error};
use jobplate_yaml::StreamError;

/// Returns the error for an input that cannot be read.
pub(crate) fn read_error(name: &str, error: StreamError) -> Error {
    match error {
        StreamError::Io(error) => Error::input(format!("cannot be read: {}", describe_io_error(&error))).in_file(name),
        StreamError::TooLarge(_) => Error::input("a document is too large").in_file(name),
    }
}

/// Returns the error for a temporary file that cannot be read or written.
pub(super) fn spool_error(error: &io::Error) -> Error {
    Error::input(format!("cannot use a temporary file: {}", describe_io_error(error)))
        .hint("set TMPDIR to a writable directory")
}

/// Returns the error for an input that has changed since it was planned.
pub(super) fn input_changed_error(name: &str) -> Error {
    Error::input("changed while it was read").in_file(name).hint("run again when no other program writes to it")
}

/// Returns the error for a document that is not valid UTF-8, with the document's offset and its text. `valid_length` is
/// the number of bytes before the first invalid byte.
pub(crate) fn not_utf8_error(bytes: &[u8], valid_length: usize, offset: u64) -> (Error, u64, String) {
    // The error gets the whole document, because the masker needs the lines around the error to find secrets.
    let lossy_text = String::from_utf8_lossy(bytes).into_owned();
    let error = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            Error::input("invalid UTF-8: the file is UTF-16").hint("save the file as UTF-8")
        }
        _ => Error::input("invalid UTF-8").hint("save the file as UTF-8"),
    };
    (error.at(valid_length..valid_length), offset, lossy_text)
}
