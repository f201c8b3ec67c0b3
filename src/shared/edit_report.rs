//! Reports the edits of a run: as JSON to `--report FILE`, and to GitHub Actions.

use std::path::PathBuf;
use std::process::ExitCode;

use jobplate::diagnostic::edits::{
    EditStatus, EditedItem, ObjectRef, ReportedEdit, ReportedTarget, RunReport, StringPlace,
};
use jobplate::inject::template_kind;
use jobplate::render::{RenderedDocument, Rendering, ReportSize, UnchangedTarget, UnchangedTargets};
use jobplate_diagnostic::{ErrorKind, Result};
use jobplate_manifest::difference::{ChangedItem, Difference, ObjectName, compare_documents};

use super::render_request::RenderRequest;
use super::report_file::{self, ReportFile};
use super::staged_files::StagedFiles;
use super::summary::names_without_target;
use crate::ui::Ui;

/// The edits of a run and where `--report` writes them.
pub(crate) struct EditReport {
    edits: Vec<ReportedEdit>,
    file: Option<ReportFile>,
}

/// Writes the report of a run that fails because of its input: the errors, without any edits. Returns `result`.
///
/// # Errors
///
/// Fails with the error in `result`, combined with the error for a report that cannot be written.
pub(crate) fn report_failure<T>(result: Result<T>, request: &RenderRequest, ui: &Ui) -> Result<T> {
    let Some(path) = &request.report else { return result };
    let to_json = |diagnostics| {
        let report = RunReport { edits: &[], unchanged: Vec::new(), files_without_target: Vec::new(), diagnostics };
        report.to_json()
    };
    let inputs = request.inputs.iter().chain(&request.specs).map(PathBuf::as_path);
    report_file::report_failure(result, path, inputs, to_json, ui)
}

/// Collects the edits of all documents in input order. Returns `None` if neither `--report` nor GitHub Actions needs
/// them.
///
/// Must be called before any output is written: if the report cannot be written, no file may change.
///
/// # Errors
///
/// Fails if an edited document cannot be read again, or if the report cannot be written.
pub(crate) fn prepare(rendering: &mut Rendering, request: &RenderRequest, ui: &Ui) -> Result<Option<EditReport>> {
    if request.report.is_none() && ui.github().is_none() {
        return Ok(None);
    }
    let UnchangedTargets { targets: unchanged, size, .. } = rendering.take_unchanged();
    size.check()?;
    let edits = collect_edits(rendering, request.report.is_some(), size)?;
    let rendering = &*rendering;
    let stage = |path: &PathBuf| {
        let report = RunReport {
            edits: &edits,
            unchanged: unchanged.into_iter().map(|target| to_reported_target(target, rendering)).collect(),
            files_without_target: names_without_target(rendering).map(str::to_owned).collect(),
            diagnostics: rendering.diagnostics.iter().map(|diagnostic| ui.to_json(diagnostic)).collect(),
        };
        let inputs = (0..rendering.len()).filter_map(|input| rendering.input_path(input));
        let inputs = inputs.chain(request.specs.iter().map(PathBuf::as_path));
        ReportFile::stage(path, report.to_json(), inputs)
    };
    Ok(Some(EditReport { file: request.report.as_ref().map(stage).transpose()?, edits }))
}

/// Writes the report after the output. `done` is the result of writing the output: if that failed, no report is
/// written. A closed pipe does not count as a failure.
///
/// # Errors
///
/// Fails with the error in `done`, or if the report cannot be written.
pub(crate) fn emit(
    report: Option<EditReport>,
    status: EditStatus,
    done: Result<ExitCode>,
    ui: &Ui,
) -> Result<ExitCode> {
    if done.as_ref().is_err_and(|error| error.kind() != ErrorKind::ClosedOutput) {
        return done;
    }
    let Some(EditReport { edits, file }) = report else { return done };
    if let Some(file) = file {
        file.write()?;
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
        self.file.as_mut().and_then(ReportFile::take_staged_file)
    }
}

fn to_reported_target(target: UnchangedTarget, rendering: &Rendering) -> ReportedTarget<'_> {
    let UnchangedTarget { input, document, line, object } = target;
    ReportedTarget { file: rendering.input_name(input), document, line, object: to_object_ref(object) }
}

/// The memory that an edit needs in addition to its names, in bytes.
const EDIT_SIZE: usize = size_of::<ReportedEdit>();

/// Returns the size of an edit in memory, in bytes.
fn size_of_edit(file: &str, difference: &Difference) -> usize {
    let size_of_object = |object: &ObjectName| {
        object.kind.len()
            + object.name.as_ref().map_or(0, String::len)
            + object.namespace.as_ref().map_or(0, String::len)
    };
    let (ChangedItem::Variable(item) | ChangedItem::Source(item) | ChangedItem::Field(item)) = &difference.item;
    let within = difference.embedded_in.as_ref().map_or(0, |(map, key)| size_of_object(map) + key.len());
    let container = difference.container.as_ref().map_or(0, String::len);
    EDIT_SIZE + file.len() + item.len() + size_of_object(&difference.object) + within + container
}

/// Collects the edits of all documents, and adds their size to `size`. If that exceeds its limit, fails if `is_complete`
/// is true, and otherwise returns the first ones.
fn collect_edits(rendering: &mut Rendering, is_complete: bool, mut size: ReportSize) -> Result<Vec<ReportedEdit>> {
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
            compare_documents(before, after, &template_kind, &mut |difference| {
                if size.add(size_of_edit(input, &difference)) {
                    let line = line + line_breaks.partition_point(|&at| at < difference.offset);
                    edits.push(to_reported_edit(input, document, line, difference));
                }
            });
            if size.is_exceeded() {
                return if is_complete { size.check().map(|()| edits) } else { Ok(edits) };
            }
        }
    }
    Ok(edits)
}

fn to_reported_edit(file: &str, document: usize, line: usize, difference: Difference) -> ReportedEdit {
    ReportedEdit {
        file: file.to_owned(),
        document,
        line,
        object: to_object_ref(difference.object),
        within: difference.embedded_in.map(|(map, key)| StringPlace { object: to_object_ref(map), key }),
        container: difference.container,
        item: match difference.item {
            ChangedItem::Variable(name) => EditedItem::Variable(name),
            ChangedItem::Source(name) => EditedItem::Source(name),
            ChangedItem::Field(name) => EditedItem::Field(name),
        },
        action: difference.action.as_str(),
    }
}

fn to_object_ref(ObjectName { kind, name, namespace }: ObjectName) -> ObjectRef {
    ObjectRef { kind, name, namespace }
}
