//! `cargo xtask docs`: builds the documentation site from `docs/` with Material for MkDocs, and the spelling check of
//! `cargo xtask test`. `xtask/docs/requirements.txt` pins both tools and their dependencies.
//!
//! The first run installs the tools into `target/tools/docs`, which takes seconds. Later runs install them only if the
//! pins have changed.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::run::{self, run_step};
use crate::servers::{create_venv, install_if_changed, read_pins};

/// The environment variable with the path of the built site. `tests/docs` reads it.
pub const SITE_VARIABLE: &str = "JOBPLATE_TEST_SITE";

/// Runs `cargo xtask docs`.
pub fn run(args: &[String]) -> Result<()> {
    run::check_options(args, &["--serve"], &[])?;
    if args.iter().any(|arg| arg == "--serve") {
        return run_step("docs", mkdocs()?.args(["serve", "--strict"]));
    }
    let site = build()?;
    eprintln!("\nthe site: {}", site.join("index.html").display());
    Ok(())
}

/// Builds the site. Returns its directory. Fails if a link in the site is broken.
pub fn build() -> Result<PathBuf> {
    let site = std::path::absolute(run::target().join("site"))?;
    run_step("docs", mkdocs()?.args(["build", "--strict", "--site-dir"]).arg(&site))?;
    Ok(site)
}

/// Checks the spelling in all files of the project.
pub fn check_spelling() -> Result<()> {
    run_step("spelling", Command::new(install_tool("typos")?).current_dir(run::root()))
}

fn mkdocs() -> Result<Command> {
    let mut mkdocs = Command::new(install_tool("mkdocs")?);
    // The variable hides an announcement about MkDocs 2.
    mkdocs.current_dir(run::root()).env("NO_MKDOCS_2_WARNING", "1");
    Ok(mkdocs)
}

/// Returns the path of a tool in the virtual environment, which is created if it is missing or outdated.
fn install_tool(name: &str) -> Result<PathBuf> {
    let directory = std::path::absolute(run::target().join("tools"))?;
    fs::create_dir_all(&directory)?;
    let python = run::first_output_line("python3", &["--version"]).context("Python is not installed")?;
    let pins = run::root().join("xtask/docs");
    let inputs = format!("{python}\n{}", read_pins(&pins, "requirements.txt")?);
    let home = directory.join("docs");
    install_if_changed(&directory, "docs/bin/mkdocs", &inputs, || {
        drop(fs::remove_dir_all(&home));
        create_venv("documentation tools", "python3", None, &pins.join("requirements.txt"), &home)
    })?;
    Ok(home.join("bin").join(name))
}
