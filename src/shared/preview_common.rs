//! What `preview` and `convert` share: one template in, and remarks out.

use std::path::Path;

use jobplate_diagnostic::Error;
use jobplate_prefect::note::Note;

use crate::ui::Ui;

/// The error of a call that names no template.
pub(crate) fn no_input_error() -> Error {
    let error = Error::usage("no input");
    match Path::new("job_template.yaml").exists() {
        true => error.hint("name a job template, such as ./job_template.yaml, or `-` for standard input"),
        false => error.hint("name a job template, or `-` for standard input"),
    }
}

/// Writes remarks to standard error, a line each.
pub(crate) fn report_notes(notes: &[Note], ui: &Ui) {
    notes.iter().for_each(|note| ui.write_note(note.message()));
}
