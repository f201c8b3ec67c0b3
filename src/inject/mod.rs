//! The injection: what is asked for, and the edits that make it so in one document.
//!
//! Texts and offsets are `jobplate_yaml`'s business; how many documents there are, and in which files, `render`'s.
//!
//! | file | decides |
//! |---|---|
//! | `request` | what one call can ask for |
//! | `layer` | how flags and spec files add up, and which of them contradict each other |
//! | `spec` | what a spec file may hold |
//! | `filter` | which documents have no target, by their bytes alone |
//! | `scope` | which objects an injection is for, and how much of it each of them gets |
//! | `plan` | which containers and texts of a document are edited, and with which variables |
//! | `env` | the entries of one container's `env` and `envFrom`, and their order |
//! | `template` | what is a template of Prefect 2 or 3, and which of its containers get everything |
//! | `base_job_template` | what else in a base job template would override an entry |
//! | `block` | the same in a `KubernetesJob` block, and its patches |
//! | `metadata` | names and namespaces, and the name's hash |
//! | `checksum` | which pods use a changed ConfigMap, and the annotations that replace them |
//! | `trial` | what a dry run says outright to a server whose objects have entries in another way |
//! | `canonical` | what of a value counts in hashes |
//! | `known` | what one pass of planning finds out for the next |
//! | `notes` | that a remark is made once |

mod base_job_template;
mod block;
mod canonical;
mod checksum;
mod env;
mod filter;
mod known;
pub mod layer;
mod metadata;
mod notes;
mod plan;
mod request;
mod scope;
pub mod spec;
mod template;
mod trial;

pub use checksum::ChangedMaps;
pub use filter::Filter;
pub use known::Known;
pub use metadata::hashed_name;
pub use notes::Notes;
pub use plan::{EmbeddedText, NamedEntries, Plan, Planner};
pub use request::{Asked, Injection, Names, Variable};
pub use template::template_kind;
pub use trial::trial;
