//! A program of Prefect in a manifest: the environment of its container, and the words that it is started with.
//!
//! What Kubernetes makes of them is followed as far as it is known: `$(VAR)` is expanded, and a value that is in a
//! Secret or ConfigMap has a word in its place. Knows nothing of what the options mean.
//!
//! | file | decides |
//! |---|---|
//! | `container` | which container runs the program, and what its environment is |
//! | `start` | which words start a program |
//! | `shell` | which words a shell's script starts it with, and when that can't be known |
//! | `options` | which options are given |

mod container;
mod options;
mod shell;
mod start;

pub(crate) use container::{Deployed, find};
pub(crate) use options::Options;
pub use start::Program;
