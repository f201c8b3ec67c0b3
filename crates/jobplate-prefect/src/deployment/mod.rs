//! Reads the start of a Prefect program from a manifest: the container's environment and the program's options.
//!
//! `$(VAR)` is expanded like in Kubernetes. A placeholder represents a value in a Secret or ConfigMap. The meaning of
//! the options is left to the caller.
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

pub use container::{ImageVersion, find_object};
pub(crate) use container::{ProgramContainer, find};
pub(crate) use options::Options;
pub use start::Program;
