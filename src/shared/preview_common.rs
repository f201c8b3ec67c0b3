//! Shared by commands that read templates: the errors without a template, and for a work pool that is not JSON.

use std::path::Path;

use jobplate_diagnostic::Error;

/// Returns whether a template is the output of `prefect work-pool inspect` without `-o json`.
pub(crate) fn is_work_pool_listing(text: &str) -> bool {
    text.trim_start().starts_with("WorkPool(")
}

/// Returns the error for the output of `prefect work-pool inspect` without `-o json`.
pub(crate) fn work_pool_listing_error() -> Error {
    Error::input("the output of `prefect work-pool inspect` is not JSON")
        .hint("use `prefect work-pool inspect POOL -o json`")
}

/// Returns the error for a command line without a template.
pub(crate) fn no_input_error() -> Error {
    let error = Error::usage("no input");
    match Path::new("job_template.yaml").exists() {
        true => error.hint("pass a job template, such as ./job_template.yaml, or `-` for standard input"),
        false => error.hint("pass a job template, or `-` for standard input"),
    }
}
