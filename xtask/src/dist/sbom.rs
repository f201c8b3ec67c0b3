//! What the program is made of, as CycloneDX, by `cargo cyclonedx`.
//!
//! The tool writes beside each Cargo.toml of a workspace, so it gets a copy of the project's files in a directory of
//! its own. It reads cargo's metadata, where crates stand that are never built: those of tests' features,
//! and those of features that are only for crates that are there anyway (`a?/b`). `cargo tree` knows better.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::run::{self, cargo, step};

const TOOL: &str = "cargo-cyclonedx";
const VERSION: &str = "0.5.9";

/// The SBOM of the program for a target, as of a time.
pub fn describe(target: &str, time: u64) -> Result<String> {
    let tool = tool()?;
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("jobplate");
    for file in run::files()? {
        let to = copy.join(&file);
        fs::create_dir_all(to.parent().context("a file has a directory")?)?;
        fs::copy(run::root().join(&file), &to).with_context(|| file.clone())?;
    }

    let mut describe = Command::new(tool);
    describe.args(["cyclonedx", "--all", "--no-build-deps", "--spec-version=1.5", "--format=json"]);
    describe.args(["--override-filename=sbom", "--target", target, "--manifest-path"]).arg(copy.join("Cargo.toml"));
    step("the SBOM", describe.env("SOURCE_DATE_EPOCH", time.to_string()).current_dir(run::root()))?;
    let text = fs::read_to_string(copy.join("sbom.json")).context("cargo cyclonedx")?;
    // Crates of the workspace are named by their place, and that was ours.
    let text = text.replace(&copy.display().to_string(), "/jobplate");
    ensure!(!text.contains(&folder.path().display().to_string()), "the SBOM names {}", folder.path().display());
    let mut sbom = serde_json::from_str(&text)?;
    leave_out(&mut sbom, &built(target)?).context("cargo cyclonedx has another format")?;
    Ok(format!("{sbom:#}\n"))
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

/// What the program is built from, as `NAME VERSION`.
fn built(target: &str) -> Result<HashSet<String>> {
    let mut tree = cargo(&["tree", "--locked", "--package", "jobplate", "--edges", "normal", "--prefix", "none"]);
    let output = tree.args(["--target", target]).output()?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let crates = text.lines().filter_map(|line| {
        let (name, rest) = line.split_once(" v")?;
        Some(format!("{name} {}", rest.split(' ').next()?))
    });
    Ok(crates.collect())
}

/// Leaves only these crates in an SBOM; none if it is not as expected.
fn leave_out(sbom: &mut Value, built: &HashSet<String>) -> Option<()> {
    let is_built =
        |one: &Value| Some(built.contains(&format!("{} {}", one["name"].as_str()?, one["version"].as_str()?)));
    let components = sbom["components"].as_array_mut()?;
    let gone: Vec<Value> =
        components.iter().filter(|one| is_built(one) != Some(true)).map(|one| one["bom-ref"].clone()).collect();
    components.retain(|one| is_built(one) == Some(true));
    let dependencies = sbom["dependencies"].as_array_mut()?;
    dependencies.retain(|one| !gone.contains(&one["ref"]));
    for one in dependencies {
        if let Some(others) = one.get_mut("dependsOn").and_then(Value::as_array_mut) {
            others.retain(|other| !gone.contains(other));
        }
    }
    Some(())
}
