//! The async runtime, which nobody outside of the crate sees.

use jobplate_diagnostic::{Error, ErrorKind, Result, describe_io_error};

/// Runs a future to its end, on this thread.
///
/// # Errors
/// Fails if no runtime can be started, or as the future does.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Error::new(ErrorKind::Cluster, format!("no runtime can be started: {}", describe_io_error(&error)))
    })?;
    let done = runtime.block_on(future);
    // A credential plugin that hangs is no reason to.
    runtime.shutdown_background();
    done
}
