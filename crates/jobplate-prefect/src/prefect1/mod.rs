//! Prefect 1: the Job that its Kubernetes agent makes for a flow run (`KubernetesAgent.generate_job_spec` of prefect
//! 0.15.13 and 1.4.1), from the job template, the agent, the flow and its run config.
//!
//! Everything here follows that program, faults included, and is held to it by comparing with the real one.
//! Takes texts and values and gives values: knows nothing of files, flags or HTTP.
//!
//! | file | decides |
//! |---|---|
//! | [`scenario`] | what a scenario file may hold, and its defaults |
//! | [`preview`] | which template is used; the order of the steps from template to Job |
//! | [`template_source`] | where a job template is found in a file |
//! | [`deployment`] | which options an agent's Deployment gives it |
//! | `agent` | the values of an agent from its options, environment and configuration |
//! | `config` | Prefect's configuration: defaults, `config.toml`, variables, and how their values are type-cast |
//! | `defaults` | Prefect's own settings, job template and reserved names |
//! | `run_config` | which settings a run config may have |
//! | `flow` | the image and the command of the flow's container |
//! | `storage` | the image of a flow's storage |
//! | `job` | what the agent changes in the template to make the Job, and in which order sources set variables |
//! | [`managed`] | which variables the agent sets itself, and the flags to set them on the agent |
//! | [`environment`] | what happens when two sources set one variable |
//! | [`notes`] | which notes a preview gives |
//! | [`agent_container`] | which variables a setting becomes on an agent, and what prevents its effect |
//! | [`secrets`] | which names a secret can have, and which value a flow reads from a text (a string, a number, a dict) |
//! | [`config_secrets`] | which secrets a `config.toml` holds |
//! | `version` | which versions behave differently |

mod agent;
pub mod agent_container;
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
mod storage;
pub mod template_source;
mod version;

pub use version::AgentVersion;
