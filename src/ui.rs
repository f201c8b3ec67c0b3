//! How the program talks to whoever called it: the terminal, GitHub Actions, kubectl.

#[cfg(feature = "cluster")]
pub(crate) mod events;
pub(crate) mod github;
pub(crate) mod invocation;
