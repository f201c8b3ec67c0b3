//! Shared by commands that read templates: the errors without a template, and for a work pool that is not JSON.

use std::path::Path;

use jobplate_diagnostic::Error;

/// Returns the error for text in which a work pool is not JSON: the output of `prefect work-pool inspect`, or a file of
/// Terraform. Returns `None` for other text.
pub(crate) fn work_pool_text_error(text: &str) -> Option<Error> {
    let is_terraform = |line: &str| line.starts_with("resource \"prefect_");
    let message = match text {
        _ if text.trim_start().starts_with("WorkPool(") => "the output of `prefect work-pool inspect` is not JSON",
        _ if text.lines().any(is_terraform) => "a file of Terraform cannot be read",
        _ => return None,
    };
    Some(Error::input(message).hint("use the output of `prefect work-pool inspect POOL -o json`"))
}

/// Returns the error for a command line without a template.
pub(crate) fn no_input_error() -> Error {
    let error = Error::usage("no input");
    match Path::new("job_template.yaml").exists() {
        true => error.hint("pass a job template, such as ./job_template.yaml, or `-` for standard input"),
        false => error.hint("pass a job template, or `-` for standard input"),
    }
}
