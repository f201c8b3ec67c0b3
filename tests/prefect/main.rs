//! Compares previews with the real programs: `jobplate preview` must print the Job that the agent of Prefect 1, or
//! the Kubernetes worker of Prefect 2 and 3, creates from the same template and scenario. This is checked for every
//! supported version.
//!
//! Hand-written cases are in `prefect1/cases/` and `worker/cases/`. Prefect's recorded answers are in `expected/`
//! next to them, so these cases need no Python. The other tests run Prefect itself, which `cargo xtask oracles`
//! installs.
//!
//! | variable | effect |
//! |---|---|
//! | `JOBPLATE_TEST_ORACLES` | the directory with the installed versions of Prefect (default: `target/oracles`) |
//! | `JOBPLATE_PREFECT_UPDATE=1` | records `expected/` again, with the versions of Prefect that are installed |
//! | `JOBPLATE_PREFECT_COUNT` | the number of random cases (default: 2000 for Prefect 1, 1000 for workers) |
//! | `JOBPLATE_PREFECT_SEED` | the seed of the random cases (default: 1) |
//! | `JOBPLATE_PREFECT_SHOWN` | the number of failing cases that are reduced and shown (default: 12) |
//! | `JOBPLATE_PREFECT_FRESH=all` | runs all cases, not only a sample, in a new process each |

mod answer;
mod case;
mod choose;
mod convert;
mod expected;
mod external;
mod fold;
#[path = "../cmd/case.rs"]
#[allow(dead_code)] // tests/cmd uses all of it
mod golden;
mod handwritten;
mod json;
mod options;
mod oracle;
mod prefect1;
mod preview;
mod random;
mod reference;
#[path = "../fidelity/rng.rs"]
mod rng;
#[path = "../cmd/run.rs"]
#[allow(dead_code)] // tests/cmd uses all of it
mod run;
mod swaps;
mod venv;
mod worker;
mod yaml_node;
