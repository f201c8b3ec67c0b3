//! The Kubernetes API: applies manifests, shows what an apply would change, waits for Jobs and follows their logs.
//!
//! Takes finished [`Document`]s and sends them as they are. What happens is reported through [`EventHandler`] while it goes
//! on, and in a [`Report`] at the end. The crate knows nothing of flags, of injection or of how documents come about,
//! writes to no stream, and does not end the process. No other crate opens a socket or has an async runtime.
//!
//! # Where it is decided
//!
//! | file | decides |
//! |---|---|
//! | `options.rs` | what a caller can ask of an apply |
//! | `document.rs` | where in the input a byte of a rendered document comes from |
//! | `spool.rs` | how documents are kept while a run lasts: in a temporary file, read by offset |
//! | `object.rs` | which bytes are sent for an object (items of a List as JSON), and where errors about it are shown |
//! | `namespaces.rs` | which namespace an object goes to, and that `-n` and the manifest agree |
//! | `inventory.rs` | what there is to apply, which objects need which others, and that none is there twice |
//! | `phases.rs` | in which order objects are tried and applied: Namespaces and CustomResourceDefinitions first, Jobs last |
//! | `apply.rs` | that only so many objects are under way as asked for; which failures end a run, and that the first one is reported; what Ctrl-C leaves |
//! | `dry_run.rs` | what counts as a successful dry run, and whether an apply would change anything |
//! | `apply_object.rs` | how one object is applied, and how long a new CustomResourceDefinition is waited for |
//! | `create.rs` | how an object with `generateName` is created |
//! | `outcome.rs` | whether an object was created, configured or left unchanged |
//! | `immutable.rs` | what is done about a Job whose pod template differs: fail, skip or recreate |
//! | `take_over.rs` | when entries are taken over (never those of a Job), and how often that is attempted |
//! | `managed_fields.rs` | who owns which field, which named env entries change owners, and the patch that does it |
//! | `diff.rs` | what a diff compares, and what it leaves out |
//! | `live.rs` | which fields of a live object are the server's own |
//! | `wait.rs` | when a wait ends: how a Job ended, or why a pod can't start |
//! | `logs.rs` | which logs are followed, and from which line they go on |
//! | `pods.rs` | what is read of a pod's status, and how often pods are looked at |
//! | `report.rs` | the outcome names in reports (`created`, `configured`, ...) |
//! | `events.rs` | what is reported while a run goes on |
//! | `completion.rs` | which names of a cluster complete a command line |
//! | `kinds.rs` | which resource a kind is: from a table, or asked of the server |
//! | `request.rs` | path, query, headers and body of each request, and which requests may be sent again |
//! | `refusal.rs` | which error a refused apply gives, and the flags that it advises |
//! | `errors/status.rs` | what a server's answer means, and the message for it |
//! | `errors/conflict.rs` | which fields conflict, and which of their values are shown |
//! | `errors/transport.rs` | why no answer came, and the message for it |
//! | `session/mod.rs` | how long unanswered requests are retried (30 s), and when a run stops using the server |
//! | `session/config.rs` | which context, cluster and user of a kubeconfig count |
//! | `session/connection.rs` | how long a request may take, and when it is sent again |
//! | `session/interrupt.rs` | what the first and the second Ctrl-C do |
//! | `runtime.rs` | which async runtime there is |
//!
//! # Example
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use jobplate_cluster::{
//!     ApplyOptions, ClusterOptions, Document, EventHandler, KubeconfigSource, OnImmutable, SessionOptions, Validation, Writing,
//! };
//!
//! struct Silent;
//! impl Events for Silent {}
//!
//! let session = SessionOptions {
//!     cluster: ClusterOptions {
//!         kubeconfigs: Some(KubeconfigSource::Flag("kubeconfig".into())),
//!         context: None,
//!         cluster: None,
//!         user: None,
//!         impersonate: None,
//!         impersonate_groups: Vec::new(),
//!     },
//!     namespace: Some("flows".to_owned()),
//!     request_timeout: Some(Duration::from_secs(60)),
//!     concurrency: 4,
//!     writing: Writing { manager: "jobplate".to_owned(), validation: Validation::Strict },
//!     second_interrupt: || std::process::exit(130),
//! };
//! let options = ApplyOptions {
//!     dry_run: false,
//!     preflight: true,
//!     force: false,
//!     take_over: false,
//!     on_immutable: OnImmutable::Fail,
//!     wait: None,
//!     timeout: Duration::from_secs(600),
//! };
//! let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {TZ: UTC}\n";
//! let documents = [Ok(Document::new("settings.yaml", 1, text))];
//! let report = jobplate_cluster::apply(documents, &session, &options, &Silent)?;
//! for row in &report.rows {
//!     println!("{} {}", row.qualified_name(), row.outcome.as_str());
//! }
//! # Ok::<(), jobplate_diagnostic::Error>(())
//! ```

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
mod refusal;
mod report;
mod request;
mod runtime;
mod session;
mod spool;
mod take_over;
mod wait;

pub use self::apply::apply;
pub use self::completion::{ListedKind, list_names};
pub use self::diff::{Difference, diff};
pub use self::document::{Document, OriginalText, TakeOverEntries};
pub use self::events::EventHandler;
pub use self::object::InputObject;
pub use self::options::{ApplyOptions, OnImmutable, WaitOptions};
pub use self::report::{Outcome, Report, ReportRow};
pub use self::request::{FieldValidation, WriteOptions};
pub use self::session::SessionOptions;
pub use self::session::config::{ClusterOptions, KubeconfigNames, KubeconfigSource};
