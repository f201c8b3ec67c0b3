//! Shared by `preview` and `convert`: the error without a template.

use std::path::Path;

use jobplate_diagnostic::Error;

/// Returns the error for a command line without a template.
pub(crate) fn no_input_error() -> Error {
    let error = Error::usage("no input");
    match Path::new("job_template.yaml").exists() {
        true => error.hint("name a job template, such as ./job_template.yaml, or `-` for standard input"),
        false => error.hint("name a job template, or `-` for standard input"),
    }
}
