//! `cargo xtask test`: everything a developer or CI has to run, the cheapest first.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::mutants::fidelity;
use crate::run::{self, cargo, step};

/// Mutants of the optimised fidelity test; the debug build runs the few that are its default.
const MUTANTS: u64 = 400_000;

pub fn run(args: &[String]) -> Result<()> {
    run::check_options(args, &["--quick"], &[])?;
    let start = Instant::now();
    run::tools(&[
        ("cargo", &["--version"], "everything"),
        ("go", &["version"], "comparisons with Kubernetes' YAML reader"),
        ("python3", &["--version"], "comparisons with PyYAML"),
    ])?;
    step("formatting", &mut cargo(&["fmt", "--all", "--check"]))?;
    step("lints", &mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    if run::first_line("go", &["version"]).is_some() {
        go_oracle()?;
    }
    step("tests", &mut cargo(&["test", "--workspace"]))?;
    if !args.iter().any(|arg| arg == "--quick") {
        let mut mutants = fidelity();
        mutants.env("JOBPLATE_MUTANTS", MUTANTS.to_string()).args(["--", "--nocapture"]);
        step(&format!("fidelity, optimised, with {MUTANTS} mutants"), &mut mutants)?;
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
