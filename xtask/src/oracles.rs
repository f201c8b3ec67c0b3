//! `cargo xtask oracles`: installs released versions of Prefect. Tests compare jobplate's results with Prefect's
//! results. `tests/oracles/prefect1/` and `tests/oracles/prefect3/` pin each version and its dependencies, and contain
//! the programs that run Prefect.
//!
//! The first run takes a few minutes. Later runs install only environments whose inputs have changed. If
//! `JOBPLATE_TEST_ORACLES` is set to a directory of existing environments, the command installs none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{self, run_step};
use crate::servers::{create_venv, install_if_changed, read_pins};

/// The environment variable with the path of existing environments. The tests also read it.
pub const DIRECTORY_VARIABLE: &str = "JOBPLATE_TEST_ORACLES";

/// The versions of Prefect, each with the directory of its pinned dependencies.
const VERSIONS: [(&str, &str); 3] = [("1.4.1", "prefect1"), ("0.15.13", "prefect1"), ("3.8.8", "prefect3")];

/// The last version of pip that can install Prefect 0.15.13. Later versions of pip reject its invalid requirements.
const PIP: &str = "pip==24.0";

/// The Python interpreters, in order of preference. The expected results in the tests were recorded with the first
/// interpreter.
const INTERPRETERS: [&str; 4] = ["python3.11", "python3.12", "python3.13", "python3"];

/// Runs `cargo xtask oracles`.
pub fn run(args: &[String]) -> Result<()> {
    run::check_options(args, &[], &[])?;
    let directory =
        install_all()?.with_context(|| format!("Python is not here, with venv and ensurepip: {INTERPRETERS:?}"))?;
    eprintln!("\nPrefect: {}", directory.display());
    Ok(())
}

/// Installs the missing and outdated environments. Returns the directory with an environment for each version, or
/// `None` if Python is not installed.
pub fn install_all() -> Result<Option<PathBuf>> {
    if let Some(directory) = std::env::var_os(DIRECTORY_VARIABLE) {
        let directory = run::root().join(directory);
        for (version, _) in VERSIONS {
            if !directory.join(interpreter_path(version)).is_file() {
                bail!("{DIRECTORY_VARIABLE}: {} has no {}", directory.display(), interpreter_path(version));
            }
        }
        return Ok(Some(directory));
    }
    let check_modules = "import ensurepip, sys, venv; print(sys.version)";
    let version_of = |python| run::first_output_line(python, &["-c", check_modules]);
    let Some((python, python_version)) = INTERPRETERS.iter().find_map(|python| Some((python, version_of(python)?)))
    else {
        return Ok(None);
    };
    let directory = run::target().join("oracles");
    fs::create_dir_all(&directory)?;
    for (version, pins) in VERSIONS {
        install_prefect(&directory, python, &python_version, version, pins)?;
    }
    Ok(Some(directory))
}

/// Installs one version of Prefect in its own environment, unless it was already installed from the same inputs.
fn install_prefect(directory: &Path, python: &str, python_version: &str, version: &str, pins: &str) -> Result<()> {
    let source = run::root().join("tests/oracles").join(pins);
    let pins = format!("requirements-{version}.txt");
    let inputs = format!("{python} {python_version}\n{PIP}\n{}", read_pins(&source, &pins)?);
    install_if_changed(directory, &interpreter_path(version), &inputs, || {
        let name = format!("prefect-{version}");
        let home = directory.join(&name);
        drop(fs::remove_dir_all(&home));
        create_venv(&name, python, Some(PIP), &source.join(pins), &home)?;
        let mut first_run = Command::new(directory.join(interpreter_path(version)));
        run_step(&format!("{name}, its first words"), first_run.arg(source.join("oracle.py")))
    })
}

/// Returns the path of an environment's Python, relative to the directory of all environments.
pub fn interpreter_path(version: &str) -> String {
    format!("prefect-{version}/bin/python")
}
