//! The library of the `jobplate` program: plans and applies the edits of manifests, and prints diagnostics.
//!
//! The program in `main.rs` adds the commands and the terminal output. The library uses the crates in `crates/`:
//! `jobplate_yaml` applies edits, `jobplate_manifest` models Kubernetes objects, `jobplate_prefect` models Prefect, and
//! `jobplate_diagnostic` defines errors.
//!
//! | directory | decides |
//! |---|---|
//! | `render/` | how inputs are rendered, and when they are planned again |
//! | `inject/` | which edits a document needs |
//! | `check/` | what is reported about a manifest |
//! | `diagnostic/` | how errors, notes and diffs look, and what is masked in them |

pub mod check;
pub mod diagnostic;
pub mod inject;
pub mod render;
