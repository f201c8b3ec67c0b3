//! What the program is made of, as CycloneDX, by `cargo cyclonedx`.
//!
//! The tool writes beside each Cargo.toml of a workspace, and knows one set of features for all of it and its tests.
//! So it gets the package as it would be published, alone and in a folder of its own, and without its tests.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;

use crate::run::{self, cargo, step};

const TOOL: &str = "cargo-cyclonedx";
const VERSION: &str = "0.5.9";

/// The SBOM of the program for a target, as of a time.
pub fn describe(version: &str, target: &str, time: u64) -> Result<String> {
    let tool = tool()?;
    let folder = tempfile::tempdir()?;
    let mut package = cargo(&["package", "--package", "jobplate", "--no-verify", "--allow-dirty", "--target-dir"]);
    step("the package alone", package.arg(folder.path()))?;
    let name = format!("jobplate-{version}");
    let file = fs::File::open(folder.path().join(format!("package/{name}.crate"))).context("cargo package")?;
    tar::Archive::new(GzDecoder::new(file)).unpack(folder.path())?;
    let package = folder.path().join(&name);
    let manifest = package.join("Cargo.toml");
    fs::write(&manifest, without_tests(&fs::read_to_string(&manifest)?))?;

    let mut describe = std::process::Command::new(tool);
    describe.args(["cyclonedx", "--all", "--no-build-deps", "--spec-version=1.5", "--format=json"]);
    describe.args(["--override-filename=sbom", "--target", target, "--manifest-path"]).arg(&manifest);
    step("the SBOM", describe.env("SOURCE_DATE_EPOCH", time.to_string()).current_dir(run::root()))?;
    let text = fs::read_to_string(package.join("sbom.json")).context("cargo cyclonedx")?;
    // The package is named by its place, and that was ours.
    let text = text.replace(&package.display().to_string(), "/jobplate");
    ensure!(!text.contains(&folder.path().display().to_string()), "the SBOM names {}", folder.path().display());
    Ok(text)
}

/// A manifest, as cargo writes them, less what only tests need.
fn without_tests(manifest: &str) -> String {
    let mut keep = true;
    let mut kept = String::new();
    for line in manifest.split_inclusive('\n') {
        if line.starts_with('[') {
            keep = !line.starts_with("[dev-dependencies");
        }
        if keep {
            kept.push_str(line);
        }
    }
    kept
}

/// The tool, in `target/tools`, installed where it is not there in this version.
fn tool() -> Result<PathBuf> {
    let folder = run::target().join("tools");
    let program = std::path::absolute(folder.join("bin").join(TOOL))?;
    let said = run::first_line(&program.to_string_lossy(), &["cyclonedx", "--version"]).unwrap_or_default();
    if !said.ends_with(&format!(" {VERSION}")) {
        step(TOOL, cargo(&["install", "--locked", TOOL, "--version", VERSION, "--root"]).arg(folder))?;
    }
    Ok(program)
}
