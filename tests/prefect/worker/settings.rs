//! The tables of settings are Prefect's own: names, groups, secrets and older names, in its order.

use std::process::Command;

use serde_json::{Value, json};

use crate::reference::WORKER;
use crate::venv::{find_venv, require_venv};

/// The tables, by their names.
const TABLES: [(&str, &str); 3] = [
    ("table.txt", include_str!("../../../crates/jobplate-prefect/src/worker/settings/table.txt")),
    ("kubernetes.txt", include_str!("../../../crates/jobplate-prefect/src/worker/settings/kubernetes.txt")),
    ("prefect2.txt", include_str!("../../../crates/jobplate-prefect/src/worker/settings/prefect2.txt")),
];

/// What is a secret here and none to Prefect.
const MORE_SECRETS: [&str; 1] = ["SERVER_DOCKET_URL"];

/// The lines of a table, as Prefect is asked for them.
fn own(table: &str) -> Vec<Value> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let is_secret = words[1] == "secret" && !MORE_SECRETS.contains(&words[0]);
        json!([words[0], words[1] == "group", is_secret, words[2..]])
    };
    table.lines().filter(|line| !line.starts_with('#')).map(line).collect()
}

#[test]
fn tables_are_prefects() {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let newest = WORKER.versions[0];
    if require_venv(newest).is_none() {
        return;
    }
    // Of what is recorded, Prefect 2 alone has a table.
    let asked = WORKER.recorded.iter().copied().filter(|version| version.full() == "2.20.26").chain([newest]);
    for bin in asked.filter_map(find_venv) {
        let output = Command::new(bin.join("python"))
            .arg(WORKER.driver().with_file_name("settings.py"))
            .env_clear()
            .env("HOME", home.path())
            .current_dir(home.path())
            .output()
            .expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        for (name, lines) in found.as_object().expect("tables by name") {
            let table = TABLES.iter().find(|(own, _)| own == name).unwrap_or_else(|| panic!("no table {name}")).1;
            let (own, prefect) = (own(table), lines.as_array().expect("lines"));
            let other: Vec<_> = own.iter().zip(prefect).filter(|(own, prefect)| own != prefect).collect();
            assert!(other.is_empty(), "{name}, ours and Prefect's: {other:?}");
            assert_eq!(own.len(), prefect.len(), "lines of {name}");
        }
    }
}
