//! What a worker passes on of Prefect's own settings to its flow runs.

use jobplate_diagnostic::Result;

use super::home::{active_profile, home, profiles_path};
use super::prefect2;
use super::read::{Variables, group, plain, read_by};
use super::set::{Exported, Set};
use super::table::{PREFIX, Setting, lines, settings};
use crate::pyvalue::environ::{Environ, EnvironVar, Resolved};
use crate::pyvalue::pydantic;
use crate::worker::version::WorkerVersion;

/// What a worker with this environment hands on, in Prefect's order. Fails where the worker would not start.
///
/// Files that set something are taken to be missing: profiles, `.env`, `prefect.toml` and `pyproject.toml`.
pub(crate) fn export(environ: &Environ, version: WorkerVersion) -> Result<Vec<Exported>> {
    if !version.is_prefect_3() {
        return export_of_2(environ);
    }
    let variables = Variables::of(environ);
    let profile = active_profile(environ)?;
    let mut set = Set { entries: Vec::new(), home: home(environ, None)? };
    for setting @ Setting { name, kind, .. } in settings() {
        let variable = variables.of_setting(setting);
        let by_profile = || {
            let (name, value) = profile.iter().find(|(own, _)| *own == name)?;
            let value = Resolved::Text((*value).to_owned());
            Some(EnvironVar { name: format!("{PREFIX}{name}"), value, location: None })
        };
        let Some(variable) = variable.cloned().or_else(by_profile) else { continue };
        let value = match kind {
            "group" => {
                group(&variable)?;
                continue;
            }
            "home" => {
                set.home = home(environ, Some(&variable))?;
                Some(set.home.clone())
            }
            "path$" => Some(profiles_path(&variable, &set.home)?),
            _ => plain(&variable, kind)?,
        };
        if let Some(value) = value {
            set.entries.push((setting, value, variable.location));
        }
    }
    set.check_url()?;
    set.check_sizes()?;
    set.settle_database()?;
    set.settle_levels();
    set.settle_log_size();
    Ok(set.exported())
}

/// The same for a worker of Prefect 2.
fn export_of_2(environ: &Environ) -> Result<Vec<Exported>> {
    let variables = Variables::of(environ);
    let mut set = Set { entries: Vec::new(), home: Resolved::Text(String::new()) };
    for setting in lines(prefect2::TABLE) {
        let Some(variable) = variables.of_setting(setting) else { continue };
        if let Some(value) = read_by(prefect2::written_again, variable, setting.kind)? {
            set.entries.push((setting, value, variable.location.clone()));
        }
    }
    set.check_url()?;
    set.check_sizes()?;
    Ok(set.exported())
}

