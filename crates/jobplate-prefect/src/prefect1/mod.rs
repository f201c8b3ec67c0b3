//! Prefect 1: the Job that its Kubernetes agent makes for a flow run (`KubernetesAgent.generate_job_spec` of prefect
//! 0.15.13 and 1.4.1), from the job template, the agent, the flow and its run config.
//!
//! Everything here follows that program, faults included, and is held to it by comparing with the real one.
//! Takes texts and values and gives values: knows nothing of files, flags or HTTP.

mod agent;
mod config;
pub mod config_secrets;
mod defaults;
pub mod deployment;
pub mod environment;
mod flow;
mod job;
pub mod managed;
pub mod notes;
pub mod preview;
mod run_config;
pub mod scenario;
pub mod secrets;
pub mod settings;
mod storage;
pub mod template;
mod version;

pub use version::Version;
