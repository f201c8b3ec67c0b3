//! Describes failures in the program's own words. Messages from servers and libraries may quote secret values, so they
//! are matched against known patterns and never shown.

pub(crate) mod conflict;
pub(crate) mod describe;
mod forbidden;
mod invalid;
mod rules;
mod schema;
pub(crate) mod status;
pub(crate) mod transport;
