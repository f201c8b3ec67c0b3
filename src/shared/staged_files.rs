//! Writes several files atomically: stages each in a temporary file, then renames all of them. Where a rename fails,
//! restores the originals from their second names.

use std::collections::{BTreeSet, HashSet};
use std::fs::{DirEntry, File, Metadata};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use jobplate_diagnostic::{Error, ErrorKind, Result, describe_io_error, display_path};
use tempfile::{Builder, NamedTempFile};

use super::file_attributes::{check_replaceable, copy_attributes, is_same_file};
use super::temp_files::{TempFile, delay_signals};

/// The size of the write buffer, in bytes.
const BUFFER_SIZE: usize = 64 * 1024;

/// The prefix of the names of files that replace others.
const NEW_PREFIX: &str = ".jobplate-new-";
/// The prefix of the second names of originals.
const OLD_PREFIX: &str = ".jobplate-old-";

/// The maximum number of files that are written to the disk one by one. For more files, Linux is asked to write their
/// whole file system, which takes a fraction of the time.
const MAX_SINGLE_SYNCS: usize = 64;

/// Temporary files with their final paths, in the same directories.
#[derive(Default)]
pub(crate) struct StagedFiles(Vec<StagedFile>);

/// A file that will be moved to its final path.
struct StagedFile {
    new: TempFile,
    target: PathBuf,
    /// Whether the target exists.
    replaces: bool,
}

/// A staged file, ready to be moved.
struct Replacement {
    file: StagedFile,
    /// The second name of the original. `None` if there is no original or if it cannot be linked: it may be immutable or
    /// mounted, or its file system has no hard links.
    old: Option<TempFile>,
}

impl StagedFiles {
    /// Stages the replacement of an existing file. The file is left unchanged until [`StagedFiles::commit`].
    ///
    /// # Errors
    ///
    /// Fails if `write` fails, if the file cannot be replaced, or if no file can be written next to it.
    pub(crate) fn replace(&mut self, path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let name = display_path(path);
        let fail = |description: &str, error: io::Error| {
            Error::new(ErrorKind::Output, format!("{description}: {}", describe_io_error(&error))).in_file(&name)
        };
        // Replace the target of a symbolic link, not the link.
        let target = std::fs::canonicalize(path).map_err(|error| fail("cannot be found", error))?;
        let metadata = target.metadata().map_err(|error| fail("cannot be read", error))?;
        check_replaceable(&metadata)
            .map_err(|error| find_leftover(&target, &metadata).map_or(error, leftover_error).in_file(&name))?;
        let (file, new) =
            TempFile::create(|| Ok(NamedTempFile::with_prefix_in(NEW_PREFIX, parent_directory(&target))?.into_parts()))
                .map_err(|error| fail("cannot create a temporary file in its directory", error))?;
        let mut out = BufWriter::with_capacity(BUFFER_SIZE, file);
        write(&mut out).map_err(|error| match error.kind() {
            ErrorKind::Output => error.with_context("cannot be written").in_file(&name),
            _ => error,
        })?;
        let file = out.into_inner().map_err(|error| fail("cannot be written", error.into_error()))?;
        copy_attributes(&target, &metadata, &file).map_err(|error| error.in_file(&name))?;
        self.push(file, StagedFile { new, target, replaces: true }).map_err(|error| fail("cannot be written", error))
    }

    /// Stages a new file, with the default mode for new files. It exists only after [`StagedFiles::commit`].
    ///
    /// # Errors
    ///
    /// Fails if `write` fails, or if the directory is not writable.
    pub(crate) fn create(&mut self, path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let fail = |error: io::Error| {
            Error::new(ErrorKind::Output, format!("cannot be written: {}", describe_io_error(&error)))
                .in_file(display_path(path))
        };
        let mut builder = Builder::new();
        builder.prefix(NEW_PREFIX);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let (mut file, new) =
            TempFile::create(|| Ok(builder.tempfile_in(parent_directory(path))?.into_parts())).map_err(fail)?;
        write(&mut file)?;
        self.push(file, StagedFile { new, target: path.to_owned(), replaces: false }).map_err(fail)
    }

