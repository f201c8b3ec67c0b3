//! An input that can be read more than once: a regular file, or a spool that keeps the bytes of a pipe, a device or
//! standard input.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jobplate_diagnostic::{Error, Result, describe_io_error, display_path};
use tempfile::SpooledTempFile;

use super::errors::input_changed_error;

/// The maximum size, in bytes, of a spool in memory. A larger spool is moved to a temporary file.
const MAX_MEMORY_SIZE: usize = 4 * 1024 * 1024;

/// An input that can be read more than once, with its name for messages.
pub struct InputSource {
    name: String,
    data: SourceData,
}

/// The location of an input's bytes.
enum SourceData {
    File {
        /// The open file. `None` after [`InputSource::close`].
        file: Option<File>,
        path: PathBuf,
        version: FileVersion,
    },
    Spool(SpooledTempFile),
}

/// The part of a file's metadata that changes when the file is written to or replaced.
#[derive(Clone, PartialEq, Eq)]
struct FileVersion {
    length: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

impl FileVersion {
    fn from_metadata(metadata: &Metadata) -> Self {
        FileVersion { length: metadata.len(), modified: metadata.modified().ok(), inode: inode(metadata) }
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_metadata: &Metadata) -> u64 {
    0
}

impl InputSource {
    /// Opens a file. Reads a pipe or device to its end and keeps its bytes.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be opened or read, if it is a directory, or if the temporary file cannot be written.
    pub fn open(path: &Path) -> Result<Self> {
        let name = display_path(path);
        let to_error =
            |error: io::Error| Error::input(format!("cannot be read: {}", describe_io_error(&error))).in_file(&name);
        let file = File::open(path).map_err(to_error)?;
        let metadata = file.metadata().map_err(to_error)?;
        if metadata.is_dir() {
            return Err(Error::input("is a directory").in_file(&name));
        }
        if metadata.is_file() {
            let version = FileVersion::from_metadata(&metadata);
            return Ok(InputSource {
                name,
                data: SourceData::File { file: Some(file), path: path.to_owned(), version },
            });
        }
        InputSource::spool(name, file)
    }

    /// Reads an input to its end and keeps its bytes.
    ///
    /// # Errors
    ///
    /// Fails if the input cannot be read, or if the temporary file cannot be written.
    pub fn spool(name: String, mut reader: impl Read) -> Result<Self> {
        let mut spool = SpooledTempFile::new(MAX_MEMORY_SIZE);
        io::copy(&mut reader, &mut spool).map_err(|error| {
            Error::input(format!("cannot be read or copied to a temporary file: {}", describe_io_error(&error)))
                .in_file(&name)
                .hint("set TMPDIR: input of more than 4 MiB from a pipe is stored there")
        })?;
        Ok(InputSource { name, data: SourceData::Spool(spool) })
    }

    /// Returns the path of a regular file. Returns `None` for a spool.
    pub fn path(&self) -> Option<&Path> {
        match &self.data {
            SourceData::File { path, .. } => Some(path),
            SourceData::Spool(_) => None,
        }
    }

    /// Returns the name of the input. Standard input is `-`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Closes the file until the next read, to stay below the limit of open files. A spool is kept open.
    pub fn close(&mut self) {
        if let SourceData::File { file, .. } = &mut self.data {
            *file = None;
        }
    }

    /// Returns a reader that starts at the first byte.
    ///
    /// A file is read only up to its length when it was opened, because the output may be appended to the same file.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be opened or read again, or has changed.
    pub fn read_from_start(&mut self) -> Result<Box<dyn Read + '_>> {
        let name = &self.name;
        let to_error = |error: io::Error| {
            Error::input(format!("cannot be read again: {}", describe_io_error(&error))).in_file(name)
        };
        match &mut self.data {
            SourceData::Spool(spool) => {
                spool.rewind().map_err(to_error)?;
                Ok(Box::new(spool))
            }
            SourceData::File { file, path, version } => {
                let open = match file.take() {
                    Some(mut open) => {
                        open.rewind().map_err(to_error)?;
                        open
                    }
                    None => {
                        let open = File::open(path).map_err(to_error)?;
                        if FileVersion::from_metadata(&open.metadata().map_err(to_error)?) != *version {
                            return Err(input_changed_error(name));
                        }
                        open
                    }
                };
                Ok(Box::new(file.insert(open).take(version.length)))
            }
        }
    }

    /// Returns the 1-based line numbers of the bytes at some offsets, which must be sorted.
    pub(super) fn lines_at(&mut self, offsets: &[u64]) -> Result<Vec<usize>> {
        let mut reader = BufReader::new(self.read_from_start()?);
        let (mut line, mut position) = (1, 0);
        let mut lines = Vec::with_capacity(offsets.len());
        for &offset in offsets {
            while position < offset {
                let block = reader.fill_buf().unwrap_or_default();
                if block.is_empty() {
                    break;
                }
                let length = usize::try_from(offset - position).unwrap_or(usize::MAX).min(block.len());
                line += memchr::memchr_iter(b'\n', &block[..length]).count();
                reader.consume(length);
                position += length as u64;
            }
            lines.push(line);
        }
        Ok(lines)
    }

    /// Fails if the file has been written to or replaced since it was opened.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        let SourceData::File { file, version, .. } = &self.data else { return Ok(()) };
        let is_unchanged =
            |file: &File| file.metadata().is_ok_and(|metadata| FileVersion::from_metadata(&metadata) == *version);
        if !file.as_ref().is_none_or(is_unchanged) {
            return Err(input_changed_error(&self.name));
        }
        self.change_detector().check_unchanged()
    }

    /// Returns a detector of changes to the file that does not borrow this source.
    pub(super) fn change_detector(&self) -> ChangeDetector {
        let file = match &self.data {
            SourceData::File { path, version, .. } => Some((path.clone(), version.clone())),
            SourceData::Spool(_) => None,
        };
        ChangeDetector { name: self.name.clone(), file }
    }
}

/// A detector that checks whether a file has been written to or replaced since it was opened.
pub(super) struct ChangeDetector {
    name: String,
    file: Option<(PathBuf, FileVersion)>,
}

impl ChangeDetector {
    /// Fails if the file has been written to or replaced.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        match &self.file {
            Some((path, version))
                if !path.metadata().is_ok_and(|metadata| FileVersion::from_metadata(&metadata) == *version) =>
            {
                Err(input_changed_error(&self.name))
            }
            _ => Ok(()),
        }
    }
}
