//! `cargo xtask test`: everything a developer or CI has to run, the cheapest first.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::mutants::fidelity;
use crate::oracles;
use crate::run::{self, cargo, step};
use crate::servers;
use crate::swaps;

/// Mutants of the optimised fidelity test; the debug build runs the few that are its default.
const MUTANTS: u64 = 400_000;

pub fn run(args: &[String]) -> Result<()> {
    run::check_options(args, &["--quick"], &[])?;
    let start = Instant::now();
    run::tools(&[
        ("cargo", &["--version"], "everything"),
        ("go", &["version"], "comparisons with Kubernetes' YAML reader, and all tests on real servers"),
        ("python3", &["--version"], "comparisons with PyYAML and Prefect 1, and the tests with pre-commit"),
        ("npm", &["--version"], "the tests with gitlab-ci-local"),
        ("git", &["--version"], "the tests of the GitHub action, pre-commit and GitLab"),
        ("curl", &["--version"], "the tests of the GitHub action and GitLab"),
        ("rsync", &["--version"], "the tests with gitlab-ci-local"),
        ("zsh", &["--version"], "completion in zsh"),
        ("fish", &["--version"], "completion in fish"),
        ("shellcheck", &["--version"], "a look at the scripts of the GitHub action"),
        ("buildah", &["--version"], "the container image of a release"),
    ])?;
    step("formatting", &mut cargo(&["fmt", "--all", "--check"]))?;
    step("lints", &mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    if run::first_line("go", &["version"]).is_some() {
        go_oracle()?;
    }
    without_cluster()?;
    let mut tests = cargo(&["test", "--workspace"]);
    if let Some(folder) = servers::folder()? {
        tests.env(servers::FOLDER, folder);
    } else {
        eprintln!("\nLEFT OUT: all tests on real servers, because Go is not here to build them");
    }
    if let Some(folder) = oracles::folder()? {
        tests.env("JOBPLATE_TEST_PREFECT1", folder.join(oracles::interpreter("1.4.1")));
        tests.env(oracles::FOLDER, folder);
    } else {
        eprintln!("\nLEFT OUT: comparisons with Prefect 1, because there is no Python to run it");
    }
    step("tests", &mut tests)?;
    if !args.iter().any(|arg| arg == "--quick") {
        let mut mutants = fidelity();
        mutants.env("JOBPLATE_MUTANTS", MUTANTS.to_string()).args(["--", "--nocapture"]);
        step(&format!("fidelity, optimised, with {MUTANTS} mutants"), &mut mutants)?;
        swaps::run(&[])?;
    }
    eprintln!("\nall passed in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// The reader of Kubernetes' API server, as a program that tests ask.
fn go_oracle() -> Result<()> {
    let source = run::root().join("tests/oracles/goyaml");
    let program = run::target().join("oracles/goyaml");
    let mut build = Command::new("go");
    build.args(["build", "-trimpath", "-o"]).arg(program).arg(".").current_dir(&source);
    step("the go-yaml oracle", &mut build)?;
    step("the go-yaml oracle's own test", Command::new("go").args(["test", "./..."]).current_dir(&source))
}

/// Without its features the program builds, free of warnings, and brings no client of Kubernetes with it.
fn without_cluster() -> Result<()> {
    let package = ["--package", "jobplate", "--no-default-features"];
    let mut lints = cargo(&["clippy", "--lib", "--bins"]);
    step("lints without features", lints.args(package).args(["--", "-D", "warnings"]))?;
    let tree = cargo(&["tree", "--edges", "normal", "--prefix", "none"]).args(package).output()?;
    let tree = String::from_utf8(tree.stdout)?;
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let is_client = |name: &&&str| name.starts_with("kube") || ["k8s-openapi", "tokio"].contains(*name);
    if let Some(client) = names.iter().find(is_client) {
        bail!("`cargo build --no-default-features` builds {client}");
    }
    if !names.contains(&"jobplate") {
        bail!("`cargo tree` lists nothing");
    }
    Ok(())
}
