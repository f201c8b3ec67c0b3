//! jobplate puts secret references and Prefect settings into Kubernetes job templates, and changes only
//! the bytes it must.

mod commands;
mod completion;
pub mod diagnostic;
pub mod inject;
pub mod render;
mod shared;
mod ui;

pub use commands::run;