    /// Adds a written file and closes it: there may be more staged files than a process can keep open.
    fn push(&mut self, file: File, staged: StagedFile) -> io::Result<()> {
        if self.0.len() < MAX_SINGLE_SYNCS || !cfg!(target_os = "linux") {
            file.sync_all()?;
        }
        self.0.push(staged);
        Ok(())
    }

    /// Adds the files of another set, so that all are moved or none.
    pub(crate) fn append(&mut self, mut other: StagedFiles) {
        self.0.append(&mut other.0);
    }

    /// Moves all staged files to their final paths. A file that was staged several times is moved once.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be replaced. Then no file is changed, unless the error names those that are.
    pub(crate) fn commit(mut self) -> Result<()> {
        let mut targets = HashSet::new();
        self.0.retain(|file| targets.insert(file.target.clone()));
        let directories: BTreeSet<PathBuf> =
            self.0.iter().map(|file| parent_directory(&file.target).to_owned()).collect();
        if self.0.len() > MAX_SINGLE_SYNCS {
            sync_file_systems(&directories)?;
        }
        let _signals = delay_signals();
        let mut replacements: Vec<Replacement> = self.0.into_iter().map(link_original).collect();
        // A file that can be linked can usually be replaced. The others come first: if one of them cannot be replaced,
        // then no file is changed yet.
        replacements.sort_by_key(|replacement| replacement.old.is_some());
        replace_all(replacements)?;
        sync_directories(&directories);
        Ok(())
    }
}

