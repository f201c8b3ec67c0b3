//! The settings that are set, and the effects that they have on each other (the validators of Prefect's models).

use jobplate_diagnostic::{Error, Result};
use num_bigint::BigInt;

use super::prefect3::PREFECT_3_SETTINGS;
use super::setting::{PREFIX, Setting};
use crate::pyvalue::environ::Resolved;
use crate::pyvalue::source::{Location, locate};
use crate::pyvalue::url;

/// A variable that a worker exports to its flow runs.
#[derive(Clone, Debug)]
pub(in crate::worker) struct ExportedVariable {
    /// The name of the variable.
    pub name: String,
    /// The value of the variable.
    pub value: Resolved,
    /// The location in the worker's environment; `None` if Prefect sets the variable by default.
    pub location: Option<Location>,
}

/// A setting that is set.
pub(super) struct EffectiveSetting {
    /// The setting.
    pub(super) setting: &'static Setting,
    /// The value of the setting in the form that Prefect exports.
    pub(super) value: Resolved,
    /// The location that sets the setting; `None` if Prefect sets it by default.
    pub(super) location: Option<Location>,
}

/// All settings that are set, in the order of their table.
pub(super) struct EffectiveSettings {
    /// The settings.
    pub(super) entries: Vec<EffectiveSetting>,
    /// Prefect's home directory.
    pub(super) home: Resolved,
}

impl EffectiveSettings {
    /// Returns the variables to export.
    pub(super) fn into_exported(self) -> Vec<ExportedVariable> {
        let to_exported = |entry: EffectiveSetting| {
            let name = format!("{PREFIX}{}", entry.setting.name);
            ExportedVariable { name, value: entry.value, location: entry.location }
        };
        self.entries.into_iter().map(to_exported).collect()
    }

    fn get(&self, name: &str) -> Option<&EffectiveSetting> {
        self.entries.iter().find(|entry| entry.setting.name == name)
    }

    fn value(&self, name: &str) -> Option<&Resolved> {
        self.get(name).map(|entry| &entry.value)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.value(name).map(Resolved::as_str)
    }

    fn is_on(&self, name: &str) -> bool {
        self.value(name) == Some(&Resolved::Text("True".to_owned()))
    }

    /// Returns the value of an integer setting (`default` if it is not set), or `None` if only the cluster knows the
    /// value.
    fn number(&self, name: &str, default: i64) -> Option<BigInt> {
        self.text(name).map_or(Some(default.into()), |text| text.parse().ok())
    }

    fn unset(&mut self, name: &str) {
        self.entries.retain(|entry| entry.setting.name != name);
    }

    /// Returns the error for settings with which the worker does not start. The error points to the first of `names`
    /// that has a location.
    fn rejection_error(&self, names: &[&str], why: &str, correction: &str) -> Error {
        let location = names.iter().find_map(|name| self.get(name)?.location.as_ref());
        let error = Error::input(format!("the worker does not start: {why}"));
        locate(error.hint(format!("{correction}: Prefect fails here too")), location)
    }

    /// Fails if Prefect's check for common mistakes cannot parse the API URL, unless a setting disables the check.
    pub(super) fn check_api_url(&self) -> Result<()> {
        let is_rejected = matches!(self.value("API_URL"), Some(Resolved::Text(url)) if !url::can_be_parsed(url));
        if is_rejected && !self.is_on("SILENCE_API_URL_MISCONFIGURATION") {
            return Err(self.rejection_error(
                &["API_URL"],
                "PREFECT_API_URL is not a URL",
                "write http://HOST:4200/api",
            ));
        }
        Ok(())
    }

    /// Fails if a log can be larger than a batch of logs.
    pub(super) fn check_log_sizes(&self) -> Result<()> {
        let (log, batch) = ("LOGGING_TO_API_MAX_LOG_SIZE", "LOGGING_TO_API_BATCH_SIZE");
        match (self.number(log, 1_000_000), self.number(batch, 4_000_000)) {
            (Some(max), Some(size)) if size < max => {
                let why = format!("{PREFIX}{log} is more than {PREFIX}{batch}");
                Err(self.rejection_error(&[log, batch], &why, "no log can be larger than a batch of them"))
            }
            _ => Ok(()),
        }
    }

