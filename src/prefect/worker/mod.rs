//! The Job that Prefect 3's Kubernetes worker makes.

pub mod labels;
