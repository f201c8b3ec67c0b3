//! Writes the software bill of materials (SBOM) of the program in CycloneDX format, with `cargo cyclonedx`.
//!
//! The tool writes a file next to each Cargo.toml of a workspace, so it runs on a copy of the project. It reads cargo's
//! metadata, which includes crates that are never built: dependencies of features that only tests use, and of weak
//! features (`a?/b`). These crates are removed: they are not in the output of `cargo tree`, which lists only built
//! crates.

use std::collections::HashSet;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::run::{self, cargo_command, run_step};
use crate::tools;

const TOOL: &str = "cargo-cyclonedx";
const VERSION: &str = "0.5.9";

/// Generates the program's SBOM for a target. `time` is the SBOM's timestamp, in seconds since 1970.
pub fn generate(target: &str, time: u64) -> Result<String> {
    let tool = tools::install(TOOL, VERSION, &["cyclonedx", "--version"])?;
    let directory = tempfile::tempdir()?;
    let copy = directory.path().join("jobplate");
    for file in run::files()? {
        let destination = copy.join(&file);
        fs::create_dir_all(destination.parent().context("a file has a directory")?)?;
        fs::copy(run::root().join(&file), &destination).with_context(|| file.clone())?;
    }

    let mut cyclonedx = Command::new(tool);
    cyclonedx.args(["cyclonedx", "--all", "--no-build-deps", "--spec-version=1.5", "--format=json"]);
    cyclonedx.args(["--override-filename=sbom", "--target", target, "--manifest-path"]).arg(copy.join("Cargo.toml"));
    run_step("the SBOM", cyclonedx.env("SOURCE_DATE_EPOCH", time.to_string()).current_dir(run::root()))?;
    let text = fs::read_to_string(copy.join("sbom.json")).context("cargo cyclonedx")?;
    // The IDs of the workspace's crates contain the temporary path of the copy, which would make the SBOM
    // irreproducible.
    let text = text.replace(&copy.display().to_string(), "/jobplate");
    ensure!(!text.contains(&directory.path().display().to_string()), "the SBOM names {}", directory.path().display());
    let mut sbom = serde_json::from_str(&text)?;
    retain_crates(&mut sbom, &list_built_crates(target)?).context("cargo cyclonedx has another format")?;
    Ok(format!("{sbom:#}\n"))
}

/// Returns the crates that the program is built from, each as `NAME VERSION`.
fn list_built_crates(target: &str) -> Result<HashSet<String>> {
    let mut tree =
        cargo_command(&["tree", "--locked", "--package", "jobplate", "--edges", "normal", "--prefix", "none"]);
    let output = tree.args(["--target", target]).output()?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let crates = text.lines().filter_map(|line| {
        let (name, rest) = line.split_once(" v")?;
        Some(format!("{name} {}", rest.split(' ').next()?))
    });
    Ok(crates.collect())
}

/// Removes all crates from an SBOM that are not in `crates`. Returns `None` if the SBOM does not have the expected
/// format.
fn retain_crates(sbom: &mut Value, crates: &HashSet<String>) -> Option<()> {
    let is_built = |component: &Value| {
        Some(crates.contains(&format!("{} {}", component["name"].as_str()?, component["version"].as_str()?)))
    };
    let components = sbom["components"].as_array_mut()?;
    let others = components.iter().filter(|component| is_built(component) != Some(true));
    let removed: Vec<Value> = others.map(|component| component["bom-ref"].clone()).collect();
    components.retain(|component| is_built(component) == Some(true));
    let dependencies = sbom["dependencies"].as_array_mut()?;
    dependencies.retain(|dependency| !removed.contains(&dependency["ref"]));
    for dependency in dependencies {
        if let Some(references) = dependency.get_mut("dependsOn").and_then(Value::as_array_mut) {
            references.retain(|reference| !removed.contains(reference));
        }
    }
    Some(())
}
