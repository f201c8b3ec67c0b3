//! A Prefect 1 job template as the base job template of a Prefect 2 or 3 work pool (type `kubernetes`).
//!
//! The template's Job is laid over that of a base: what deployments should be able to change becomes the default of a
//! variable, everything else stays as it is. What a worker needs is added, and what has no successor is said.
//! Knows nothing of files and flags.

mod base;
mod conversion;
mod env;
mod input;
mod notes;
mod overlay;
mod rewrite;
mod variable_mapping;

pub use conversion::{Converted, convert};
