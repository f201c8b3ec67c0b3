//! Compares previews with the real programs: `jobplate preview` must print the Job that the agent of Prefect 1, and
//! the Kubernetes worker of Prefect 2 and 3, make of the same template and scenario, for every supported version.
//!
//! Hand-written cases are in `prefect1/cases/` and `worker/cases/`, and Prefect's recorded answers in `expected/` next to
//! them: these need no Python. The other tests run Prefect itself, which `cargo xtask oracles` installs.
//!
//! | variable | effect |
//! |---|---|
//! | `JOBPLATE_TEST_ORACLES` | the directory with Prefect (`target/oracles`) |
//! | `JOBPLATE_PREFECT_UPDATE=1` | records `expected/` again, with the versions of Prefect that are installed |
//! | `JOBPLATE_PREFECT_COUNT`, `JOBPLATE_PREFECT_SEED` | the number of random cases (2000 and 1000), and their seed |
//! | `JOBPLATE_PREFECT_SHOWN` | how many failing cases are reduced and shown (12) |
//! | `JOBPLATE_PREFECT_FRESH=all` | runs all cases, not only some, each in a process of its own |

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
