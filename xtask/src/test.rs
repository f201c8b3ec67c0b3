//! `cargo xtask test`: runs the checks and tests that can run on this machine, the fastest first.
//!
//! The cargo commands select the whole workspace with the same features, because another selection would need another
//! build.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::docs;
use crate::mutants::fidelity_command;
use crate::oracles;
use crate::run::{self, cargo_command, run_step};
use crate::schema;
use crate::servers;
use crate::swaps;

/// The packages and features that cargo builds. xtask itself runs without the feature `corpus`.
const WORKSPACE: [&str; 3] = ["--workspace", "--features", "xtask/corpus"];

/// The number of mutants in the optimized fidelity test. In the debug build, the test runs only its small default
/// number.
const MUTANTS: u64 = 400_000;

/// The names of Chromium. `tests/docs` looks for more of them.
const BROWSERS: [&str; 3] = ["chromium-headless-shell", "chromium", "google-chrome"];

/// Test targets that take minutes. They run last.
const SLOW_TARGETS: [&str; 4] = ["cluster", "fidelity", "integrations", "prefect"];

pub fn run(args: &[String]) -> Result<()> {
    run::check_options(args, &["--quick"], &[])?;
    let mut suites = Suites::default();
    let is_quick = args.iter().any(|arg| arg == "--quick");
    let result = if is_quick { run_quick(&mut suites) } else { run_all(&mut suites) };
    eprint!("\n{suites}");
    result
}

/// The suites that have run, with their result and time.
#[derive(Default)]
struct Suites {
    rows: Vec<(String, bool, Duration)>,
}

impl Suites {
    fn run(&mut self, name: &str, suite: impl FnOnce() -> Result<()>) -> Result<()> {
        let start = Instant::now();
        let result = suite();
        self.rows.push((name.to_owned(), result.is_ok(), start.elapsed()));
        result
    }

    fn run_command(&mut self, name: &str, command: &mut Command) -> Result<()> {
        self.run(name, || run_step(name, command))
    }
}

impl fmt::Display for Suites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|(name, ..)| name.len()).max().unwrap_or(0).max("suite".len());
        writeln!(f, "{:width$}  {:6}  seconds", "suite", "result")?;
        for (name, is_ok, time) in &self.rows {
            let result = if *is_ok { "ok" } else { "FAILED" };
            writeln!(f, "{name:width$}  {result:6}  {:7.1}", time.as_secs_f64())?;
        }
        let total: Duration = self.rows.iter().map(|(.., time)| *time).sum();
        writeln!(f, "{:width$}  {:6}  {:7.1}", "total", "", total.as_secs_f64())
    }
}

/// Runs the checks for the inner development loop. They need only cargo and take less than a minute.
fn run_quick(suites: &mut Suites) -> Result<()> {
    check_sources(suites)?;
    run_unit_tests(suites)?;
    run_target(suites, "cmd", &mut workspace_command("test"))
}

fn run_all(suites: &mut Suites) -> Result<()> {
    check_tools()?;
    check_sources(suites)?;
    let site = run_docs_checks(suites)?;
    if run::first_output_line("go", &["version"]).is_some() {
        suites.run("go-yaml oracle", build_go_oracle)?;
        suites.run("schema of Kubernetes", || schema::run(&["--check".to_owned()]))?;
    }
    suites.run("without features", check_without_features)?;
    suites.run_command("build of the tests", workspace_command("test").arg("--no-run"))?;
    run_unit_tests(suites)?;
    let (servers, oracles) = (servers::install_all()?, oracles::install_all()?);
    if servers.is_none() {
        eprintln!("\nLEFT OUT: all tests on real servers, because Go is not here to build them");
    }
    if oracles.is_none() {
        eprintln!("\nLEFT OUT: comparisons with Prefect 1, because there is no Python to run it");
    }
    for target in list_test_targets()? {
        let mut tests = workspace_command("test");
        if let Some(servers) = &servers {
            tests.env(servers::DIRECTORY_VARIABLE, servers);
        }
        if let Some(site) = &site {
            tests.env(docs::SITE_VARIABLE, site);
        }
        if let Some(oracles) = &oracles {
            tests.env("JOBPLATE_TEST_PREFECT1", oracles.join(oracles::interpreter_path("1.4.1")));
            tests.env(oracles::DIRECTORY_VARIABLE, oracles);
        }
        run_target(suites, &target, &mut tests)?;
    }
    suites.run_command("doc tests", workspace_command("test").arg("--doc"))?;
    let mut mutants = fidelity_command();
    mutants.env("JOBPLATE_MUTANTS", MUTANTS.to_string()).args(["--", "--nocapture"]);
    suites.run_command(&format!("fidelity, optimised, with {MUTANTS} mutants"), &mut mutants)?;
    suites.run("swaps", || swaps::run(&[]))
}

