//! Writes several files atomically: stages each in a temporary file, then renames all of them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use jobplate_diagnostic::{Error, ErrorKind, Result, describe_io_error};
use tempfile::NamedTempFile;

/// The size of the write buffer, in bytes.
const BUFFER_SIZE: usize = 64 * 1024;

/// The prefix of temporary file names.
const TEMP_PREFIX: &str = ".jobplate-";

/// Temporary files with their final paths, in the same directories.
#[derive(Default)]
pub(crate) struct StagedFiles(Vec<(NamedTempFile, PathBuf)>);

impl StagedFiles {
    /// Stages the replacement of an existing file. The file is left unchanged until [`StagedFiles::commit`].
    ///
    /// # Errors
    ///
    /// Fails if `write` fails, if the file is not writable, or if no file can be written next to it.
    pub(crate) fn replace(&mut self, path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let name = path.display().to_string();
        let fail = |description: &str, error: io::Error| {
            Error::input(format!("{description}: {}", describe_io_error(&error))).in_file(&name)
        };
        // Replace the target of a symbolic link, not the link.
        let target = std::fs::canonicalize(path).map_err(|error| fail("can't be found", error))?;
        let metadata = target.metadata().map_err(|error| fail("can't be read", error))?;
        if metadata.permissions().readonly() {
            return Err(Error::input("is not writable")
                .in_file(&name)
                .hint("change its mode, or print to standard output"));
        }
        let directory = target.parent().unwrap_or(Path::new("."));
        let file = NamedTempFile::with_prefix_in(TEMP_PREFIX, directory)
            .map_err(|error| fail("no file can be made beside it", error))?;
        let mut out = BufWriter::with_capacity(BUFFER_SIZE, file);
        write(&mut out).map_err(|error| match error.kind() {
            ErrorKind::Output => error.with_context("can't be written").in_file(&name),
            _ => error,
        })?;
        let file = out.into_inner().map_err(|error| fail("can't be written", error.into_error()))?;
        keep_owner(file.as_file(), &metadata).map_err(|error| fail("its owner can't be kept", error))?;
        file.as_file()
            .set_permissions(metadata.permissions())
            .map_err(|error| fail("its mode can't be kept", error))?;
        file.as_file().sync_all().map_err(|error| fail("can't be written", error))?;
        self.0.push((file, target));
        Ok(())
    }

    /// Stages a new file, with the default mode for new files. It exists only after [`StagedFiles::commit`].
    ///
    /// # Errors
    ///
    /// Fails if `write` fails, or if the directory is not writable.
    pub(crate) fn create(&mut self, path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMP_PREFIX);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(directory).map_err(|error| {
            Error::input(format!("can't be written: {}", describe_io_error(&error))).in_file(path.display().to_string())
        })?;
        write(&mut file)?;
        self.0.push((file, path.to_owned()));
        Ok(())
    }

    /// Moves all staged files to their final paths.
    ///
    /// # Errors
    ///
    /// Fails if a file can't be replaced. Files that precede it are already replaced.
    pub(crate) fn commit(self) -> Result<()> {
        for (file, target) in self.0 {
            let name = target.display().to_string();
            file.persist(&target).map_err(|error| {
                Error::input(format!("can't be replaced: {}", describe_io_error(&error.error))).in_file(name)
            })?;
        }
        Ok(())
    }
}

#[cfg(unix)]
fn keep_owner(file: &File, metadata: &std::fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let current_metadata = file.metadata()?;
    if (current_metadata.uid(), current_metadata.gid()) == (metadata.uid(), metadata.gid()) {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(metadata.uid()), Some(metadata.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_file: &File, _metadata: &std::fs::Metadata) -> io::Result<()> {
    Ok(())
}
