//! A program of Prefect in a manifest: its container's environment, and the options that it is started with.
//!
//! `$(VAR)` is expanded as Kubernetes expands it. A value in a Secret or ConfigMap has a placeholder. The module does not
//! know what the options mean.
//!
//! | file | decides |
//! |---|---|
//! | `container` | that exactly one container may run the program, its environment, and the placeholder for a value from a Secret (`<Secret NAME, key KEY>`) |
//! | `start` | which words of a command start Prefect |
//! | `shell` | which commands of a shell script are followed, and which are refused |
//! | `options` | which options of the agent or worker are set |

mod container;
mod options;
mod shell;
mod start;

pub(crate) use container::{ProgramContainer, find};
pub(crate) use options::Options;
pub use start::Program;
