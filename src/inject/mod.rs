//! The injection: what is asked for, and the edits that make it so in one document.
//!
//! Texts and offsets are `jobplate_yaml`'s business; how many documents there are, and in which files, `render`'s.
//!
//! | file | decides |
//! |---|---|
//! | `injection` | what one call can ask for |
//! | `layer` | how flags and spec files add up, which of them contradict each other, and that a literal with a secret-looking name is refused (`--allow-plaintext`) |
//! | `spec` | which keys a spec file may have |
//! | `prefilter` | from bytes alone, which documents have no target and are copied without being parsed |
//! | `scope` | which objects get an injection, and whether all of it or only Prefect's settings; `--skip-hooks` and `-l` |
//! | `plan` | which embedded documents are edited by default, which container of an agent is edited instead of the first, and with which variables; where `--secret` and settings are refused; which names a take-over is about |
//! | `env` | which entries of a container's `env` and `envFrom` are added, replaced and removed, and where new ones go |
//! | `template` | what is a template of Prefect 2 or 3, and which of its containers get everything |
//! | `base_job_template` | what else in a base job template would override an entry |
//! | `block` | what else in a `KubernetesJob` block would override an entry, and how its patches are edited |
//! | `metadata` | how names and namespaces are set, and the hash of `--name-hash` |
//! | `checksum` | which pod templates get a new `checksum/` annotation when a ConfigMap changes |
//! | `dry_run` | the body of the dry run for `env` entries that another field manager owns |
//! | `canonical` | which parts of a value count in hashes |
//! | `pass_context` | which facts one pass passes on to the next |
//! | `notes` | that a note is reported once |

mod base_job_template;
mod block;
mod canonical;
mod checksum;
mod dry_run;
mod env;
mod injection;
pub mod layer;
mod metadata;
mod notes;
mod pass_context;
mod plan;
mod prefilter;
mod scope;
pub mod spec;
mod template;

pub use checksum::ChangedConfigMaps;
pub use dry_run::dry_run_body;
pub use injection::{Injection, MetadataChanges, RequestedVariable, VariableSource};
pub use metadata::hashed_name;
pub use notes::Notes;
pub use pass_context::PassContext;
pub use plan::{EditPlan, EditPlanner, EmbeddedDocument, RequestedEntries};
pub use prefilter::{Prefilter, Relevance};
pub use template::template_kind;
