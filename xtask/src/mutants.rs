//! `cargo xtask mutants`: runs any number of the fidelity test's mutants in an optimized build.

use std::process::Command;

use anyhow::Result;

use crate::run::{self, cargo_command, run_step};

/// Returns the `cargo test` command for the fidelity tests, optimized but with overflow checks and debug assertions.
///
/// The profile is defined here instead of in Cargo.toml, because only these tests use it.
pub fn fidelity_command() -> Command {
    let mut command = cargo_command(&["test", "--package", "jobplate", "--no-default-features", "--test", "fidelity"]);
    for setting in [
        "inherits='dev'",
        "opt-level=2",
        "debug=false",
        "codegen-units=16",
        "incremental=false",
        "debug-assertions=true",
        "overflow-checks=true",
    ] {
        command.arg("--config").arg(format!("profile.fidelity.{setting}"));
    }
    command.args(["--profile", "fidelity"]);
    command
}

/// Runs `cargo xtask mutants`.
pub fn run(args: &[String]) -> Result<()> {
    run::check_options(args, &[], &["--count", "--seed", "--only"])?;
    let count = run::option_number(args, "--count")?.unwrap_or(10_000_000);
    let seed = run::option_number(args, "--seed")?.unwrap_or(1);
    let mut command = fidelity_command();
    command.env("JOBPLATE_MUTANTS", count.to_string()).env("JOBPLATE_MUTANT_SEED", seed.to_string());
    if let Some(only) = run::option_number(args, "--only")? {
        command.env("JOBPLATE_MUTANT", only.to_string());
    }
    command.args(["--", "--exact", "mutants_are_edited_correctly_or_refused", "--nocapture"]);
    run_step(&format!("{count} mutants of seed {seed}"), &mut command)
}
