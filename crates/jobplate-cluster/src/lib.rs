//! Talks to the Kubernetes API: applies manifests, shows the changes that an apply would make, waits for Jobs and
//! follows their logs.
//!
//! Takes rendered [`Document`]s and sends them unchanged; only the items of a List are converted to JSON. Reports
//! progress to an [`EventHandler`], and returns the outcomes in a [`Report`]. The crate knows nothing about flags,
//! injection or rendering, never writes to standard output or standard error, and never ends the process. It is the
//! only crate that opens sockets or has an async runtime.
//!
//! # Modules
//!
//! | file | decides |
//! |---|---|
//! | `options.rs` | the options of an apply |
//! | `write_options.rs` | the parameters of all writes |
//! | `document.rs` | which bytes of the input each byte of a rendered document comes from |
//! | `spool.rs` | how documents are stored during a run: in a temporary file, read by offset |
//! | `object.rs` | which bytes are sent for an object (items of a List as JSON), and where errors about it are shown |
//! | `namespaces.rs` | the namespace of an object; that `-n` and the manifest agree |
//! | `inventory.rs` | the objects to apply and their requirements; that there are no duplicates |
//! | `phases.rs` | the order in which objects are sent: Namespaces and CustomResourceDefinitions first, Jobs last |
//! | `apply.rs` | how many objects are sent concurrently, which failures end a run, and what is reported after Ctrl-C |
//! | `dry_run.rs` | what counts as a successful dry run, and whether an apply would change anything |
//! | `apply_object.rs` | how one object is applied, and how long the apply waits for a new CustomResourceDefinition |
//! | `create.rs` | how an object with `generateName` is created |
//! | `outcome.rs` | whether an object was created, configured or left unchanged |
//! | `deletion.rs` | which objects are being deleted, and how long the apply waits until they are gone |
//! | `immutable.rs` | whether a live Job is immutable, and how the error describes it |
//! | `on_immutable.rs` | what is done about an immutable Job: fail, skip or recreate |
//! | `job_fields.rs` | which fields of a live Job and a new one count as different |
//! | `recreate.rs` | when a Job may be deleted, and what is known about it after a failure |
//! | `take_over.rs` | when env entries are taken over (never those of a Job), and the number of attempts |
//! | `managed_fields.rs` | the owners of fields, which env entries change owners, and the patch for the change |
//! | `fields_v1.rs` | the keys of `fieldsV1` trees, and how subtrees are moved |
//! | `diff.rs` | what a diff compares, and what it leaves out |
//! | `live.rs` | which fields of a live object belong to the server |
//! | `wait/mod.rs` | when the wait for a Job ends |
//! | `wait/awaited_job.rs` | what identifies a Job to wait for |
//! | `wait/watch.rs` | what is listed and watched, what is read without the permission to watch, and when a Job cannot be watched |
//! | `wait/tracked_job.rs` | what a change means for a Job, and how long a pod may be unable to start |
//! | `wait/job_state.rs` | whether a Job is running, is complete or has failed |
//! | `wait/pod_start.rs` | which reasons permanently prevent the start of a pod |
//! | `wait/messages.rs` | which messages of Kubernetes' components are shown |
//! | `logs.rs` | which logs are followed, and from which line they are resumed |
//! | `pods.rs` | what is read from the status of a pod, and the pause before a log is resumed |
//! | `report.rs` | the names of the outcomes in reports (`created`, `configured`, ...) |
//! | `events.rs` | what is reported during a run |
//! | `run_reporter.rs` | the order of the reported rows, and which failures are only counted |
//! | `completion.rs` | which names from a cluster are completion candidates |
//! | `kinds.rs` | the resource of a kind: from a table, or by API discovery |
//! | `request.rs` | the path, query, headers and body of each request, and which requests may be retried |
//! | `refusal.rs` | the error for a rejected apply, and the flags that it suggests |
//! | `errors/status.rs` | what can be read from the status of a rejected request |
//! | `errors/describe.rs` | the error for a status, with the table of general statuses |
//! | `errors/rules.rs` | how a status is matched against a table |
//! | `errors/forbidden.rs` | the error for 403: missing permissions and denials, with their table |
//! | `errors/admission.rs` | which messages of the server are shown: those of policies, webhooks, LimitRanges and quotas |
//! | `errors/schema.rs` | the error for an object that does not fit the schema of its kind |
//! | `errors/invalid.rs` | the error for 422, with the table of known causes |
//! | `errors/invalid_fields.rs` | the causes of 422 whose description needs data of the document |
//! | `errors/conflict.rs` | which fields conflict, and which of their values are shown |
//! | `errors/transport.rs` | why a request got no response, and the message for it |
//! | `session/mod.rs` | how long requests are retried (30 s), and when a run stops sending requests |
//! | `session/config.rs` | which context, cluster and user of a kubeconfig are used, and which flags override them |
//! | `session/in_cluster.rs` | what is read from the service account of a pod |
//! | `session/credentials.rs` | when a token file is read again, and when a credential plugin runs |
//! | `session/connection.rs` | the timeout of a request, and when it is retried |
//! | `session/client.rs` | the credentials of a request, and when it is repeated with new ones |
//! | `session/interrupt.rs` | which signals cancel a run, and what the first and the second one do |
//! | `runtime.rs` | which async runtime the crate uses |
//!
//! # Example
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use jobplate_cluster::{
//!     ApplyOptions, ClusterOptions, Document, EventHandler, FieldValidation, KubeconfigSource, OnImmutable,
//!     SessionOptions, WriteOptions,
//! };
//!
//! struct Silent;
//! impl EventHandler for Silent {}
//!
//! let session = SessionOptions {
//!     cluster: ClusterOptions {
//!         kubeconfigs: Some(KubeconfigSource::Flag("kubeconfig".into())),
//!         ..ClusterOptions::default()
//!     },
//!     namespace: Some("flows".to_owned()),
//!     request_timeout: Some(Duration::from_secs(60)),
//!     concurrency: 4,
//!     write_options: WriteOptions {
//!         field_manager: "jobplate".to_owned(),
//!         field_validation: FieldValidation::Strict,
//!     },
//!     includes_hangup: true,
//!     on_listening: || (),
//!     on_second_interrupt: || std::process::exit(130),
//! };
//! let options = ApplyOptions {
//!     dry_run: false,
//!     preflight: true,
//!     force_conflicts: false,
//!     take_over: false,
//!     on_immutable: OnImmutable::Fail,
//!     show_live: false,
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
mod deletion;
mod diff;
mod document;
mod dry_run;
mod errors;
mod events;
mod fields_v1;
mod immutable;
mod inventory;
mod job_fields;
mod kinds;
mod live;
mod logs;
mod managed_fields;
mod namespaces;
mod object;
mod on_immutable;
mod options;
mod outcome;
mod phases;
mod pods;
mod recreate;
mod refusal;
mod report;
mod request;
mod run_reporter;
mod runtime;
mod session;
mod spool;
mod take_over;
mod wait;
mod write_options;

pub use self::apply::apply;
pub use self::completion::{ListedKind, list_names};
pub use self::diff::{Difference, diff};
pub use self::document::{Document, OriginalText, TakeOverEntries};
pub use self::events::EventHandler;
pub use self::object::InputObject;
pub use self::options::{ApplyOptions, OnImmutable, WaitGoal, WaitOptions};
pub use self::report::{Outcome, Report, ReportRow};
pub use self::session::SessionOptions;
pub use self::session::config::{ClusterOptions, KubeconfigNames, KubeconfigSource};
pub use self::session::in_cluster::ServiceAccount;
pub use self::write_options::{FieldValidation, WriteOptions};
