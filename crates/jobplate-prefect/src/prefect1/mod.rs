//! Prefect 1: the Job that its Kubernetes agent creates for a flow run (`KubernetesAgent.generate_job_spec` of prefect
//! 0.15.13 and 1.4.1), from the job template, the agent, the flow and its run config.
//!
//! Reproduces the agent, including its bugs. `tests/prefect` compares the previews with the real agent. This module
//! does not access files, flags or HTTP.
//!
//! | file | decides |
//! |---|---|
//! | [`scenario`] | which keys a scenario file has, and their defaults |
//! | [`preview`] | which template is used, and the steps from the template to the Job |
//! | [`template_source`] | where a file has a job template |
//! | [`deployment`] | how a Deployment starts an agent |
//! | `agent` | the attributes of an agent, from its arguments, environment and configuration |
//! | `config` | Prefect's configuration: defaults, `config.toml`, variables, and how values are type-cast |
//! | `config_toml` | which values a `config.toml` has |
//! | `config_check` | which settings prevent Prefect from starting |
//! | `defaults` | Prefect's own settings, job template and reserved names |
//! | `run_config` | which settings a run config may have |
//! | `flow` | the image and the command of the flow's container |
//! | `storage` | the image of a flow's storage |
//! | `job` | what the agent changes in the template, and in which order sources set variables |
//! | [`managed`] | which variables the agent sets itself, and which flags set them on the agent |
//! | [`environment`] | which source of a variable has priority |
//! | [`notes`] | which notes a preview has |
//! | [`agent_container`] | which variables a setting needs on an agent, and when it has no effect |
//! | [`secrets`] | which names a secret can have, and which value a flow reads from a string |
//! | [`config_secrets`] | which secrets a `config.toml` has |
//! | `version` | which versions of agents differ |

mod agent;
pub mod agent_container;
mod config;
mod config_check;
pub mod config_secrets;
mod config_toml;
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
