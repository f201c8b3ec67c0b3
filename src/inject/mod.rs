//! The injection: what is asked for, and the edits that make it so in one document.
//!
//! `request` is what flags and spec files become; `filter` tells documents without a target by their bytes;
//! `plan` finds targets and decides edits; `env` does so for one container, `template` for those of Prefect 2 and 3,
//! with `base_job_template` and `block` for what stands around it; `metadata` for names, `checksum` for pods that must
//! be replaced. Texts and offsets are `yaml`'s business.

mod base_job_template;
mod block;
mod canonical;
mod checksum;
mod env;
mod filter;
pub mod layer;
mod metadata;
pub mod plan;
pub mod request;
pub mod spec;
mod template;
mod trial;

pub use checksum::ChangedMaps;
pub use filter::Filter;
pub use metadata::hashed_name;
pub use plan::{EmbeddedText, Known, NamedEntries, Notes, Plan, Planner};
pub use request::{Asked, Injection, Names, Variable};
pub use template::template_kind;
pub use trial::trial;
