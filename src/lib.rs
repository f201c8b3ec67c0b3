//! jobplate puts secret references and Prefect settings into Kubernetes job templates, and changes only
//! the bytes it must.

pub mod cli;
pub mod diagnostic;
pub mod inject;
pub mod render;
