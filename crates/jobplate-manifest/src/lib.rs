//! Manifests: objects in documents, where their pod templates are, containers, selection.
//!
//! All of it is generic Kubernetes; nothing here knows Prefect, flags or files.

pub mod container;
pub mod difference;
pub mod embedded;
pub mod env;
pub mod env_file;
pub mod field;
pub mod json;
pub mod names;
pub mod object;
pub mod secret;
pub mod select;
pub mod selector;
pub mod sendable;
pub mod sensitive;
pub mod workload;