/// Whether a worker of Prefect 2 is told by a setting to run flows by the engine.
pub(in crate::worker) fn runs_engine(environ: &Environ) -> bool {
    let setting = lines(prefect2::TABLE).find(|own| own.name == "EXPERIMENTAL_ENABLE_ENHANCED_CANCELLATION");
    let variable = setting.and_then(|setting| Variables::of(environ).of_setting(setting));
    variable.is_some_and(|own| pydantic::parse_bool(own.value.as_str()) == Some(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is exported, as `NAME=VALUE` without `PREFECT_`; of a failure what is wrong.
    fn exported(pairs: &[(&str, &str)]) -> String {
        match export(&Environ::from_pairs(pairs), WorkerVersion::default()) {
            Ok(exported) => {
                let line = |own: &Exported| format!("{}={}", own.name.trim_start_matches(PREFIX), own.value.as_str());
                exported.iter().map(line).collect::<Vec<_>>().join(" ")
            }
            Err(error) => format!("! {}", error.message()),
        }
    }

    #[test]
    fn settings_are_read_by_their_names() {
        for (environ, wanted) in [
            (&[][..], "SERVER_EPHEMERAL_ENABLED=True"),
            // Their order is Prefect's, their names are the new ones.
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
            // The new name wins, and the last of those that differ in case alone.
            (
                &[("PREFECT_TASKS_DEFAULT_RETRIES", "1"), ("PREFECT_TASK_DEFAULT_RETRIES", "2")],
                "SERVER_EPHEMERAL_ENABLED=True TASKS_DEFAULT_RETRIES=1",
            ),
            (&[("PREFECT_UI_URL", "a"), ("prefect_ui_url", "b")], "SERVER_EPHEMERAL_ENABLED=True UI_URL=b"),
            (
                &[("PREFECT_UI_URL", "a"), ("prefect_ui_url", "b"), ("PREFECT_UI_URL", "c")],
                "SERVER_EPHEMERAL_ENABLED=True UI_URL=b",
            ),
            // What the cluster alone knows is handed on as it is.
            (
                &[("PREFECT_WORKER_QUERY_SECONDS", "<Secret s, key k>"), ("PREFECT_API_KEY", "<Secret s, key k>")],
                "API_KEY=<Secret s, key k> SERVER_EPHEMERAL_ENABLED=True WORKER_QUERY_SECONDS=<Secret s, key k>",
            ),
            (&[("PREFECT_SERVER_EPHEMERAL_ENABLED", "no")], "SERVER_EPHEMERAL_ENABLED=False"),
            (&[("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "0")], "SERVER_EPHEMERAL_ENABLED=False"),
        ] {
            assert_eq!(exported(environ), wanted, "{environ:?}");
        }
    }

    #[test]
    fn profiles_are_prefects_own() {
        for (environ, wanted) in [
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
            assert_eq!(exported(environ), wanted, "{environ:?}");
        }
        let old = export(&Environ::from_pairs(&[("PREFECT_API", "x")]), WorkerVersion([0, 4, 0]));
        assert!(old.is_ok_and(|exported| exported.is_empty()), "Prefect 2 has neither");
    }

    #[test]
    fn settings_of_prefect_2_keep_their_names() {
        let environ = Environ::from_pairs(&[
            ("PREFECT_AGENT_QUERY_INTERVAL", "5"),
            ("PREFECT_LOGGING_SERVER_LEVEL", "info"),
            ("PREFECT_SERVER_LOGGING_LEVEL", "x"),
            ("prefect_flow_default_retries", "3"),
            ("PREFECT_API_DATABASE_CONNECTION_URL", "u:$PREFECT_API_DATABASE_PASSWORD"),
            ("PREFECT_HOME", "~/p/"),
        ]);
        let exported = export(&environ, WorkerVersion([0, 4, 6])).expect("what Prefect 2 takes");
        let line = |own: &Exported| format!("{}={}", own.name.trim_start_matches(PREFIX), own.value.as_str());
        assert_eq!(
            exported.iter().map(line).collect::<Vec<_>>(),
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
    fn homes_are_expanded() {
        for (environ, wanted) in [
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
            assert_eq!(exported(environ), format!("{wanted} SERVER_EPHEMERAL_ENABLED=True"), "{environ:?}");
        }
    }

    #[test]
    fn settings_change_each_other() {
        let cloud = ("PREFECT_API_URL", "https://api.prefect.cloud/api/accounts/a");
        let size = "PREFECT_LOGGING_TO_API_MAX_LOG_SIZE";
        let database = "PREFECT_SERVER_DATABASE_CONNECTION_URL";
        let held = (database, "postgresql+asyncpg://u:${PREFECT_API_DATABASE_PASSWORD}@h/d");
        for (environ, wanted) in [
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
            (&[held, ("PREFECT_API_DATABASE_PASSWORD", "p")], "SERVER_DATABASE_PASSWORD=p"),
            (&[(database, "x")], "SERVER_DATABASE_CONNECTION_URL=x"),
        ] {
            assert_eq!(exported(environ), format!("{wanted} SERVER_EPHEMERAL_ENABLED=True"), "{environ:?}");
        }
        for (environ, wanted) in [
            (&[held][..], "the URL of the database holds a password that is not set"),
            (
                &[("PREFECT_SERVER_DATABASE_DRIVER", "postgresql+asyncpg"), ("PREFECT_SERVER_DATABASE_USER", "u")],
                "PREFECT_SERVER_DATABASE_DRIVER needs PREFECT_SERVER_DATABASE_HOST",
            ),
            (
                &[("PREFECT_LOGGING_TO_API_BATCH_SIZE", "999999")],
                "PREFECT_LOGGING_TO_API_MAX_LOG_SIZE is more than PREFECT_LOGGING_TO_API_BATCH_SIZE",
            ),
            (&[("PREFECT_API_URL", "http://[")], "PREFECT_API_URL is no URL"),
            (&[("PREFECT_TASK_DEFAULT_RETRIES", "x")], "PREFECT_TASK_DEFAULT_RETRIES is no whole number"),
            (&[("PREFECT_HOME", "~nobody")], "PREFECT_HOME is in the home of a user who is not known here"),
            (&[("PREFECT_PROFILES_PATH", "")], "PREFECT_PROFILES_PATH is a folder"),
            (&[("PREFECT_API", "x")], "PREFECT_API is the name of a group of settings"),
        ] {
            assert_eq!(exported(environ), format!("! the worker does not start: {wanted}"), "{environ:?}");
        }
        assert_eq!(
            exported(&[("PREFECT_LOGGING_EXTRA_LOGGERS", r#""\ud83d""#)]),
            "! PREFECT_LOGGING_EXTRA_LOGGERS has half a character in it, or too many brackets"
        );
        assert_eq!(exported(&[("PREFECT_API", " {} "), ("PREFECT_WORKER", "null")]), "SERVER_EPHEMERAL_ENABLED=True");
        assert_eq!(exported(&[("PREFECT_API", "{\"url\": \"u\"}")]), "! PREFECT_API sets a group of settings at once");
    }
}
