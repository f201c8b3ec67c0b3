//! Shared by `preview` and `convert`: the error without a template, and the output of notes.

use std::path::Path;

use jobplate_diagnostic::Error;
use jobplate_prefect::note::Note;

use crate::ui::Ui;

/// Returns the error for a command line without a template.
pub(crate) fn no_input_error() -> Error {
    let error = Error::usage("no input");
    match Path::new("job_template.yaml").exists() {
        true => error.hint("name a job template, such as ./job_template.yaml, or `-` for standard input"),
        false => error.hint("name a job template, or `-` for standard input"),
    }
}

/// Writes notes to standard error, one per line.
pub(crate) fn report_notes(notes: &[Note], ui: &Ui) {
    notes.iter().for_each(|note| ui.write_note(note.message()));
}
