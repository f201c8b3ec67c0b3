//! Converts a Prefect 1 job template to the base job template of a Prefect 2 or 3 work pool (type `kubernetes`).
//!
//! The template's Job is overlaid on that of a base. What deployments should be able to change becomes the default of a
//! variable; everything else stays in the Job. The conversion adds what a worker requires, and reports what has no
//! successor. It knows nothing of files and flags.
//!
//! | file | decides |
//! |---|---|
//! | `input` | what counts as a job template, and which of its parts are converted |
//! | `base` | which base job template the conversion starts from |
//! | `conversion` | how each part of the Job is converted |
//! | `overlay` | which values become defaults of variables, and which stay in the Job |
//! | `flow_env` | how each entry of the flow's `env` is converted |
//! | `variable_mapping` | which variable of Prefect 1 has which name in Prefect 2 and 3 |
//! | `rewrite` | how names inside a value are replaced, and how scalars become strings |
//! | `notes` | in which order notes are reported |

mod base;
mod conversion;
mod flow_env;
mod input;
mod notes;
mod overlay;
mod rewrite;
mod variable_mapping;

pub use conversion::{Conversion, convert};
