//! The settings that a worker passes on to its flow runs as variables.

use jobplate_diagnostic::Result;

use super::effective::{EffectiveSetting, EffectiveSettings, ExportedVariable};
use super::home::{active_profile, profiles_path, resolve_home};
use super::prefect2::{self, PREFECT_2_SETTINGS};
use super::prefect3::PREFECT_3_SETTINGS;
use super::read::{SettingVariables, check_group, read_value};
use super::setting::{PREFIX, Setting, SettingKind};
use super::value::normalize;
use crate::pyvalue::environ::{Environ, EnvironVar, Resolved};
use crate::pyvalue::pydantic;
use crate::worker::version::WorkerVersion;

/// Returns the variables that a worker with this environment exports, in Prefect's order.
///
/// Files that could hold more settings are assumed to be missing: profiles, `.env`, `prefect.toml`, `pyproject.toml`.
///
/// # Errors
/// Fails if the worker would not start, or if the value of a setting is not supported.
pub(crate) fn export(environ: &Environ, version: WorkerVersion) -> Result<Vec<ExportedVariable>> {
    if !version.is_prefect_3() {
        return export_prefect_2(environ);
    }
    let variables = SettingVariables::new(environ);
    let profile = active_profile(environ)?;
    let mut settings = EffectiveSettings { entries: Vec::new(), home: resolve_home(environ, None)? };
    for setting in &PREFECT_3_SETTINGS {
        let variable = variables.get(setting).cloned().or_else(|| profile_variable(profile, setting));
        let Some(variable) = variable else { continue };
        let value = match (setting.name, setting.kind) {
            (_, SettingKind::Group) => {
                check_group(&variable)?;
                continue;
            }
            ("HOME", _) => {
                settings.home = resolve_home(environ, Some(&variable))?;
                Some(settings.home.clone())
            }
            ("PROFILES_PATH", _) => Some(profiles_path(&variable, &settings.home)?),
            (_, kind) => read_value(&variable, kind, normalize)?,
        };
        let location = variable.location;
        settings.entries.extend(value.map(|value| EffectiveSetting { setting, value, location }));
    }
    settings.check_api_url()?;
    settings.check_log_sizes()?;
    settings.resolve_database_url()?;
    settings.unset_replaced_log_levels();
    settings.limit_log_size_for_cloud();
    Ok(settings.into_exported())
}

/// Returns the variable that would set `setting` to its value in `profile`, or `None` if the profile does not set it.
fn profile_variable(profile: &[(&str, &str)], setting: &Setting) -> Option<EnvironVar> {
    let (name, value) = profile.iter().find(|(name, _)| *name == setting.name)?;
    Some(EnvironVar { name: format!("{PREFIX}{name}"), value: Resolved::Text((*value).to_owned()), location: None })
}

/// Returns the variables that a worker of Prefect 2 exports.
fn export_prefect_2(environ: &Environ) -> Result<Vec<ExportedVariable>> {
    let variables = SettingVariables::new(environ);
    let mut settings = EffectiveSettings { entries: Vec::new(), home: Resolved::Text(String::new()) };
    for setting in &PREFECT_2_SETTINGS {
        let Some(variable) = variables.get(setting) else { continue };
        let value = read_value(variable, setting.kind, prefect2::normalize)?;
        let location = variable.location.clone();
        settings.entries.extend(value.map(|value| EffectiveSetting { setting, value, location }));
    }
    settings.check_api_url()?;
    settings.check_log_sizes()?;
    Ok(settings.into_exported())
}

