//! The settings in a worker's environment. A worker exports every Prefect setting that is set to its flow runs as plain
//! text, in normalized form (`get_current_settings().to_environment_variables(exclude_unset=True)` of prefect 3.8.8).
//! The worker uses the settings of prefect-kubernetes itself.
//!
//! | file | decides |
//! |---|---|
//! | `setting` | which kinds of values settings have |
//! | `prefect3` | which settings Prefect 3 has |
//! | `prefect2` | which settings Prefect 2 has, and how their values are normalized |
//! | `kubernetes` | which settings prefect-kubernetes has, and which of them are set |
//! | `secret` | which settings are secrets |
//! | `read` | which variable sets a setting |
//! | `value` | how a value of each kind is parsed and normalized |
//! | `structured_value` | how values that are JSON or lists are normalized |
//! | `home` | where Prefect's home is, and which profile is active |
//! | `effective` | how settings affect each other, and which combinations Prefect rejects |
//! | `export` | which settings are passed on to flow runs as variables |

mod effective;
mod export;
mod home;
mod kubernetes;
mod prefect2;
mod prefect3;
mod read;
mod secret;
mod setting;
mod structured_value;
mod value;

pub(super) use effective::ExportedVariable;
pub(super) use export::{export, runs_engine};
pub(super) use home::{PROFILE_VARIABLE, has_profile};
pub use kubernetes::KUBERNETES_SETTINGS;
pub(super) use kubernetes::{KubernetesSetting, keys_with_prefix, read_kubernetes_settings};
pub use prefect2::PREFECT_2_SETTINGS;
pub use prefect3::PREFECT_3_SETTINGS;
pub(super) use secret::is_secret;
pub use setting::{Limits, Setting, SettingKind};
