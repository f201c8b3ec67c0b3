//! Reports the edits of a run: as JSON to `--report FILE`, and to GitHub Actions.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jobplate::diagnostic::edits::{ConfigMapKeyRef, EditStatus, EditedItem, ObjectRef, ReportedEdit, to_json};
use jobplate::inject::template_kind;
use jobplate::render::{RenderedDocument, Rendering};
use jobplate_diagnostic::{Error, ErrorKind, Result, describe_io_error, display_path};
use jobplate_manifest::difference::{ChangedItem, ObjectName, differences};

use super::edit_args::is_stdin;
use super::file_attributes::is_same_file;
use super::render_request::RenderRequest;
use super::staged_files::StagedFiles;
use crate::ui::Ui;

/// The edits of a run and where `--report` writes them.
pub(crate) struct EditReport {
    edits: Vec<ReportedEdit>,
    target: Option<ReportTarget>,
}

/// The destination of `--report`.
enum ReportTarget {
    /// A file, staged next to its final path: the previous report is kept until [`emit`].
    File(StagedFiles),
    /// The path of a pipe or device.
    Device(PathBuf),
}

/// Collects the edits of all documents in input order. Returns `None` if neither `--report` nor GitHub Actions needs
/// them.
///
/// Must be called before any output is written: if the report can't be written, no file may change.
///
/// # Errors
///
/// Fails if an edited document can't be read again, or if the report can't be written.
pub(crate) fn prepare(rendering: &mut Rendering, request: &RenderRequest, ui: &Ui) -> Result<Option<EditReport>> {
    if request.report.is_none() && ui.github().is_none() {
        return Ok(None);
    }
    let edits = collect_edits(rendering)?;
    let target = request.report.as_ref().map(|path| ReportTarget::stage(path, &to_json(&edits), rendering, request));
    Ok(Some(EditReport { target: target.transpose()?, edits }))
}

/// Writes the report after the output. `done` is the result of writing the output: if that failed, no report is
/// written. A closed pipe does not count as a failure.
///
/// # Errors
///
/// Fails with the error in `done`, or if the report can't be written.
pub(crate) fn emit(
    report: Option<EditReport>,
    status: EditStatus,
    done: Result<ExitCode>,
    ui: &Ui,
) -> Result<ExitCode> {
    if done.as_ref().is_err_and(|error| error.kind() != ErrorKind::ClosedOutput) {
        return done;
    }
    let Some(EditReport { edits, target }) = report else { return done };
    match target {
        Some(ReportTarget::File(file)) => file.commit()?,
        Some(ReportTarget::Device(path)) => {
            let device = OpenOptions::new().append(true).open(&path);
            let written = device.and_then(|mut device| device.write_all(to_json(&edits).as_bytes()));
            written.map_err(|error| report_write_error(&error).in_file(display_path(&path)))?;
        }
        None => {}
    }
    if let Some(workflow) = ui.github() {
        workflow.report_edits(&edits, status);
    }
    done
}

impl EditReport {
    /// Returns the staged report, to be written together with other files instead of by [`emit`]. Returns `None` if the
    /// report is not a file.
    pub(crate) fn take_staged_file(&mut self) -> Option<StagedFiles> {
        match self.target.take() {
            Some(ReportTarget::File(file)) => Some(file),
            other => {
                self.target = other;
                None
            }
        }
    }
}

impl ReportTarget {
    fn stage(path: &Path, text: &str, rendering: &Rendering, request: &RenderRequest) -> Result<Self> {
        if is_stdin(path) {
            return Err(Error::usage("`--report` is a file; standard output is for manifests")
                .hint("/dev/stderr is a file, too"));
        }
        let name = display_path(path);
        let mut file = StagedFiles::default();
        let write = |out: &mut dyn Write| {
            out.write_all(text.as_bytes()).map_err(|error| report_write_error(&error).in_file(&name))
        };
        match path.metadata() {
            Err(_) if path.is_symlink() => {
                return Err(Error::input("the report can't be written: this is a link to nothing").in_file(name));
            }
            Err(_) => file.create(path, write)?,
            Ok(there) if !there.is_file() => return Ok(ReportTarget::Device(path.to_owned())),
            Ok(there) => {
                let files = (0..rendering.len()).filter_map(|input| rendering.input_path(input));
                let read =
                    files.chain(request.specs.iter().map(PathBuf::as_path)).filter_map(|file| file.metadata().ok());
                if read.chain(stdin_metadata()).any(|other| is_same_file(&there, &other)) {
                    return Err(Error::usage("`--report` is one of the files that are read, which would be lost")
                        .in_file(name)
                        .hint("name another file"));
                }
                file.replace(path, write)?;
            }
        }
        Ok(ReportTarget::File(file))
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
    Error::input(format!("the report can't be written: {}", describe_io_error(error)))
}

fn collect_edits(rendering: &mut Rendering) -> Result<Vec<ReportedEdit>> {
    let mut edits = Vec::new();
    for input in 0..rendering.len() {
        if !rendering.is_changed(input) {
            continue;
        }
        let mut documents = rendering.documents(Some(input));
        let mut document = 0;
        while let Some(RenderedDocument { input, line, before, after, edited, .. }) = documents.next_document()? {
            document += 1;
            if !edited {
                continue;
            }
            let line_breaks: Vec<usize> = before.match_indices('\n').map(|(at, _)| at).collect();
            edits.extend(differences(before, after, &template_kind).into_iter().map(|difference| ReportedEdit {
                file: input.to_owned(),
                document,
                line: line + line_breaks.partition_point(|&at| at < difference.offset),
                object: to_object_ref(difference.object),
                within: difference.embedded_in.map(|(map, key)| ConfigMapKeyRef { object: to_object_ref(map), key }),
                container: difference.container,
                item: match difference.item {
                    ChangedItem::Variable(name) => EditedItem::Variable(name),
                    ChangedItem::Source(name) => EditedItem::Source(name),
                    ChangedItem::Field(name) => EditedItem::Field(name),
                },
                action: difference.action.as_str(),
            }));
        }
    }
    Ok(edits)
}

fn to_object_ref(ObjectName { kind, name, namespace }: ObjectName) -> ObjectRef {
    ObjectRef { kind, name, namespace }
}
