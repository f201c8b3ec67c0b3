//! `cargo xtask oracles`: Prefect as it was released, which tests ask what its agents and workers make of a template.
//! `tests/oracles/prefect1/` and `prefect3/` pin each version with all that it runs with, and hold the programs that
//! ask it.
//!
//! Cold this takes three minutes; later only what changed is made. `JOBPLATE_TEST_ORACLES=DIR` names a folder of
//! ready-made environments, and then nothing is made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{self, step};
use crate::servers::{make, read, venv};

/// Names a folder of ready-made environments; the tests read it too.
pub const FOLDER: &str = "JOBPLATE_TEST_ORACLES";

/// The versions of Prefect that are asked, each with the folder of its pins.
const VERSIONS: [(&str, &str); 3] = [("1.4.1", "prefect1"), ("0.15.13", "prefect1"), ("3.8.8", "prefect3")];

/// Those after it refuse the package of 0.15.13, whose own requirements are not written as they should be.
const PIP: &str = "pip==24.0";

/// Interpreters, in the order in which they are tried. The first wrote the expectations.
const PYTHONS: [&str; 4] = ["python3.11", "python3.12", "python3.13", "python3"];

pub fn run(args: &[String]) -> Result<()> {
    run::check_options(args, &[], &[])?;
    let folder = folder()?.with_context(|| format!("Python is not here, with venv and ensurepip: {PYTHONS:?}"))?;
    eprintln!("\nPrefect: {}", folder.display());
    Ok(())
}

/// The folder that holds an environment for each version, made where that is needed; none where Python is missing.
pub fn folder() -> Result<Option<PathBuf>> {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let folder = run::root().join(folder);
        for (version, _) in VERSIONS {
            if !folder.join(interpreter(version)).is_file() {
                bail!("{FOLDER}: {} has no {}", folder.display(), interpreter(version));
            }
        }
        return Ok(Some(folder));
    }
    let can_make = "import ensurepip, sys, venv; print(sys.version)";
    let Some((python, is)) = PYTHONS.iter().find_map(|own| Some((own, run::first_line(own, &["-c", can_make])?)))
    else {
        return Ok(None);
    };
    let folder = run::target().join("oracles");
    fs::create_dir_all(&folder)?;
    for (version, pins) in VERSIONS {
        prefect(&folder, python, &is, version, pins)?;
    }
    Ok(Some(folder))
}

/// Makes the environment of one version, unless it was made of just this before. Half of one is made again: what it
/// was made of is written into it last.
fn prefect(folder: &Path, python: &str, is: &str, version: &str, pins: &str) -> Result<()> {
    let source = run::root().join("tests/oracles").join(pins);
    let pins = format!("requirements-{version}.txt");
    let made_of = format!("{python} {is}\n{PIP}\n{}", read(&source, &pins)?);
    make(folder, &interpreter(version), &made_of, || {
        let name = format!("prefect-{version}");
        let home = folder.join(&name);
        drop(fs::remove_dir_all(&home));
        venv(&name, python, Some(PIP), &source.join(pins), &home)?;
        let mut first_words = Command::new(folder.join(interpreter(version)));
        step(&format!("{name}, its first words"), first_words.arg(source.join("oracle.py")))
    })
}

/// The Python of an environment, from the folder of them all.
pub fn interpreter(version: &str) -> String {
    format!("prefect-{version}/bin/python")
}
