//! A Prefect 1 job template as the base job template of a Prefect 2 or 3 work pool (type `kubernetes`).
//!
//! The template's Job is laid over that of a base: what deployments should be able to change becomes the default of a
//! variable, everything else stays as it is. What a worker needs is added, and what has no successor is said.
//! Knows nothing of files and flags.
//!
//! | file | decides |
//! |---|---|
//! | `input` | what is a job template, and which of its parts count |
//! | `base` | what is built on, and which variables it has |
//! | `conversion` | what becomes of each part of the Job |
//! | `overlay` | what becomes the default of a variable, and what stays in the Job |
//! | `flow_env` | what becomes of each entry of the flow's `env` |
//! | `variable_mapping` | which variable of Prefect 1 has which name in Prefect 2 and 3 |
//! | `rewrite` | what changes within a value |
//! | `notes` | the order of the notes |

mod base;
mod conversion;
mod flow_env;
mod input;
mod notes;
mod overlay;
mod rewrite;
mod variable_mapping;

pub use conversion::{Converted, convert};
