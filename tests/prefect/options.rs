//! Compares jobplate's options of agents and workers with the options in the help of the real programs.

use std::collections::BTreeSet;
use std::process::Command;

use jobplate_prefect::deployment::Program;
use jobplate_prefect::prefect1::deployment::AGENT;
use jobplate_prefect::worker::deployment::WORKER;

use crate::case::PrefectVersion;
use crate::venv::require_venv;

#[test]
fn options_are_those_of_the_agents_help() {
    check_options(&AGENT, &PrefectVersion::AGENTS);
}

#[test]
fn options_are_those_of_the_workers_help() {
    check_options(&WORKER, &[PrefectVersion::Worker0_8]);
}

/// Checks that jobplate's options are the union of the options of `versions`.
fn check_options(program: &Program, versions: &[PrefectVersion]) {
    let mut listed = BTreeSet::new();
    for version in versions {
        let Some(bin) = require_venv(*version) else { return };
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        let help = Command::new(bin.join("prefect"))
            .args(&program.command[1..])
            .arg("--help")
            .env_clear()
            .env("HOME", home.path())
            .env("COLUMNS", "200")
            .output()
            .expect("Prefect starts");
        let help = String::from_utf8(help.stdout).expect("text");
        let words = help.split_whitespace().map(|word| word.trim_end_matches(','));
        let is_option = |word: &&str| word.len() > 1 && word.starts_with('-') && !matches!(*word, "-h" | "--help");
        listed.extend(words.filter(is_option).map(str::to_owned));
    }
    let mut ours: BTreeSet<String> = program.switches.iter().map(|long| format!("--{long}")).collect();
    for (long, short, _) in program.options {
        ours.insert(format!("--{long}"));
        ours.extend(short.map(|short| format!("-{short}")));
    }
    assert_eq!(ours, listed, "`{}`", program.command.join(" "));
}
