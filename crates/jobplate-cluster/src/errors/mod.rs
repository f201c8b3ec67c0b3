//! Describes failures in the program's own words. Messages from servers and libraries may quote secret values, so they
//! are matched against known patterns. Only messages of admission are shown, after the values are masked.

mod admission;
pub(crate) mod conflict;
pub(crate) mod describe;
mod forbidden;
mod invalid;
mod invalid_fields;
mod rules;
mod schema;
pub(crate) mod status;
pub(crate) mod transport;
