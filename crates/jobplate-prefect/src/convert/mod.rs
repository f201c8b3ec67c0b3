//! Converts a Prefect 1 job template to the base job template of a Prefect 2 or 3 work pool (type `kubernetes`).
//!
//! The conversion overlays the template's Job on the Job of a base. Values that deployments should be able to change
//! become defaults of variables; all other values are kept in the Job. The conversion adds the fields that a worker
//! requires, and reports settings without a successor. It does not access files or flags.
//!
//! | file | decides |
//! |---|---|
//! | `input` | what counts as a job template, and which of its parts are converted |
//! | `base` | which base job template the conversion starts from |
//! | `conversion` | how each part of the Job is converted |
//! | `overlay` | which values become defaults of variables, and which are kept in the Job |
//! | `flow_env` | how each entry of the flow's `env` is converted |
//! | `env_default` | which values the default of the base's variable `env` gets |
//! | `variable_mapping` | the name of each Prefect 1 variable in Prefect 2 and 3 |
//! | `rewrite` | how names inside a value are replaced, and how scalars are converted to strings |
//! | `notes` | the order of the notes |

mod base;
mod conversion;
mod env_default;
mod flow_env;
mod input;
mod notes;
mod overlay;
mod rewrite;
mod variable_mapping;

pub use conversion::{Conversion, convert};
pub use variable_mapping::successor;
