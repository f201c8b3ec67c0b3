//! Errors in words of our own: what servers and libraries say is searched for known words, and never passed on.

pub(crate) mod conflict;
pub(crate) mod status;
pub(crate) mod transport;
