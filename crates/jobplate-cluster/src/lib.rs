//! The API server: apply, diff, waiting for Jobs. The only room with a socket or an async runtime.
//!
//! Takes finished documents ([`Documents`]) and sends them as they are; tells what happens through
//! [`Events`] and in a [`Report`]. Knows nothing of flags, of injection or of how documents come about,
//! and writes to no stream.

mod apply;
mod apply_object;
mod completion;
mod create;
mod diff;
mod document;
mod dry_run;
mod errors;
mod events;
mod immutable;
mod inventory;
mod kinds;
mod live;
mod logs;
mod managed_fields;
mod namespaces;
mod object;
mod options;
mod outcome;
mod phases;
mod pods;
mod report;
mod request;
mod runtime;
mod session;
mod spool;
mod take_over;
mod wait;

pub use self::apply::apply;
pub use self::completion::{NamedKind, names};
pub use self::diff::{Difference, diff};
pub use self::document::{Document, Named, Source};
pub use self::events::Events;
pub use self::object::Subject;
pub use self::options::{ApplyOptions, OnImmutable, WaitOptions};
pub use self::report::{Outcome, Report, Row};
pub use self::request::{Validation, Writing};
pub use self::session::SessionOptions;
pub use self::session::config::{ClusterOptions, KubeconfigNames, Kubeconfigs};
