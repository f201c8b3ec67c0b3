//! The API server: apply, diff, waiting for Jobs. The only room with a socket or an async runtime.
//!
//! Takes finished documents ([`Documents`]) and sends them as they are; tells what happens through
//! [`Events`] and in a [`Report`]. Knows nothing of flags, of injection or of how documents come about,
//! and writes to no stream.

mod apply;
mod config;
mod conflict;
mod connection;
mod diff;
mod explain;
mod immutable;
mod kinds;
mod log;
mod lost;
mod names;
mod namespaces;
mod object;
mod owner;
mod report;
mod request;
mod send;
mod session;
mod status;
mod stop;
mod survey;
mod wait;

pub use self::apply::{ApplyOptions, OnImmutable, apply};
pub use self::config::{ClusterOptions, KubeconfigNames, Kubeconfigs};
pub use self::diff::{Difference, diff};
pub use self::names::{NamedKind, names};
pub use self::object::{Document, Documents, Named, Pass, Source, Subject};
pub use self::report::{Outcome, Report, Row};
pub use self::request::{Validation, Writing};
pub use self::session::SessionOptions;
pub use self::wait::WaitOptions;
use jobplate_diagnostic::{Error, Kind, Result};

/// What happens on the way, for people; told as it happens.
pub trait Events {
    /// A request or a repetition, for `-v`.
    fn verbose(&self, _text: &str) {}
    /// Something that the user should know.
    fn note(&self, _text: &str) {}
    /// What the server remarks about an object. It may hold values.
    fn warning(&self, _subject: &Subject, _text: &str) {}
    /// An object could not be applied.
    fn failed(&self, _error: &Error) {}
    /// An object is finished.
    fn finished(&self, _row: &Row) {}
    /// A line of a container's log.
    fn log(&self, _pod: &str, _container: &str, _line: &str) {}
    /// What is being waited for; replaces what was told before.
    fn waiting(&self, _text: &str) {}
}

/// Runs a future to its end, on this thread.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Error::new(Kind::Cluster, format!("no runtime can be started: {}", jobplate_diagnostic::io_reason(&error)))
    })?;
    let done = runtime.block_on(future);
    // A credential plugin that hangs is no reason to.
    runtime.shutdown_background();
    done
}
