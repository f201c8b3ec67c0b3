//! The settings that are secrets.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::prefect2::PREFECT_2_SETTINGS;
use super::prefect3::PREFECT_3_SETTINGS;
use super::setting::{PREFIX, SettingKind};

/// Returns whether a variable sets a setting whose value must not be shown. These settings include HTTP headers, which
/// often hold credentials.
pub(in crate::worker) fn is_secret(variable: &str) -> bool {
    static NAMES: LazyLock<HashSet<&str>> = LazyLock::new(|| {
        let settings = PREFECT_3_SETTINGS.iter().chain(&PREFECT_2_SETTINGS);
        let secrets = settings.filter(|setting| matches!(setting.kind, SettingKind::Secret | SettingKind::Headers));
        secrets.flat_map(|setting| [Some(setting.name), setting.former_name]).flatten().collect()
    });
    variable.strip_prefix(PREFIX).is_some_and(|name| NAMES.contains(name))
}
