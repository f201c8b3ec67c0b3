//! Tests that hostile inputs are refused, or need time and memory in proportion to their size.
//!
//! Each row of the tables is a family of inputs, and the test `TABLE/NAME`: a generator for inputs of size N, the
//! arguments of the program, and N. The runner measures the time (user and system) and the peak memory of the real
//! program at N and at 2N. It compares only ratios, so the speed of the machine does not matter. Accepts the arguments
//! of Rust's own test harness: `cargo test --test hostile render/`.
//!
//! | variable | effect |
//! |---|---|
//! | `JOBPLATE_HOSTILE_VERBOSE=1` | prints the measurements of each family |

mod checks;
mod edits;
mod measure;
mod previews;
mod refusals;
mod secrets;
mod specs;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if cfg!(not(unix)) {
        return ExitCode::SUCCESS; // Peak memory is not comparable elsewhere.
    }
    let args = Arguments::from_args();
    let families =
        [checks::table(), edits::table(), specs::table(), previews::table(), secrets::table(), refusals::table()]
            .concat();
    let trials = families.into_iter().map(|family| Trial::test(family.name, move || Ok(family.check()?)));
    libtest_mimic::run(&args, trials.collect()).exit_code()
}
