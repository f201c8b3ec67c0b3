//! `cargo xtask audit`: checks the dependencies against the rules in `deny.toml` with cargo-deny.
//!
//! The audit is not part of `cargo xtask test`, because cargo-deny takes minutes to build and fetches its advisory
//! database from the network.

use std::process::Command;

use anyhow::{Context, Result};

use crate::run::{self, run_step};
use crate::tools;

const TOOL: &str = "cargo-deny";
const VERSION: &str = "0.20.2";

/// Runs `cargo xtask audit`.
///
/// # Errors
///
/// Fails if a dependency violates a rule. Without `--offline`, also fails if the advisory database cannot be fetched.
pub fn run(args: &[String]) -> Result<()> {
    run::check_options(args, &["--offline"], &[])?;
    let is_offline = args.iter().any(|arg| arg == "--offline");
    let program = tools::install(TOOL, VERSION, &["--version"])?;
    let deny_command = |args: &[&str]| {
        let mut command = Command::new(&program);
        command.args(["--locked", "--all-features"]).args(args).current_dir(run::root());
        command
    };
    let mut rules = deny_command(if is_offline { &["--offline"] } else { &[] });
    run_step("licenses, bans and sources", rules.args(["check", "licenses", "bans", "sources"]))?;
    if is_offline {
        eprintln!("\nLEFT OUT: advisories, because of --offline");
        return Ok(());
    }
    run_step("the database of advisories", &mut deny_command(&["fetch", "db"])).context(
        "the database of advisories cannot be fetched, so advisories were not checked; \
         the other checks passed (--offline runs only those)",
    )?;
    run_step("advisories", &mut deny_command(&["check", "advisories"]))
}
