//! `cargo xtask`: what developers and CI run, in one place and without a shell.
//!
//! Each command is a module. None knows how the library works inside; they start programs and read files.

mod bench;
mod corpus;
mod dist;
mod mutants;
mod oracles;
mod run;
mod servers;
mod swaps;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  test [--quick]                   everything that can run here: formatting, lints, the tests of all kinds
                                   (--quick: without the optimised fidelity tests and swaps)
  servers                          Kubernetes' servers, kubectl, Helm, act, pre-commit and others for the tests,
                                   into target/servers (fifteen minutes the first time)
  oracles                          Prefect in virtual environments for the tests, into target/oracles
                                   (two minutes the first time)
  mutants [--count N] [--seed S]   the fidelity test with N mutants (10000000) of seed S (1)
          [--only NUMBER]          one mutant again
  swaps                            whether the tests of previews notice two arms of a `match` that are swapped
  bench [--large] [--runs N]       whole programs beside each other: time, CPU time, peak memory
        [--without NAME]           (--large: 800 MB too; --without: leave a peer out)
  bench --apply [--runs N]         400 CronJobs to an API server: a bare loop, `apply`, kubectl
  corpus --clones DIR [...]        the editor over real manifests (tests/corpus/README.md)
  dist --base-url URL --version V  a release for this machine's platform (docs/release.md), into
       [--out DIR] [--homepage URL] DIR/vV (target/dist/vV), to be served as URL/vV
       [--allow-dirty]
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let args: Vec<String> = args.collect();
    let done = match command.as_str() {
        "test" => test::run(&args),
        "servers" => servers::run(&args),
        "oracles" => oracles::run(&args),
        "swaps" => swaps::run(&args),
        "mutants" => mutants::run(&args),
        "bench" => bench::run(&args),
        "corpus" => corpus::run(args),
        "dist" => dist::run(&args),
        "" | "help" | "-h" | "--help" => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        other => {
            eprintln!("xtask: no command {other:?}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            // A program that failed lends us its exit code.
            error.downcast_ref::<run::Failed>().map_or(ExitCode::FAILURE, |failed| ExitCode::from(failed.code))
        }
    }
}
