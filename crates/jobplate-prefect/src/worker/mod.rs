//! Prefect 2 and 3: the Job that a Kubernetes worker makes of a base job template for a flow run
//! (`KubernetesWorkerJobConfiguration` and `KubernetesWorker` of prefect-kubernetes 0.8.0 with prefect 3.8.8, and what
//! was different before).
//!
//! Everything here follows that program, faults included, and is held to it by comparing with the real one.
//! Takes texts and values and gives values: knows nothing of files, flags or HTTP.

mod configuration;
pub mod deployment;
pub mod environment;
mod fill;
mod labels;
pub mod manifest;
pub mod notes;
pub mod preview;
mod required;
mod run;
pub mod scenario;
mod schema;
mod secrets;
mod settings;
pub mod template;
pub mod values;
pub mod version;
