//! jobplate puts secret references and Prefect settings into Kubernetes job templates, and changes only
//! the bytes it must.
//!
//! The way of the data, one direction, no way back:
//!
//! ```text
//! bytes > yaml::Documents > yaml::scan > manifest > inject::plan > yaml::layout > yaml::verify > render
//!         split             spans        targets    edits          splices        proof          output
//! ```
//!
//! | room         | holds                                                              | may import              |
//! |--------------|--------------------------------------------------------------------|-------------------------|
//! | [`yaml`]     | split, scan, edits, splices, verification; nothing of Kubernetes   | nothing                 |
//! | [`manifest`] | objects, pod templates, containers, env, selection; nothing of Prefect | yaml                |
//! | [`python`]   | Python's values, and what its readers make of text; nothing of Prefect | yaml                |
//! | [`prefect`]  | names, roles, and the Job that an agent makes, as data; nothing of files, flags or splices | python, manifest, yaml |
//! | [`inject`]   | what is asked for, and the edits that make it so                   | prefect, manifest, yaml |
//! | [`render`]   | the passes over inputs, in bounded memory                          | inject, manifest, yaml  |
//! | `cluster`   | the API server: apply, diff, waiting; the only room with a socket   | manifest, yaml          |
//! | [`report`]   | errors and diffs for people, and the one masker                    | yaml                    |
//! | [`cli`]      | arguments, one file per command; nobody imports it                 | all                     |
//!
//! [`error`] is everyone's. `tests/architecture.rs` holds the table against the code.

pub mod cli;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod error;
pub mod inject;
pub mod manifest;
pub mod prefect;
pub mod python;
pub mod render;
pub mod report;
pub mod yaml;
