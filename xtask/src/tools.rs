//! Installs pinned versions of the cargo tools that commands need in `target/tools`.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::run::{self, cargo_command, run_step};

/// Returns the path of a cargo tool. Installs the tool if this version is not installed, which takes minutes.
///
/// `version_args` are the arguments with which the tool prints a line that ends with its version.
pub fn install(name: &str, version: &str, version_args: &[&str]) -> Result<PathBuf> {
    let directory = run::target().join("tools");
    let program = std::path::absolute(directory.join("bin").join(name)).context("target/tools")?;
    let installed = run::first_output_line(&program.to_string_lossy(), version_args).unwrap_or_default();
    if !installed.ends_with(&format!(" {version}")) {
        eprintln!("\n{name} {version} is not installed: building it takes minutes");
        run_step(name, cargo_command(&["install", "--locked", name, "--version", version, "--root"]).arg(directory))?;
    }
    Ok(program)
}
