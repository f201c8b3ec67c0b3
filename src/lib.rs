//! How jobplate edits manifests, without a command line: what is asked for, the edits that it needs, inputs to
//! output, and how errors look.
//!
//! The program in `main.rs` adds commands and a terminal. The libraries below are in `crates/`: `jobplate_yaml` makes
//! edits, `jobplate_manifest` knows Kubernetes' objects, `jobplate_prefect` knows Prefect, and `jobplate_diagnostic`
//! holds errors.
//!
//! | directory | decides |
//! |---|---|
//! | `render/` | how inputs become output, and when they are planned again |
//! | `inject/` | which edits a document needs |
//! | `diagnostic/` | how errors, notes and diffs look, and what is masked in them |

pub mod diagnostic;
pub mod inject;
pub mod render;
