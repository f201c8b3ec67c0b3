//! Copies an input to an output and applies the planned edits.

use std::io::{self, Read, Write};

use jobplate_diagnostic::{Error, Result, output_error};
use jobplate_yaml::StreamError;

use super::edit_log::EditRecord;
use super::errors::{input_changed_error, read_error};

/// A copier from an input to an output. The bytes between edited documents are copied unchanged.
pub(super) struct Copier<'a, R> {
    pub(super) reader: R,
    pub(super) out: &'a mut dyn Write,
    /// The number of bytes read from the input.
    pub(super) position: u64,
    pub(super) buffer: Vec<u8>,
}

/// An error that occurs while an input is copied.
pub(super) enum CopyError {
    /// The input cannot be read.
    Read(io::Error),
    /// The output cannot be written.
    Write(io::Error),
    /// The input is shorter than when it was planned.
    UnexpectedEnd,
}

impl CopyError {
    /// Converts the error to a diagnostic about the input named `name`.
    pub(super) fn into_error(self, name: &str) -> Error {
        match self {
            CopyError::Read(error) => read_error(name, StreamError::Io(error)),
            CopyError::Write(error) => output_error(&error),
            CopyError::UnexpectedEnd => input_changed_error(name),
        }
    }
}

impl<R: Read> Copier<'_, R> {
    /// Copies up to an offset of the input, or to its end if `offset` is `None`.
    pub(super) fn copy_until(&mut self, offset: Option<u64>) -> Result<(), CopyError> {
        let mut remaining = offset.map_or(u64::MAX, |offset| offset - self.position);
        while remaining > 0 {
            let max_count = self.buffer.len().min(usize::try_from(remaining).unwrap_or(usize::MAX));
            let count = match self.reader.read(&mut self.buffer[..max_count]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(CopyError::Read)?,
            };
            if count == 0 {
                return if offset.is_none() { Ok(()) } else { Err(CopyError::UnexpectedEnd) };
            }
            self.out.write_all(&self.buffer[..count]).map_err(CopyError::Write)?;
            self.position += count as u64;
            remaining -= count as u64;
        }
        Ok(())
    }

    /// Reads a document of `length` bytes without writing it.
    pub(super) fn read_document(&mut self, document: &mut Vec<u8>, length: usize) -> Result<(), CopyError> {
        document.resize(length, 0);
        self.position += length as u64;
        self.reader.read_exact(document).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => CopyError::UnexpectedEnd,
            _ => CopyError::Read(error),
        })
    }

    /// Writes a document with its record's splices applied.
    pub(super) fn write_edited(&mut self, document: &[u8], record: &EditRecord) -> Result<(), CopyError> {
        record.write_edited(document, self.out).map_err(CopyError::Write)
    }
}
