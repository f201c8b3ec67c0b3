//! Writes the result of `render`: prints it, replaces files, or shows what would change.

use std::path::Path;
use std::process::ExitCode;

use jobplate::diagnostic;
use jobplate::render::{RenderedDocument, Rendering, StreamJoiner};
use jobplate_diagnostic::{Error, LineIndex, Result, output_error};
use jobplate_manifest::embedded;

use crate::shared::edit_report::EditReport;
use crate::shared::staged_files::StagedFiles;
use crate::ui::{Ui, ignore_closed_output};

/// The ConfigMap of `--wrap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrapConfigMap {
    pub(super) name: String,
    /// The namespace, if `--namespace` is set.
    pub(super) namespace: Option<String>,
    /// The key in its `data`.
    pub(super) key: String,
}

/// Prints all inputs as one stream of documents.
///
/// # Errors
///
/// Fails if the inputs cannot be joined or read again, or if [`Ui::print`] fails.
pub(in crate::commands) fn print_all(rendering: &mut Rendering, ui: &Ui) -> Result<ExitCode> {
    ui.print(|out| {
        rendering.check_joinable()?;
        let mut joiner = StreamJoiner::new(out);
        for input in 0..rendering.len() {
            joiner.begin_input().map_err(|error| output_error(&error))?;
            rendering.write_input(input, &mut joiner)?;
        }
        joiner.finish().map_err(|error| output_error(&error))
    })
}

/// Prints the only input, embedded in a ConfigMap.
pub(super) fn print_wrapped(rendering: &mut Rendering, map: &WrapConfigMap, ui: &Ui) -> Result<ExitCode> {
    let WrapConfigMap { name, namespace, key } = map;
    if rendering.len() > 1 {
        return Err(Error::usage("`--wrap` accepts one input").hint("run the command once for each input"));
    }
    let mut rendered = Vec::new();
    rendering.write_input(0, &mut rendered)?;
    let text = String::from_utf8(rendered).map_err(|_| Error::input("not UTF-8").in_file(rendering.input_name(0)))?;
    let map = embedded::write_config_map(name, namespace.as_deref(), key, &text)
        .map_err(|error| error.in_file(rendering.input_name(0)))?;
    ui.print_text(&map)
}

/// Prints the inputs that would change, or a diff of them. The exit code is 1 if there are any.
pub(super) fn check_files(rendering: &mut Rendering, diff: bool, ui: &Ui) -> Result<ExitCode> {
    let changed_inputs: Vec<usize> = (0..rendering.len()).filter(|&input| rendering.is_changed(input)).collect();
    if diff {
        ignore_closed_output(print_diff(rendering, ui))?;
    } else {
        let list: String = changed_inputs
            .iter()
            .map(|&input| format!("{}\n", diagnostic::escape_name(rendering.input_name(input))))
            .collect();
        // In GitHub Actions, a name such as `::stop-commands::x` would be a command to the runner.
        ignore_closed_output(ui.print_diff(|out| out.write(&list)))?;
    }
    Ok(ExitCode::from(u8::from(!changed_inputs.is_empty())))
}

/// Replaces the files that change, and writes the report with them if it is a file. All new contents are staged before
/// the first file is replaced.
pub(super) fn replace_files(
    rendering: &mut Rendering,
    diff: bool,
    report: Option<&mut EditReport>,
    ui: &Ui,
) -> Result<ExitCode> {
    if diff {
        ignore_closed_output(print_diff(rendering, ui))?;
    }
    let mut staged = StagedFiles::default();
    let mut replaced = Vec::new();
    for input in 0..rendering.len() {
        if rendering.is_changed(input) {
            let Some(path) = rendering.input_path(input).map(Path::to_owned) else {
                let name = rendering.input_name(input);
                return Err(Error::usage("not a regular file").in_file(name).hint("remove -i"));
            };
            staged.replace(&path, |out| rendering.write_input(input, out))?;
            replaced.push(input);
        }
    }
    // The inputs may have changed on disk in the meantime.
    replaced.iter().try_for_each(|&input| rendering.check_unchanged(input))?;
    if let Some(file) = report.and_then(EditReport::take_staged_file) {
        staged.append(file);
    }
    staged.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a diff with values masked.
pub(super) fn print_diff(rendering: &mut Rendering, ui: &Ui) -> Result<ExitCode> {
    let policy = ui.mask_policy();
    ui.print_diff(|out| {
        for input in 0..rendering.len() {
            if !rendering.is_changed(input) {
                continue;
            }
            let name = diagnostic::escape_name(rendering.input_name(input));
            out.write(&format!("--- {name}\n+++ {name}\n"))?;
            // The number of lines added by edits to earlier documents of this input.
            let mut added_lines = 0isize;
            let mut documents = rendering.documents(Some(input));
            while let Some(RenderedDocument { line, before, after, edited, changes, .. }) = documents.next_document()? {
                if edited {
                    let first_after = line.saturating_add_signed(added_lines);
                    out.write(&diagnostic::unified_diff(before, after, &changes, line, first_after, &policy))?;
                    let last_line = |text: &str| LineIndex::new(text).line(text.len()) as isize;
                    added_lines += last_line(after) - last_line(before);
                }
            }
        }
        Ok(())
    })
}
