//! Copying an input to an output, stopping at the documents to be edited.

use std::io::{self, Read, Write};

use jobplate_diagnostic::{Error, Result, output_error};
use jobplate_yaml::StreamError;

use super::edit_log::EditRecord;
use super::errors::{changed, read_error};

/// Copies an input to an output, stopping at the documents to be edited.
pub(super) struct Copier<'a, R> {
    pub(super) reader: R,
    pub(super) out: &'a mut dyn Write,
    pub(super) position: u64,
    pub(super) buffer: Vec<u8>,
}

/// A failure while copying, told apart by side.
pub(super) enum CopyError {
    Read(io::Error),
    Write(io::Error),
    Short,
}

impl CopyError {
    pub(super) fn report(self, name: &str) -> Error {
        match self {
            CopyError::Read(error) => read_error(name, StreamError::Io(error)),
            CopyError::Write(error) => output_error(&error),
            CopyError::Short => changed(name),
        }
    }
}

impl<R: Read> Copier<'_, R> {
    /// Copies up to an offset, or to the end.
    pub(super) fn copy_until(&mut self, offset: Option<u64>) -> Result<(), CopyError> {
        let mut left = offset.map_or(u64::MAX, |offset| offset - self.position);
        while left > 0 {
            let most = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = match self.reader.read(&mut self.buffer[..most]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(CopyError::Read)?,
            };
            if count == 0 {
                return if offset.is_none() { Ok(()) } else { Err(CopyError::Short) };
            }
            self.out.write_all(&self.buffer[..count]).map_err(CopyError::Write)?;
            self.position += count as u64;
            left -= count as u64;
        }
        Ok(())
    }

    /// Reads a document without writing it.
    pub(super) fn read(&mut self, document: &mut Vec<u8>, length: usize) -> Result<(), CopyError> {
        document.resize(length, 0);
        self.position += length as u64;
        self.reader.read_exact(document).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => CopyError::Short,
            _ => CopyError::Read(error),
        })
    }

    pub(super) fn splice(&mut self, document: &[u8], record: &EditRecord) -> Result<(), CopyError> {
        record.write(document, self.out).map_err(CopyError::Write)
    }
}
