//! Compares the tables of settings with the models of the real Prefect: names, groups, secrets and former names, in
//! Prefect's order.

use std::process::Command;

use jobplate_prefect::worker::settings::{
    KUBERNETES_SETTINGS, PREFECT_2_SETTINGS, PREFECT_3_SETTINGS, Setting, SettingKind,
};
use serde_json::{Value, json};

use crate::reference::WORKER;
use crate::venv::{find_venv, require_venv};

/// The tables, each with its name in `settings.py`.
const TABLES: [(&str, &[Setting]); 3] =
    [("prefect3", &PREFECT_3_SETTINGS), ("kubernetes", &KUBERNETES_SETTINGS), ("prefect2", &PREFECT_2_SETTINGS)];

/// The settings that are secrets for jobplate but not for Prefect.
const MORE_SECRETS: [&str; 1] = ["SERVER_DOCKET_URL"];

/// Returns a setting in the output format of `settings.py`.
fn row(setting: &Setting) -> Value {
    let is_secret = setting.kind == SettingKind::Secret && !MORE_SECRETS.contains(&setting.name);
    json!([setting.name, setting.kind == SettingKind::Group, is_secret, Vec::from_iter(setting.former_name)])
}

#[test]
fn tables_match_prefects_models() {
    let home = tempfile::tempdir().expect("creates a temporary directory");
    let newest = WORKER.versions[0];
    if require_venv(newest).is_none() {
        return;
    }
    // Of the recorded versions, only Prefect 2 has its own table.
    let versions = WORKER.recorded.iter().copied().filter(|version| version.full() == "2.20.26").chain([newest]);
    for bin in versions.filter_map(find_venv) {
        let output = Command::new(bin.join("python"))
            .arg(WORKER.driver().with_file_name("settings.py"))
            .env_clear()
            .env("HOME", home.path())
            .current_dir(home.path())
            .output()
            .expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        for (name, rows) in found.as_object().expect("tables by name") {
            let (_, table) =
                TABLES.iter().find(|(table_name, _)| table_name == name).unwrap_or_else(|| panic!("no table {name}"));
            let (table_rows, prefect) = (table.iter().map(row).collect::<Vec<_>>(), rows.as_array().expect("rows"));
            let other: Vec<_> =
                table_rows.iter().zip(prefect).filter(|(table_rows, prefect)| table_rows != prefect).collect();
            assert!(other.is_empty(), "{name}, ours and Prefect's: {other:?}");
            assert_eq!(table_rows.len(), prefect.len(), "rows of {name}");
        }
    }
}