/// Returns whether a worker of Prefect 2 starts flow runs with `python -m prefect.engine`. A worker does so if enhanced
/// cancellation is disabled.
pub(in crate::worker) fn runs_engine(environ: &Environ) -> bool {
    let variable = SettingVariables::new(environ).by_name("EXPERIMENTAL_ENABLE_ENHANCED_CANCELLATION");
    variable.is_some_and(|variable| pydantic::parse_bool(variable.value.as_str()) == Some(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the exported variables as `NAME=VALUE` without `PREFECT_`, or the message of the error.
    fn exported(pairs: &[(&str, &str)]) -> String {
        match export(&Environ::from_pairs(pairs), WorkerVersion::default()) {
            Ok(exported) => {
                let to_line = |variable: &ExportedVariable| {
                    format!("{}={}", variable.name.trim_start_matches(PREFIX), variable.value.as_str())
                };
                exported.iter().map(to_line).collect::<Vec<_>>().join(" ")
            }
            Err(error) => format!("! {}", error.message()),
        }
    }

    #[test]
    fn reads_settings_by_name_and_former_name() {
        for (environ, expected) in [
            (&[][..], "SERVER_EPHEMERAL_ENABLED=True"),
            // The variables have Prefect's order and its current names.
            (
                &[
                    ("PREFECT_WORKER_QUERY_SECONDS", "30"),
                    ("PREFECT_CLIENT_ENABLE_METRICS", "on"),
                    ("PREFECT_API_KEY", "k"),
                    ("PATH", "/bin"),
                    ("PREFECT_NOTHING", "1"),
                    ("PREFECT_INTEGRATIONS_KUBERNETES_WORKER_API_KEY_SECRET_NAME", "s"),
                ],
                "API_KEY=k CLIENT_METRICS_ENABLED=True SERVER_EPHEMERAL_ENABLED=True WORKER_QUERY_SECONDS=30.0",
            ),
            // The current name has priority, then the last of the names that differ in case only.
            (
                &[("PREFECT_TASKS_DEFAULT_RETRIES", "1"), ("PREFECT_TASK_DEFAULT_RETRIES", "2")],
                "SERVER_EPHEMERAL_ENABLED=True TASKS_DEFAULT_RETRIES=1",
            ),
            (&[("PREFECT_UI_URL", "a"), ("prefect_ui_url", "b")], "SERVER_EPHEMERAL_ENABLED=True UI_URL=b"),
            // A value that only the cluster knows is left unchanged.
            (
                &[("PREFECT_WORKER_QUERY_SECONDS", "<Secret s, key k>"), ("PREFECT_API_KEY", "<Secret s, key k>")],
                "API_KEY=<Secret s, key k> SERVER_EPHEMERAL_ENABLED=True WORKER_QUERY_SECONDS=<Secret s, key k>",
            ),
            (&[("PREFECT_SERVER_EPHEMERAL_ENABLED", "no")], "SERVER_EPHEMERAL_ENABLED=False"),
            (&[("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "0")], "SERVER_EPHEMERAL_ENABLED=False"),
        ] {
            assert_eq!(exported(environ), expected, "{environ:?}");
        }
    }

    #[test]
    fn uses_the_profiles_that_prefect_ships() {
        for (environ, expected) in [
            (&[("PREFECT_PROFILE", "cloud")][..], ""),
            (&[("PREFECT_PROFILE", "local")], "API_URL=http://127.0.0.1:4200/api"),
            (&[("PREFECT_PROFILE", "local"), ("PREFECT_API_URL", "u")], "API_URL=u"),
            (
                &[("PREFECT_PROFILE", "test")],
                "SERVER_DATABASE_CONNECTION_URL=sqlite+aiosqlite:///:memory: SERVER_EPHEMERAL_ENABLED=True",
            ),
            (&[("PREFECT_PROFILE", "mine")], "SERVER_EPHEMERAL_ENABLED=True"),
            (&[("prefect_profile", "cloud")], "SERVER_EPHEMERAL_ENABLED=True"),
            (&[("PREFECT_PROFILE", "cloud"), ("PREFECT_HOME", "/p")], "HOME=/p SERVER_EPHEMERAL_ENABLED=True"),
            (&[("PREFECT_PROFILE", "cloud"), ("PREFECT_HOME", "")], "HOME=."),
            (&[("PREFECT_TEST_MODE", "0")], "TESTING_TEST_MODE=False"),
            (&[("prefect_test_mode", "0")], "SERVER_EPHEMERAL_ENABLED=True TESTING_TEST_MODE=False"),
        ] {
            assert_eq!(exported(environ), expected, "{environ:?}");
        }
        let old = export(&Environ::from_pairs(&[("PREFECT_API", "x")]), WorkerVersion([0, 4, 0]));
        assert!(old.is_ok_and(|exported| exported.is_empty()), "Prefect 2 has no groups and no default profile");
    }

    #[test]
    fn exports_settings_of_prefect_2_under_their_own_names() {
        let environ = Environ::from_pairs(&[
            ("PREFECT_AGENT_QUERY_INTERVAL", "5"),
            ("PREFECT_LOGGING_SERVER_LEVEL", "info"),
            ("PREFECT_SERVER_LOGGING_LEVEL", "x"),
            ("prefect_flow_default_retries", "3"),
            ("PREFECT_API_DATABASE_CONNECTION_URL", "u:$PREFECT_API_DATABASE_PASSWORD"),
            ("PREFECT_HOME", "~/p/"),
        ]);
        let exported = export(&environ, WorkerVersion([0, 4, 6])).expect("valid values");
        let to_line = |variable: &ExportedVariable| {
            format!("{}={}", variable.name.trim_start_matches(PREFIX), variable.value.as_str())
        };
        assert_eq!(
            exported.iter().map(to_line).collect::<Vec<_>>(),
            [
                "HOME=~/p",
                "FLOW_DEFAULT_RETRIES=3",
                "LOGGING_SERVER_LEVEL=INFO",
                "AGENT_QUERY_INTERVAL=5.0",
                "API_DATABASE_CONNECTION_URL=u:$PREFECT_API_DATABASE_PASSWORD",
            ]
        );
    }

    #[test]
    fn expands_home_directories() {
        for (environ, expected) in [
            (&[("PREFECT_HOME", "~/x//y/.")][..], "HOME=/root/x/y"),
            (&[("PREFECT_HOME", "./~"), ("HOME", "/h/")], "HOME=/h"),
            (&[("PREFECT_HOME", "~"), ("HOME", "<Secret s, key k>")], "HOME=<Secret s, key k>"),
            (&[("PREFECT_PROFILES_PATH", "$PREFECT_HOME/p")], "PROFILES_PATH=/root/.prefect/p"),
            (&[("PREFECT_PROFILES_PATH", "~/p"), ("PREFECT_HOME", "/h")], "HOME=/h PROFILES_PATH=~/p"),
            (
                &[("PREFECT_PROFILES_PATH", "$PREFECT_HOME/p"), ("PREFECT_HOME", "<Secret s, key k>")],
                "HOME=<Secret s, key k> PROFILES_PATH=<Secret s, key k>/p",
            ),
        ] {
            assert_eq!(exported(environ), format!("{expected} SERVER_EPHEMERAL_ENABLED=True"), "{environ:?}");
        }
    }

    #[test]
    fn applies_validators_across_settings() {
        let cloud = ("PREFECT_API_URL", "https://api.prefect.cloud/api/accounts/a");
        let size = "PREFECT_LOGGING_TO_API_MAX_LOG_SIZE";
        let database = "PREFECT_SERVER_DATABASE_CONNECTION_URL";
        let with_password = (database, "postgresql+asyncpg://u:${PREFECT_API_DATABASE_PASSWORD}@h/d");
        for (environ, expected) in [
            (&[cloud][..], "API_URL=https://api.prefect.cloud/api/accounts/a LOGGING_TO_API_MAX_LOG_SIZE=25000"),
            (&[cloud, (size, "24")], "API_URL=https://api.prefect.cloud/api/accounts/a LOGGING_TO_API_MAX_LOG_SIZE=24"),
            (&[("PREFECT_API_URL", "https://api.prefect.cloud")], "API_URL=https://api.prefect.cloud"),
            (
                &[("PREFECT_API_URL", "u/x"), ("PREFECT_CLOUD_API_URL", "u"), ("PREFECT_CLOUD_MAX_LOG_SIZE", "5")],
                "API_URL=u/x CLOUD_API_URL=u CLOUD_MAX_LOG_SIZE=5 LOGGING_TO_API_MAX_LOG_SIZE=5",
            ),
            (&[("PREFECT_API_URL", "u"), ("PREFECT_CLOUD_API_URL", "")], "API_URL=u CLOUD_API_URL="),
            (&[("PREFECT_API_URL", "<Secret s, key k>")], "API_URL=<Secret s, key k>"),
            (&[("PREFECT_DEBUG_MODE", "1"), ("PREFECT_LOGGING_LEVEL", "info")], "DEBUG_MODE=True"),
            (&[("PREFECT_DEBUG_MODE", "0"), ("PREFECT_LOGGING_LEVEL", "info")], "DEBUG_MODE=False LOGGING_LEVEL=INFO"),
            (&[with_password, ("PREFECT_API_DATABASE_PASSWORD", "p")], "SERVER_DATABASE_PASSWORD=p"),
            (&[(database, "x")], "SERVER_DATABASE_CONNECTION_URL=x"),
        ] {
            assert_eq!(exported(environ), format!("{expected} SERVER_EPHEMERAL_ENABLED=True"), "{environ:?}");
        }
        for (environ, expected) in [
            (&[with_password][..], "the URL of the database holds a password that is not set"),
            (
                &[("PREFECT_SERVER_DATABASE_DRIVER", "postgresql+asyncpg"), ("PREFECT_SERVER_DATABASE_USER", "u")],
                "PREFECT_SERVER_DATABASE_DRIVER needs PREFECT_SERVER_DATABASE_HOST",
            ),
            (
                &[("PREFECT_LOGGING_TO_API_BATCH_SIZE", "999999")],
                "PREFECT_LOGGING_TO_API_MAX_LOG_SIZE is more than PREFECT_LOGGING_TO_API_BATCH_SIZE",
            ),
            (&[("PREFECT_API_URL", "http://[")], "PREFECT_API_URL is not a URL"),
            (&[("PREFECT_TASK_DEFAULT_RETRIES", "x")], "PREFECT_TASK_DEFAULT_RETRIES is not an integer"),
            (&[("PREFECT_HOME", "~someone")], "PREFECT_HOME is in the home of a user who is not known here"),
            (&[("PREFECT_PROFILES_PATH", "")], "PREFECT_PROFILES_PATH is a directory"),
            (&[("PREFECT_API", "x")], "PREFECT_API is the name of a group of settings"),
        ] {
            assert_eq!(exported(environ), format!("! the worker does not start: {expected}"), "{environ:?}");
        }
        assert_eq!(
            exported(&[("PREFECT_LOGGING_EXTRA_LOGGERS", r#""\ud83d""#)]),
            "! PREFECT_LOGGING_EXTRA_LOGGERS has a lone surrogate, `NaN` in brackets, or too many brackets"
        );
        assert_eq!(exported(&[("PREFECT_API", " {} "), ("PREFECT_WORKER", "null")]), "SERVER_EPHEMERAL_ENABLED=True");
        assert_eq!(exported(&[("PREFECT_API", "{\"url\": \"u\"}")]), "! PREFECT_API sets a group of settings at once");
    }
}