/// Returns the directory of a file, which is `.` for a name alone.
pub(super) fn parent_directory(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns the second name of an original that a killed process has left.
fn find_leftover(original: &Path, metadata: &Metadata) -> Option<PathBuf> {
    let is_leftover = |entry: &DirEntry| {
        entry.file_name().as_encoded_bytes().starts_with(OLD_PREFIX.as_bytes())
            && entry.metadata().is_ok_and(|other| is_same_file(&other, metadata))
    };
    std::fs::read_dir(parent_directory(original)).ok()?.flatten().find(is_leftover).map(|entry| entry.path())
}

/// Returns the error for an original with a second name that a killed process has left. It is not removed here: another
/// process may be replacing the file and need it.
fn leftover_error(leftover: PathBuf) -> Error {
    let directory = display_path(parent_directory(&leftover));
    let directory = shlex::try_quote(&directory).unwrap_or_default();
    Error::input(format!("has a second hard link, `{}`, left by a killed run", display_path(&leftover))).hint(format!(
        "when no jobplate is running, delete the leftovers: \
             find {directory} -maxdepth 1 -name '{NEW_PREFIX}*' -delete -o -name '{OLD_PREFIX}*' -delete"
    ))
}

/// Gives the original of a staged file a second name, to move it back from there if another file cannot be replaced.
fn link_original(file: StagedFile) -> Replacement {
    if !file.replaces {
        return Replacement { file, old: None };
    }
    let link = |path: &Path| std::fs::hard_link(&file.target, path);
    let linked = TempFile::create(|| {
        Ok(Builder::new().prefix(OLD_PREFIX).make_in(parent_directory(&file.target), link)?.into_parts())
    });
    Replacement { old: linked.ok().map(|((), old)| old), file }
}

/// A file that was moved to its final path.
struct ReplacedFile {
    target: PathBuf,
    /// Whether the target existed before.
    existed: bool,
    old: Option<TempFile>,
}

impl ReplacedFile {
    /// Restores the original. If that fails, returns the names of the changed file and of its original, if the
    /// original still has a name.
    fn restore(self) -> Option<String> {
        let target = display_path(&self.target);
        match self.old {
            Some(old) => {
                let kept = old.rename_or_keep(&self.target).err()?;
                Some(format!("{target} (the original is {})", display_path(&kept)))
            }
            None if !self.existed && std::fs::remove_file(&self.target).is_ok() => None,
            None => Some(target),
        }
    }
}

/// Moves all staged files to their final paths. If one cannot be moved, restores those before it.
fn replace_all(replacements: Vec<Replacement>) -> Result<()> {
    let mut replaced: Vec<ReplacedFile> = Vec::with_capacity(replacements.len());
    for Replacement { file: StagedFile { new, target, replaces: existed }, old } in replacements {
        let name = display_path(&target);
        if let Err(error) = new.rename_to(&target) {
            let changed: Vec<String> = replaced.into_iter().filter_map(ReplacedFile::restore).collect();
            let state = match changed.as_slice() {
                [] => "no file is changed".to_owned(),
                changed => format!("these files are changed already: {}", changed.join(", ")),
            };
            let failure =
                Error::new(ErrorKind::Output, format!("cannot be replaced: {}; {state}", describe_io_error(&error)))
                    .in_file(name);
            return Err(match error.kind() {
                io::ErrorKind::ResourceBusy => failure.hint("mount the directory of the file instead of the file"),
                _ => failure,
            });
        }
        replaced.push(ReplacedFile { target, existed, old });
    }
    Ok(())
}

/// Writes the file systems of directories to the disk.
#[cfg(target_os = "linux")]
fn sync_file_systems(directories: &BTreeSet<PathBuf>) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let mut devices = BTreeSet::new();
    for directory in directories {
        let mut sync = || {
            let file = File::open(directory)?;
            if devices.insert(file.metadata()?.dev()) {
                rustix::fs::syncfs(&file)?;
            }
            Ok(())
        };
        sync().map_err(|error: io::Error| {
            Error::new(ErrorKind::Output, format!("cannot flush files to the disk: {}", describe_io_error(&error)))
                .in_file(display_path(directory))
        })?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn sync_file_systems(_directories: &BTreeSet<PathBuf>) -> Result<()> {
    Ok(())
}

/// Writes the new names in directories to the disk. Ignores errors: all files are replaced, and not every file system
/// can do this.
fn sync_directories(directories: &BTreeSet<PathBuf>) {
    if directories.len() > MAX_SINGLE_SYNCS && cfg!(target_os = "linux") {
        let _ = sync_file_systems(directories);
        return;
    }
    for directory in directories {
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stages replacements of files in a directory.
    fn stage(directory: &Path, names: &[&str]) -> StagedFiles {
        let mut staged = StagedFiles::default();
        for name in names {
            let path = directory.join(name);
            std::fs::write(&path, "old").unwrap();
            staged.replace(&path, |out| out.write_all(b"new").map_err(|_| Error::input("fails"))).unwrap();
        }
        staged
    }

    /// Returns the sorted names of the files in a directory, with their contents.
    fn list(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let mut list: Vec<String> = entries
            .map(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                format!("{name}: {}", std::fs::read_to_string(&path).unwrap_or_default())
            })
            .collect();
        list.sort();
        list
    }

    #[test]
    fn replaces_all_files_or_none() {
        let directory = tempfile::tempdir().unwrap();
        stage(directory.path(), &["a", "b"]).commit().unwrap();
        assert_eq!(list(directory.path()), ["a: new", "b: new"]);
        let staged = stage(directory.path(), &["a", "b", "c"]);
        // A directory cannot be replaced by a file.
        std::fs::remove_file(directory.path().join("b")).unwrap();
        std::fs::create_dir(directory.path().join("b")).unwrap();
        let error = staged.commit().unwrap_err();
        assert!(error.message().ends_with("; no file is changed"), "{}", error.message());
        assert_eq!(list(directory.path()), ["a: old", "b: ", "c: old"]);
    }

    #[test]
    fn replaces_only_regular_files() {
        let directory = tempfile::tempdir().unwrap();
        let error = StagedFiles::default().replace(&directory.path().join("."), |_| Ok(())).unwrap_err();
        assert_eq!(error.message(), "not a regular file");
    }

    #[test]
    fn restores_originals_and_names_the_others() {
        let directory = tempfile::tempdir().unwrap();
        let mut staged = stage(directory.path(), &["a", "b", "c", "d"]);
        staged.create(&directory.path().join("e"), |_| Ok(())).unwrap();
        staged.0.swap(3, 4);
        let mut replacements: Vec<Replacement> = staged.0.into_iter().map(link_original).collect();
        replacements[1].old = None;
        std::fs::remove_file(directory.path().join("d")).unwrap();
        std::fs::create_dir(directory.path().join("d")).unwrap();
        let error = replace_all(replacements).unwrap_err();
        assert!(error.message().contains("; these files are changed already: "), "{}", error.message());
        assert!(error.message().ends_with("/b"), "{}", error.message());
        assert_eq!(list(directory.path()), ["a: old", "b: new", "c: old", "d: "]);
    }
}
