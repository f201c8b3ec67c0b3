//! Settings that are set, and what they make of each other.

use jobplate_diagnostic::{Error, Result};
use num_bigint::BigInt;

use super::table::{PREFIX, Setting, settings};
use super::url;
use crate::pyvalue::environ::Resolved;
use crate::pyvalue::source::{Location, locate};

/// A variable that a worker exports to its flow runs.
#[derive(Clone, Debug)]
pub(in crate::worker) struct Exported {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Resolved,
    /// Where it is written; none for what Prefect sets without being asked.
    pub location: Option<Location>,
}

/// All settings that are set, in their order.
pub(super) struct Set {
    pub(super) entries: Vec<(Setting, Resolved, Option<Location>)>,
    pub(super) home: Resolved,
}

impl Set {
    pub(super) fn exported(self) -> Vec<Exported> {
        let exported =
            |(Setting { name, .. }, value, location)| Exported { name: format!("{PREFIX}{name}"), value, location };
        self.entries.into_iter().map(exported).collect()
    }

    fn get(&self, name: &str) -> Option<&(Setting, Resolved, Option<Location>)> {
        self.entries.iter().find(|(setting, ..)| setting.name == name)
    }

    fn value(&self, name: &str) -> Option<&Resolved> {
        self.get(name).map(|(_, value, _)| value)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.value(name).map(Resolved::as_str)
    }

    fn is_on(&self, name: &str) -> bool {
        self.value(name) == Some(&Resolved::Text("True".to_owned()))
    }

    /// A whole number; none where it is not known.
    fn number(&self, name: &str, default: i64) -> Option<BigInt> {
        self.text(name).map_or(Some(default.into()), |text| text.parse().ok())
    }

    fn remove(&mut self, name: &str) {
        self.entries.retain(|(setting, ..)| setting.name != name);
    }

    /// The worker would not start, for what one of these settings says.
    fn fail(&self, names: &[&str], why: &str, write: &str) -> Error {
        let location = names.iter().find_map(|name| self.get(name)?.2.as_ref());
        let error = Error::input(format!("the worker does not start: {why}"));
        locate(error.hint(format!("Prefect itself fails here; {write}")), location)
    }

    /// Prefect looks for mistakes in the URL of the API, unless it is told not to.
    pub(super) fn check_url(&self) -> Result<()> {
        let is_refused = matches!(self.value("API_URL"), Some(Resolved::Text(url)) if !url::is_parsed(url));
        if is_refused && !self.is_on("SILENCE_API_URL_MISCONFIGURATION") {
            return Err(self.fail(&["API_URL"], "PREFECT_API_URL is no URL", "write http://HOST:4200/api"));
        }
        Ok(())
    }

    pub(super) fn check_sizes(&self) -> Result<()> {
        let (log, batch) = ("LOGGING_TO_API_MAX_LOG_SIZE", "LOGGING_TO_API_BATCH_SIZE");
        match (self.number(log, 1_000_000), self.number(batch, 4_000_000)) {
            (Some(most), Some(size)) if size < most => {
                let why = format!("{PREFIX}{log} is more than {PREFIX}{batch}");
                Err(self.fail(&[log, batch], &why, "no log can be larger than a batch of them"))
            }
            _ => Ok(()),
        }
    }

    /// Where the server's database is. A URL that its password is put into is no longer taken to be set.
    pub(super) fn settle_database(&mut self) -> Result<()> {
        const URL: &str = "SERVER_DATABASE_CONNECTION_URL";
        const DRIVER: &str = "SERVER_DATABASE_DRIVER";
        let part = |name: &str| self.text(&format!("SERVER_DATABASE_{name}"));
        let driver = part("DRIVER").unwrap_or_default();
        let url = match (self.text(URL), driver, part("NAME")) {
            (Some(url), ..) => url.to_owned(),
            (None, "postgresql+asyncpg", name) => {
                let needed = [("USER", part("USER")), ("HOST", part("HOST")), ("NAME", name)];
                if let Some((missing, _)) = needed.iter().find(|(_, own)| own.is_none()) {
                    let why = format!("{PREFIX}{DRIVER} needs {PREFIX}SERVER_DATABASE_{missing}");
                    return Err(self.fail(&[DRIVER], &why, "add it, or leave the driver out"));
                }
                needed.map(|(_, own)| own.unwrap_or_default()).join(" ")
            }
            (None, "sqlite+aiosqlite", Some(name)) if !name.is_empty() => name.to_owned(),
            (None, ..) => self.home.as_str().to_owned(),
        };
        if ["PREFECT_API_DATABASE_PASSWORD", "PREFECT_SERVER_DATABASE_PASSWORD"].iter().any(|name| url.contains(name)) {
            if part("PASSWORD").is_none() {
                let why = "the URL of the database holds a password that is not set";
                return Err(self.fail(&[URL, "SERVER_DATABASE_NAME"], why, "add PREFECT_SERVER_DATABASE_PASSWORD"));
            }
            self.remove(URL);
        }
        Ok(())
    }

    /// Where all is logged, no level is taken to be set.
    pub(super) fn settle_levels(&mut self) {
        if self.is_on("DEBUG_MODE") || self.is_on("TESTING_TEST_MODE") {
            self.remove("LOGGING_LEVEL");
            self.remove("INTERNAL_LOGGING_LEVEL");
        }
    }

    /// No log may be larger than Prefect Cloud takes, where its API is that of the worker.
    pub(super) fn settle_log_size(&mut self) {
        const SIZE: &str = "LOGGING_TO_API_MAX_LOG_SIZE";
        const CLOUD_SIZE: &str = "CLOUD_MAX_LOG_SIZE";
        let url = self.text("API_URL").unwrap_or_default();
        let cloud = self.text("CLOUD_API_URL").unwrap_or("https://api.prefect.cloud/api");
        if url.is_empty() || cloud.is_empty() || !url.starts_with(cloud) {
            return;
        }
        let value = match (self.number(SIZE, 1_000_000), self.number(CLOUD_SIZE, 25_000)) {
            (Some(own), Some(most)) => Resolved::Text(own.min(most).to_string()),
            (None, _) => return,
            (_, None) => Resolved::Unknown(self.text(CLOUD_SIZE).unwrap_or_default().to_owned()),
        };
        if let Some((_, own, _)) = self.entries.iter_mut().find(|(setting, ..)| setting.name == SIZE) {
            *own = value;
            return;
        }
        let order = |name: &str| settings().position(|setting| setting.name == name);
        let behind = self.entries.iter().position(|(setting, ..)| order(setting.name) > order(SIZE));
        if let Some(setting) = settings().find(|setting| setting.name == SIZE) {
            self.entries.insert(behind.unwrap_or(self.entries.len()), (setting, value, None));
        }
    }
}
