//! Previews against the real thing: what `jobplate preview` prints is what Prefect 1's own agent, and the Kubernetes
//! worker of Prefect 2 and 3, make of the same template and scenario, in every version that it follows.
//!
//! Hand-written cases are in `prefect1/cases/` and `worker/cases/`, what Prefect makes of them in `expected/` beside them:
//! these need no Python. The other tests ask Prefect itself, which `cargo xtask oracles` installs.
//!
//! | variable | what for |
//! |---|---|
//! | `JOBPLATE_TEST_ORACLES` | the folder with Prefect (`target/oracles`) |
//! | `JOBPLATE_PREFECT_UPDATE=1` | writes `expected/` anew, by those versions of Prefect that are there |
//! | `JOBPLATE_PREFECT_COUNT`, `JOBPLATE_PREFECT_SEED` | how many random cases (2000 and 1000), and which |
//! | `JOBPLATE_PREFECT_SHOWN` | how many failing ones are made smaller and shown (12) |
//! | `JOBPLATE_PREFECT_FRESH=all` | a process of its own for all cases, not for some |

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