    /// Checks the settings of the server's database. Unsets its URL if Prefect inserts the password into the URL,
    /// because the URL then counts as not set.
    ///
    /// # Errors
    /// Fails if a part of a PostgreSQL URL is missing, or if the URL contains a password that is not set.
    pub(super) fn resolve_database_url(&mut self) -> Result<()> {
        const URL: &str = "SERVER_DATABASE_CONNECTION_URL";
        const DRIVER: &str = "SERVER_DATABASE_DRIVER";
        let get_part = |name: &str| self.text(&format!("SERVER_DATABASE_{name}"));
        let driver = get_part("DRIVER").unwrap_or_default();
        let url = match (self.text(URL), driver, get_part("NAME")) {
            (Some(url), ..) => url.to_owned(),
            (None, "postgresql+asyncpg", name) => {
                let needed = [("USER", get_part("USER")), ("HOST", get_part("HOST")), ("NAME", name)];
                if let Some((missing, _)) = needed.iter().find(|(_, value)| value.is_none()) {
                    let why = format!("{PREFIX}{DRIVER} needs {PREFIX}SERVER_DATABASE_{missing}");
                    return Err(self.rejection_error(&[DRIVER], &why, "add it, or remove the driver"));
                }
                needed.map(|(_, value)| value.unwrap_or_default()).join(" ")
            }
            (None, "sqlite+aiosqlite", Some(name)) if !name.is_empty() => name.to_owned(),
            (None, ..) => self.home.as_str().to_owned(),
        };
        if ["PREFECT_API_DATABASE_PASSWORD", "PREFECT_SERVER_DATABASE_PASSWORD"].iter().any(|name| url.contains(name)) {
            if get_part("PASSWORD").is_none() {
                let why = "the URL of the database holds a password that is not set";
                return Err(self.rejection_error(
                    &[URL, "SERVER_DATABASE_NAME"],
                    why,
                    "add PREFECT_SERVER_DATABASE_PASSWORD",
                ));
            }
            self.unset(URL);
        }
        Ok(())
    }

    /// Unsets the log levels in debug and test mode, where Prefect replaces them.
    pub(super) fn unset_replaced_log_levels(&mut self) {
        if self.is_on("DEBUG_MODE") || self.is_on("TESTING_TEST_MODE") {
            self.unset("LOGGING_LEVEL");
            self.unset("INTERNAL_LOGGING_LEVEL");
        }
    }

    /// Limits the size of a log to Prefect Cloud's maximum, if the worker uses Prefect Cloud's API.
    pub(super) fn limit_log_size_for_cloud(&mut self) {
        const SIZE: &str = "LOGGING_TO_API_MAX_LOG_SIZE";
        const CLOUD_SIZE: &str = "CLOUD_MAX_LOG_SIZE";
        let url = self.text("API_URL").unwrap_or_default();
        let cloud = self.text("CLOUD_API_URL").unwrap_or("https://api.prefect.cloud/api");
        if url.is_empty() || cloud.is_empty() || !url.starts_with(cloud) {
            return;
        }
        let value = match (self.number(SIZE, 1_000_000), self.number(CLOUD_SIZE, 25_000)) {
            (Some(size), Some(max)) => Resolved::Text(size.min(max).to_string()),
            (None, _) => return,
            (_, None) => Resolved::Unknown(self.text(CLOUD_SIZE).unwrap_or_default().to_owned()),
        };
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.setting.name == SIZE) {
            entry.value = value;
            return;
        }
        let Some(index) = PREFECT_3_SETTINGS.iter().position(|setting| setting.name == SIZE) else { return };
        let (before, setting) = (&PREFECT_3_SETTINGS[..index], &PREFECT_3_SETTINGS[index]);
        let is_before = |entry: &EffectiveSetting| before.iter().any(|before| before.name == entry.setting.name);
        let position = self.entries.partition_point(is_before);
        self.entries.insert(position, EffectiveSetting { setting, value, location: None });
    }
}
