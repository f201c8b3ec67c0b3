//! Plans the edits that apply the requested changes to one document.
//!
//! `jobplate_yaml` applies the edits to text. `render` reads the documents of all inputs.
//!
//! | file | decides |
//! |---|---|
//! | `injection` | which changes one invocation can request |
//! | `layer` | how flags and spec files are merged, which of them contradict each other, and that a literal with a secret-looking name is refused (`--allow-plaintext`) |
//! | `target_pattern` | which patterns a target may have |
//! | `spec` | which keys a spec file may have |
//! | `prefilter` | which documents cannot have a target and are copied without being parsed |
//! | `scope` | which objects get an injection, and whether all of it or only Prefect's settings; `--skip-hooks` and `-l` |
//! | `planner` | which embedded documents are edited by default, and which container of an agent is edited instead of the first |
//! | `desired_envs` | which variables a container gets, where `--secret` and settings are refused, and which variables an agent overrides |
//! | `edit_plan` | what the plan of one document contains, and that no node is edited twice |
//! | `embedded_targets` | which documents in strings are targets: values of a ConfigMap, templates in values of a chart |
//! | `env/` | which entries of a container's `env` and `envFrom` are added, replaced and removed, and where new ones go |
//! | `prefect_template` | what is a template of Prefect 2 or 3, and which of its containers get the whole injection |
//! | `base_job_template` | what else in a base job template would override an entry |
//! | `block` | what else in a `KubernetesJob` block would override an entry, and how its patches are edited |
//! | `metadata` | how names and namespaces are set, and the hash of `--name-hash` |
//! | `checksum` | which pod templates get a new `checksum/` annotation when a ConfigMap changes |
//! | `dry_run` | the body of the dry run for `env` entries that another field manager owns |
//! | `canonical` | which parts of a value its hash depends on |
//! | `pass_context` | which facts one pass passes on to the next |
//! | `notes` | that a note is reported once |

mod base_job_template;
mod block;
mod canonical;
mod checksum;
mod desired_envs;
mod dry_run;
mod edit_plan;
mod embedded_targets;
mod env;
mod injection;
pub mod layer;
mod metadata;
mod notes;
mod pass_context;
mod planner;
mod prefect_template;
mod prefilter;
mod scope;
pub mod spec;
mod target_pattern;

pub use checksum::ChangedConfigMaps;
pub use dry_run::dry_run_body;
pub use edit_plan::{AddedSize, EditPlan, EmbeddedDocument, RequestedEntries};
pub use injection::{Injection, MetadataChanges, RequestedVariable, VariableSource};
pub use metadata::hashed_name;
pub use pass_context::PassContext;
pub use planner::EditPlanner;
pub use prefect_template::template_kind;
pub use prefilter::{Prefilter, Relevance};
