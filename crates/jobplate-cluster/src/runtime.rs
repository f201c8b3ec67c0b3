//! Runs the crate's async code for synchronous callers.

use jobplate_diagnostic::{Error, ErrorKind, Result, describe_io_error};

/// Runs a future to completion on the current thread.
///
/// # Errors
/// Fails if the runtime cannot be started, or with the error of the future.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Error::new(ErrorKind::Cluster, format!("cannot start the runtime: {}", describe_io_error(&error)))
    })?;
    let result = runtime.block_on(future);
    // Dropping the runtime would wait for a hanging credential plugin, so shut it down in the background.
    runtime.shutdown_background();
    result
}
