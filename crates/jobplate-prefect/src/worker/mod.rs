//! Prefect 2 and 3: the Job that a Kubernetes worker makes of a base job template for a flow run
//! (`KubernetesWorkerJobConfiguration` and `KubernetesWorker` of prefect-kubernetes 0.8.0 with prefect 3.8.8, and what
//! was different before).
//!
//! Everything here follows that program, faults included, and is held to it by comparing with the real one.
//! Takes texts and values and gives values: knows nothing of files, flags or HTTP.

pub mod configuration;
pub mod deployed;
pub mod environment;
pub mod fill;
pub mod labels;
pub mod manifest;
pub mod notes;
pub mod preview;
pub mod required;
pub mod run;
pub mod scenario;
pub mod schema;
pub mod secrets;
pub mod settings;
pub mod template;
pub mod values;
pub mod version;
