//! The files of `--report` and `--output`, which are written only after everything else.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jobplate::diagnostic::json::JsonDiagnostic;
use jobplate_diagnostic::{Error, ErrorKind, Result, describe_io_error, display_path};

use super::edit_args::is_stdin;
use super::file_attributes::is_same_file;
use super::staged_files::{StagedFiles, parent_directory};
use crate::ui::Ui;

/// A file that a report may replace.
pub(crate) struct ReportTarget<'p> {
    path: &'p Path,
    kind: TargetKind,
}

enum TargetKind {
    New,
    Existing,
    /// A pipe or device.
    Device,
}

/// Returns a path that is the same for two names of one file, also if the file does not exist yet.
pub(crate) fn resolve_path(path: &Path) -> PathBuf {
    let resolve_new = || Some(std::fs::canonicalize(parent_directory(path)).ok()?.join(path.file_name()?));
    std::fs::canonicalize(path).ok().or_else(resolve_new).unwrap_or_else(|| path.to_owned())
}

/// A report that is ready to be written.
pub(crate) enum ReportFile {
    /// A file, staged next to its final path: the previous report is kept until [`ReportFile::write`].
    Staged(StagedFiles),
    /// The path of a pipe or device, and the report.
    Device(PathBuf, String),
}

impl<'p> ReportTarget<'p> {
    /// Checks the path that `flag` gives. `inputs` are the files that the command reads.
    ///
    /// # Errors
    ///
    /// Fails if the path is a broken symbolic link, or one of the inputs.
    pub(crate) fn check<'i>(path: &'p Path, flag: &str, inputs: impl Iterator<Item = &'i Path>) -> Result<Self> {
        let name = display_path(path);
        let kind = match path.metadata() {
            Err(_) if path.is_symlink() => {
                return Err(Error::input("cannot be written: broken symbolic link").in_file(name));
            }
            Err(_) => TargetKind::New,
            Ok(there) if !there.is_file() => TargetKind::Device,
            Ok(there) => {
                let read = inputs.filter_map(|file| file.metadata().ok());
                if read.chain(stdin_metadata()).any(|other| is_same_file(&there, &other)) {
                    return Err(Error::usage(format!("`{flag}` must not be an input file: it would be overwritten"))
                        .in_file(name)
                        .hint("pass another file"));
                }
                TargetKind::Existing
            }
        };
        Ok(ReportTarget { path, kind })
    }

    /// Checks the path of a file that is read again later, like [`ReportTarget::check`].
    ///
    /// # Errors
    ///
    /// Also fails if the path is a directory, a pipe or a device.
    pub(crate) fn check_regular<'i>(
        path: &'p Path,
        flag: &str,
        inputs: impl Iterator<Item = &'i Path>,
    ) -> Result<Self> {
        match ReportTarget::check(path, flag, inputs)? {
            ReportTarget { kind: TargetKind::Device, .. } => {
                Err(Error::usage(format!("`{flag}` must be a regular file"))
                    .in_file(display_path(path))
                    .hint("pass another file"))
            }
            target => Ok(target),
        }
    }

    /// Stages a report.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub(crate) fn stage(self, text: String) -> Result<ReportFile> {
        let name = display_path(self.path);
        let write = |out: &mut dyn Write| {
            out.write_all(text.as_bytes()).map_err(|error| report_write_error(&error).in_file(&name))
        };
        let mut file = StagedFiles::default();
        match self.kind {
            TargetKind::New => file.create(self.path, write)?,
            TargetKind::Existing => file.replace(self.path, write)?,
            TargetKind::Device => return Ok(ReportFile::Device(self.path.to_owned(), text)),
        }
        Ok(ReportFile::Staged(file))
    }
}

impl ReportFile {
    /// Stages the report of `--report`. `inputs` are the files that the command reads.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written, or if it is one of the inputs.
    pub(crate) fn stage<'p>(path: &Path, text: String, inputs: impl Iterator<Item = &'p Path>) -> Result<Self> {
        if is_stdin(path) {
            return Err(Error::usage("`--report` must be a file: standard output is for manifests")
                .hint("use /dev/stderr to print the report"));
        }
        ReportTarget::check(path, "--report", inputs)?.stage(text)
    }

    /// Writes the report.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub(crate) fn write(self) -> Result<()> {
        match self {
            ReportFile::Staged(file) => file.commit(),
            ReportFile::Device(path, text) => {
                let device = OpenOptions::new().append(true).open(&path);
                let written = device.and_then(|mut device| device.write_all(text.as_bytes()));
                written.map_err(|error| report_write_error(&error).in_file(display_path(&path)))
            }
        }
    }

    /// Returns the staged report, to be written together with other files. Returns `None` if the report is not a file.
    pub(crate) fn take_staged_file(&mut self) -> Option<StagedFiles> {
        match self {
            ReportFile::Staged(file) => Some(std::mem::take(file)),
            ReportFile::Device(..) => None,
        }
    }
}

/// Writes the report of a command that fails because of its input, so that no report of an earlier run is left.
/// `to_json` makes the report of the errors, and `inputs` are the files that the command reads. Returns `result`.
///
/// # Errors
///
/// Fails with the error in `result`, combined with the error for a report that cannot be written.
pub(crate) fn report_failure<'p, T>(
    result: Result<T>,
    path: &Path,
    inputs: impl Iterator<Item = &'p Path>,
    to_json: impl FnOnce(Vec<JsonDiagnostic>) -> String,
    ui: &Ui,
) -> Result<T> {
    let is_about_input =
        |error: &Error| matches!(error.kind(), ErrorKind::Input | ErrorKind::Refused | ErrorKind::Internal);
    let error = match result {
        Err(error) if error.all().any(is_about_input) => error,
        other => return other,
    };
    let report = to_json(error.all().map(|error| ui.to_json(error.diagnostic())).collect());
    match ReportFile::stage(path, report, inputs).and_then(ReportFile::write) {
        // The command may have failed because the report cannot be written.
        Err(unwritten) if error.all().all(|error| error.to_string() != unwritten.to_string()) => {
            Err(error.followed_by(unwritten))
        }
        _ => Err(error),
    }
}

/// Returns the metadata of the file that standard input is redirected from, or `None` if that is unknown.
#[cfg(unix)]
fn stdin_metadata() -> Option<Metadata> {
    use std::os::fd::AsFd;
    File::from(io::stdin().as_fd().try_clone_to_owned().ok()?).metadata().ok()
}

#[cfg(not(unix))]
fn stdin_metadata() -> Option<Metadata> {
    None
}

fn report_write_error(error: &io::Error) -> Error {
    Error::input(format!("cannot write the report: {}", describe_io_error(error)))
}
