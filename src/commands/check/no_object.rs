//! Which inputs without an object are an error.

use jobplate::check::CheckCounts;
use jobplate_diagnostic::{Diagnostic, Error, Result};

use crate::shared::edit_args::STDIN;
use crate::ui::Ui;

/// The code of the errors and the warning about inputs without an object.
const NO_OBJECT_CODE: &str = "no-object";

/// Checks that an input has an object if it is standard input: the command before the pipe may have failed. `before` and
/// `after` are the counts before and after the input was checked.
///
/// # Errors
///
/// Fails if standard input is empty or has no object.
pub(super) fn check_input(name: &str, before: CheckCounts, after: CheckCounts) -> Result<()> {
    if name != STDIN || after.objects > before.objects {
        return Ok(());
    }
    let error = if after.documents == before.documents { empty_input_error() } else { Error::input(message()) };
    let hint = "check the command that writes to the pipe; `set -o pipefail` makes the pipeline fail with it";
    Err(error.with_code(NO_OBJECT_CODE).in_file(name).hint(hint))
}

/// Adds an error if all inputs are empty. Reports a warning if they have no object: they may be files of another kind.
/// Does nothing if there are errors, which explain it.
pub(super) fn check_run(files: usize, counts: CheckCounts, errors: &mut Vec<Error>, ui: &Ui) {
    match counts {
        _ if files == 0 || !errors.is_empty() => {}
        CheckCounts { documents: 0, .. } => {
            let error = empty_input_error().with_code(NO_OBJECT_CODE);
            errors.push(error.hint("pass a manifest, or `-` for standard input"));
        }
        CheckCounts { objects: 0, .. } => ui.report_diagnostics(&[Diagnostic::warning(NO_OBJECT_CODE, message())]),
        _ => {}
    }
}

fn empty_input_error() -> Error {
    Error::input("the input is empty")
}

fn message() -> &'static str {
    "no Kubernetes object found in the input"
}
