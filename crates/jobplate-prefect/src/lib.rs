//! Prefect: what its names and programs mean, as data. Knows nothing of files, flags, splices or HTTP.

pub mod base_job_template;
pub mod block;
pub mod convert;
pub mod deployment;
mod kwargs;
pub mod note;
pub mod placeholder;
pub mod prefect1;
pub mod program;
pub mod pyvalue;
pub mod settings;
pub mod shown;
pub mod template_keys;
pub mod variables;
pub mod worker;
