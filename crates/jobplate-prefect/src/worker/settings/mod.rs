//! The settings in a worker's environment. Prefect's own it hands on to its flow runs: all that are set, in plain text,
//! parsed and written again (`get_current_settings().to_environment_variables(exclude_unset=True)` of prefect 3.8.8).
//! Those of prefect-kubernetes it reads for itself.
//!
//! | file | decides |
//! |---|---|
//! | `table` | which settings Prefect 3 and prefect-kubernetes have, and which are secrets |
//! | `prefect2` | which settings Prefect 2 has, and how their values are written again |
//! | `read` | which variable sets a setting |
//! | `value` | how a value is read and written again, by its kind |
//! | `url` | which URLs can be parsed |
//! | `home` | where Prefect's home is, and which profile is active |
//! | `set` | how settings affect each other, and which combinations Prefect rejects |
//! | `export` | which settings are passed on to flow runs as variables |
//! | `kubernetes` | which settings of prefect-kubernetes are set |

mod export;
mod home;
mod kubernetes;
mod prefect2;
mod read;
mod set;
mod table;
mod url;
mod value;

pub(super) use export::{export, runs_engine};
pub(super) use home::{PROFILE, has_profile};
pub(super) use kubernetes::{Given, keys, of_kubernetes};
pub(super) use set::Exported;
pub(super) use table::is_secret;
