//! Installs the cargo tools that commands need, each in a pinned version, into `target/tools`.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::run::{self, cargo, step};

/// Returns the path of an installed cargo tool. Installs it first, in minutes, if this version is not installed.
///
/// `version_args` are the arguments with which the tool prints its version as the last word.
pub fn install(name: &str, version: &str, version_args: &[&str]) -> Result<PathBuf> {
    let directory = run::target().join("tools");
    let program = std::path::absolute(directory.join("bin").join(name)).context("target/tools")?;
    let installed = run::first_line(&program.to_string_lossy(), version_args).unwrap_or_default();
    if !installed.ends_with(&format!(" {version}")) {
        eprintln!("\n{name} {version} is not installed: building it takes minutes");
        step(name, cargo(&["install", "--locked", name, "--version", version, "--root"]).arg(directory))?;
    }
    Ok(program)
}
