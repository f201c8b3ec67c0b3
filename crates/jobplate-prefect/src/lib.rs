//! Prefect on Kubernetes: the meaning of its names and settings, and the Jobs that its agents and workers create. The
//! crate takes text and values and returns values. It does not access files, flags or HTTP, and edits no manifests.
//!
//! ```
//! use jobplate_diagnostic::Error;
//! use jobplate_prefect::prefect1::AgentVersion;
//! use jobplate_prefect::prefect1::preview::preview;
//! use jobplate_prefect::prefect1::scenario::AgentScenario;
//! use jobplate_prefect::pyvalue::arena::Arena;
//! use jobplate_prefect::pyvalue::source::SourceFile;
//!
//! let mut arena = Arena::default();
//! let scenario = AgentScenario::minimal(&mut arena);
//! let job = "apiVersion: batch/v1\nkind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n";
//! let template = SourceFile::new_manifest("job_template.yaml", job);
//! let no_files = |_: &str| Err(Error::input("no file is read"));
//!
//! let preview = preview(&mut arena, AgentVersion::V1_4, Some(&template), &scenario, &no_files)?;
//! let policy = arena.dict_get(preview.job.pod, "restartPolicy").and_then(|policy| arena.as_str(policy));
//! assert_eq!(policy, Some("Never"));
//! # Ok::<(), Error>(())
//! ```
//!
//! | file | decides |
//! |---|---|
//! | [`generation`] | whether an object is a flow run, an agent or a worker, and of which generation of Prefect |
//! | [`variables`] | the variable of each secret (`PREFECT__CONTEXT__SECRETS__NAME`) and setting, and which values are sensitive |
//! | [`requested_settings`] | which settings a command line or a spec file can request |
//! | [`template_keys`] | which keys of a ConfigMap hold a template by default |
//! | [`base_job_template`] | where a base job template is, which parts of it make up `env`, which variables a worker sets |
//! | [`chart_values`] | where values of the chart `prefect-worker` hold a base job template |
//! | [`kubernetes_job_block`] | where a `KubernetesJob` block of Prefect 2 is, which parts of it make up `env` |
//! | [`placeholder`] | the syntax of `{{ placeholders }}` |
//! | [`deployment`] | which command, options and environment a container starts Prefect with |
//! | `job_checks` | which parts of a Job Kubernetes rejects, or do not work |
//! | [`prefect1`] | the Job that an agent of Prefect 1 creates |
//! | [`worker`] | the Job that a worker of Prefect 2 or 3 creates |
//! | [`convert`] | how a job template is converted to a base job template |
//! | [`pyvalue`] | how Python reads and writes values |
//! | `kwargs` | which arguments a Python class accepts |
//! | [`value_description`] | how notes and tables describe the value of a variable without showing it |
//! | [`note`] | the contents of a note |

#![warn(clippy::missing_errors_doc)]

pub mod base_job_template;
pub mod chart_values;
pub mod convert;
pub mod deployment;
pub mod generation;
mod job_checks;
pub mod kubernetes_job_block;
mod kwargs;
pub mod placeholder;
pub mod prefect1;
pub mod pyvalue;
pub mod requested_settings;
pub mod template_keys;
pub mod value_description;
pub mod variables;
pub mod worker;
