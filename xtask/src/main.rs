//! `cargo xtask`: the commands that developers and CI run. They do not depend on a shell.
//!
//! Each command is a module. The modules run programs and read files. Only `corpus` uses the library.

mod audit;
mod bench;
#[cfg(feature = "corpus")]
mod corpus;
mod dist;
mod docs;
mod mutants;
mod oracles;
mod run;
mod schema;
mod servers;
mod swaps;
mod test;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  test [--quick]                   Run all checks and tests that can run on this machine, and print their times
                                   (--quick: formatting, lints, unit tests and golden cases, within a minute)
  audit [--offline]                Check licenses, advisories, unwanted and duplicate crates with cargo-deny (deny.toml);
                                   builds it in minutes the first time (--offline: without advisories)
  docs [--serve]                   Build the documentation site in target/site and check its links (--serve: serve it,
                                   and build it again when a page changes)
  schema [--check]                 Write the fields that `check` knows, from Kubernetes' OpenAPI specification
                                   (--check: fail if they are outdated)
  servers                          Install Kubernetes' servers, kubectl, Helm, act, pre-commit and others for the
                                   tests into target/servers (fifteen minutes the first time)
  oracles                          Install Prefect for the tests into virtual environments in target/oracles
                                   (two minutes the first time)
  mutants [--count N] [--seed S]   Run the fidelity test with N mutants (10000000) of seed S (1)
          [--only NUMBER]          Run it with one of these mutants
  swaps                            Check that the tests of previews notice two swapped arms of a `match`
  bench [--large] [--runs N]       Measure whole programs: time, CPU time, peak memory
        [--without NAME]           (--large: with 800 MB, too; --without: leave out a program;
        [--program PATH]           --program: a build of jobplate, instead of a new one)
  bench --apply [--runs N]         Measure how a bare loop, `apply` and kubectl send 400 CronJobs to an API server
  bench --check [--runs N]         Measure `check` beside kubeconform on 3,200 Jobs
  corpus --clones DIR [...]        Edit real manifests with the library (tests/corpus/README.md)
  dist --base-url URL --version V  Build a release for this machine's platform (docs/release.md) in DIR/vV
       [--out DIR] [--homepage URL] (target/dist/vV), to be served as URL/vV
       [--allow-dirty]
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let args: Vec<String> = args.collect();
    let result = match command.as_str() {
        "test" => test::run(&args),
        "audit" => audit::run(&args),
        "schema" => schema::run(&args),
        "servers" => servers::run(&args),
        "oracles" => oracles::run(&args),
        "swaps" => swaps::run(&args),
        "mutants" => mutants::run(&args),
        "bench" => bench::run(&args),
        #[cfg(feature = "corpus")]
        "corpus" => corpus::run(args),
        #[cfg(not(feature = "corpus"))]
        "corpus" => run_with_library(&args),
        "dist" => dist::run(&args),
        "docs" => docs::run(&args),
        "" | "help" | "-h" | "--help" => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        other => {
            eprintln!("xtask: unknown command `{other}`\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            // Return the exit code of the failed program.
            error.downcast_ref::<run::StepError>().map_or(ExitCode::FAILURE, |error| ExitCode::from(error.code))
        }
    }
}

/// Runs `corpus` with a build of xtask that includes the library.
#[cfg(not(feature = "corpus"))]
fn run_with_library(args: &[String]) -> anyhow::Result<()> {
    let manifest = run::root().join("xtask/Cargo.toml");
    let mut xtask = run::cargo_command(&["run", "--quiet", "--features", "corpus", "--manifest-path"]);
    // Paths in the arguments are relative to the current directory, so run the command there.
    xtask.current_dir(std::env::current_dir()?).arg(manifest).args(["--", "corpus"]).args(args);
    run::run_step("corpus", &mut xtask)
}
