//! One input: a regular file that is opened once, or anything else, spooled. Both can be read twice.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jobplate_diagnostic::{Error, Result, describe_io_error};
use tempfile::SpooledTempFile;

use super::errors::changed;

/// What is kept in memory of an input that is no regular file.
const IN_MEMORY: usize = 4 * 1024 * 1024;

/// An input, with the name that the user knows it by.
pub struct InputSource {
    name: String,
    data: SourceData,
}

enum SourceData {
    /// The handle is let go where there are many inputs, and the same file opened again.
    File {
        file: Option<File>,
        path: PathBuf,
        version: FileVersion,
    },
    Spool(SpooledTempFile),
}

/// What changes when a file is written to or replaced.
#[derive(Clone, PartialEq, Eq)]
struct FileVersion {
    length: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

impl FileVersion {
    fn of(metadata: &Metadata) -> Self {
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
    /// Opens a file. A pipe or device is read to its end.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be opened or read, or is a directory.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let fail =
            |error: io::Error| Error::input(format!("can't be opened: {}", describe_io_error(&error))).in_file(&name);
        let file = File::open(path).map_err(fail)?;
        let metadata = file.metadata().map_err(fail)?;
        if metadata.is_dir() {
            return Err(Error::input("is a directory").in_file(&name));
        }
        if metadata.is_file() {
            let version = FileVersion::of(&metadata);
            return Ok(InputSource {
                name,
                data: SourceData::File { file: Some(file), path: path.to_owned(), version },
            });
        }
        InputSource::spool(name, file)
    }

    /// Reads something to its end.
    ///
    /// # Errors
    ///
    /// Fails if the reader fails, or if the temporary file cannot be written.
    pub fn spool(name: String, mut reader: impl Read) -> Result<Self> {
        let mut spool = SpooledTempFile::new(IN_MEMORY);
        io::copy(&mut reader, &mut spool).map_err(|error| {
            Error::input(format!("can't be read, or not be kept in a temporary file: {}", describe_io_error(&error)))
                .in_file(&name)
                .hint("input from a pipe of more than 4 MiB goes through TMPDIR")
        })?;
        Ok(InputSource { name, data: SourceData::Spool(spool) })
    }

    /// The file that it is; none for anything spooled.
    pub fn path(&self) -> Option<&Path> {
        match &self.data {
            SourceData::File { path, .. } => Some(path),
            SourceData::Spool(_) => None,
        }
    }

    /// The name of the input; `-` is standard input.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lets go of the file's handle until it is read again: a process can hold but so many.
    pub fn close(&mut self) {
        if let SourceData::File { file, .. } = &mut self.data {
            *file = None;
        }
    }

    /// A reader from the first byte.
    ///
    /// A file is read to the length it had: its own output may be appended to it.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be opened or read again, or has changed.
    pub fn read_from_start(&mut self) -> Result<Box<dyn Read + '_>> {
        let name = &self.name;
        let fail = |error: io::Error| {
            Error::input(format!("can't be read again: {}", describe_io_error(&error))).in_file(name)
        };
        match &mut self.data {
            SourceData::Spool(spool) => {
                spool.rewind().map_err(fail)?;
                Ok(Box::new(spool))
            }
            SourceData::File { file, path, version } => {
                let open = match file.take() {
                    Some(mut open) => {
                        open.rewind().map_err(fail)?;
                        open
                    }
                    None => {
                        let open = File::open(path).map_err(fail)?;
                        if FileVersion::of(&open.metadata().map_err(fail)?) != *version {
                            return Err(changed(name));
                        }
                        open
                    }
                };
                Ok(Box::new(file.insert(open).take(version.length)))
            }
        }
    }

    /// The number of the line, from 1, of the byte at an offset.
    pub(super) fn line_at(&mut self, offset: u64) -> Result<usize> {
        let mut reader = BufReader::new(self.read_from_start()?.take(offset));
        let mut line = 1;
        loop {
            let block = reader.fill_buf().unwrap_or_default();
            if block.is_empty() {
                return Ok(line);
            }
            line += memchr::memchr_iter(b'\n', block).count();
            let length = block.len();
            reader.consume(length);
        }
    }

    /// Fails if the file has been written to, or another put in its place, since it was opened.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        let SourceData::File { file, version, .. } = &self.data else { return Ok(()) };
        let same = |file: &File| file.metadata().is_ok_and(|metadata| FileVersion::of(&metadata) == *version);
        if !file.as_ref().is_none_or(same) {
            return Err(changed(&self.name));
        }
        self.change_detector().check()
    }

    /// What tells later, apart from the source, whether the file is still the same.
    pub(super) fn change_detector(&self) -> ChangeDetector {
        let file = match &self.data {
            SourceData::File { path, version, .. } => Some((path.clone(), version.clone())),
            SourceData::Spool(_) => None,
        };
        ChangeDetector { name: self.name.clone(), file }
    }
}

/// A file as it was when it was opened.
pub(super) struct ChangeDetector {
    name: String,
    file: Option<(PathBuf, FileVersion)>,
}

impl ChangeDetector {
    /// Fails if the file has been written to, or another put in its place.
    pub(super) fn check(&self) -> Result<()> {
        match &self.file {
            Some((path, version)) if !path.metadata().is_ok_and(|metadata| FileVersion::of(&metadata) == *version) => {
                Err(changed(&self.name))
            }
            _ => Ok(()),
        }
    }
}
