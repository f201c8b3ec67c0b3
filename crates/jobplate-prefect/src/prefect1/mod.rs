//! Prefect 1: the Job that its Kubernetes agent makes for a flow run (`KubernetesAgent.generate_job_spec` of prefect
//! 0.15.13 and 1.4.1), from the job template, the agent, the flow and its run config.
//!
//! Everything here follows that program, faults included, and is held to it by comparing with the real one.
//! Takes texts and values and gives values: knows nothing of files, flags or HTTP.
//!
//! | file | decides |
//! |---|---|
//! | [`scenario`] | what a preview needs to know, and what is assumed |
//! | [`preview`] | which template counts; the order of the steps |
//! | [`template_source`] | where the job template is |
//! | [`deployment`] | which options an agent's Deployment gives it |
//! | `agent` | what the options, the environment and the configuration of an agent come to |
//! | `config` | what the configuration is: defaults, `config.toml`, variables |
//! | `defaults` | Prefect's own settings, job template and reserved names |
//! | `run_config` | what a flow requests |
//! | `flow` | the image and the command |
//! | `storage` | the image of a flow's storage |
//! | `job` | what the agent changes in the template |
//! | [`managed`] | which variables the agent sets itself, and the flags to set them on the agent |
//! | [`environment`] | which source of a variable overrides which |
//! | [`notes`] | what is worth a note |
//! | [`agent_container`] | which variables a setting becomes on an agent, and what keeps it from having an effect |
//! | [`secrets`] | which names a secret can have, and which text in a variable gives a flow which value |
//! | [`config_secrets`] | which secrets a `config.toml` holds |
//! | `version` | which versions differ |

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

pub use version::Version;