/// Prints the versions of the programs that tests use.
fn check_tools() -> Result<()> {
    let is_installed = |name: &&str| run::first_output_line(name, &["--version"]).is_some();
    let browser = BROWSERS.into_iter().find(is_installed).unwrap_or(BROWSERS[0]);
    run::check_tools(&[
        ("cargo", &["--version"], "everything"),
        ("go", &["version"], "comparisons with Kubernetes' YAML reader, and all tests on real servers"),
        (
            "python3",
            &["--version"],
            "the spelling check, the documentation site, comparisons with PyYAML and Prefect 1, and the tests with pre-commit",
        ),
        ("npm", &["--version"], "the tests with gitlab-ci-local"),
        ("git", &["--version"], "the tests of the GitHub action, pre-commit and GitLab"),
        ("curl", &["--version"], "the tests of the GitHub action and GitLab"),
        ("rsync", &["--version"], "the tests with gitlab-ci-local"),
        ("zsh", &["--version"], "completion in zsh"),
        ("fish", &["--version"], "completion in fish"),
        ("shellcheck", &["--version"], "a look at the scripts of the GitHub action"),
        ("buildah", &["--version"], "the container image of a release"),
        (browser, &["--version"], "the search of the documentation site"),
    ])
}

fn check_sources(suites: &mut Suites) -> Result<()> {
    suites.run_command("formatting", &mut cargo_command(&["fmt", "--all", "--check"]))?;
    let mut clippy = workspace_command("clippy");
    suites.run_command("lints", clippy.args(["--all-targets", "--", "-D", "warnings"]))
}

/// Checks the spelling and builds the documentation site. Returns the directory of the site, or `None` if Python is not
/// installed.
fn run_docs_checks(suites: &mut Suites) -> Result<Option<PathBuf>> {
    if run::first_output_line("python3", &["-c", "import ensurepip, venv"]).is_none() {
        eprintln!("\nLEFT OUT: the spelling check and the documentation site, because Python is not installed");
        return Ok(None);
    }
    suites.run("spelling", docs::check_spelling)?;
    let mut site = None;
    suites.run("documentation site", || {
        site = Some(docs::build()?);
        Ok(())
    })?;
    Ok(site)
}

fn run_unit_tests(suites: &mut Suites) -> Result<()> {
    suites.run_command("unit tests", workspace_command("test").args(["--lib", "--bins"]))
}

/// Returns a cargo command for the whole workspace.
fn workspace_command(command: &str) -> Command {
    let mut cargo = cargo_command(&[command]);
    cargo.args(WORKSPACE);
    cargo
}

/// Runs a test target: a file or directory in `tests/`.
fn run_target(suites: &mut Suites, name: &str, cargo_test: &mut Command) -> Result<()> {
    cargo_test.args(["--test", name]);
    if ["cmd", "hostile"].contains(&name) {
        // These targets have many tests. A line for each of them would hide the results of the other suites.
        cargo_test.args(["--", "--quiet"]);
    }
    suites.run_command(&format!("tests/{name}"), cargo_test)
}

/// Returns the names of the workspace's test targets, with slow targets last.
fn list_test_targets() -> Result<Vec<String>> {
    let output = cargo_command(&["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("cannot parse the output of cargo metadata")?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let tests = targets.filter(|target| target["kind"][0] == "test");
    let mut names: Vec<String> = tests.filter_map(|target| target["name"].as_str().map(str::to_owned)).collect();
    names.sort_by_key(|name| (SLOW_TARGETS.contains(&name.as_str()), name.clone()));
    if names.len() < SLOW_TARGETS.len() {
        bail!("cargo metadata lists only {names:?}");
    }
    Ok(names)
}

/// Builds and tests the oracle for YAML, a program with the YAML parser of the Kubernetes API server.
fn build_go_oracle() -> Result<()> {
    let source = run::root().join("tests/oracles/goyaml");
    let program = run::target().join("oracles/goyaml");
    let mut build = Command::new("go");
    build.args(["build", "-trimpath", "-o"]).arg(program).arg(".").current_dir(&source);
    run_step("the go-yaml oracle", &mut build)?;
    run_step("the go-yaml oracle's own test", Command::new("go").args(["test", "./..."]).current_dir(&source))
}

/// Checks that the program without its default features has no warnings and does not depend on a Kubernetes client.
fn check_without_features() -> Result<()> {
    let package = ["--package", "jobplate", "--no-default-features"];
    let mut lints = cargo_command(&["clippy", "--lib", "--bins"]);
    run_step("lints without features", lints.args(package).args(["--", "-D", "warnings"]))?;
    let tree = cargo_command(&["tree", "--edges", "normal", "--prefix", "none"]).args(package).output()?;
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
