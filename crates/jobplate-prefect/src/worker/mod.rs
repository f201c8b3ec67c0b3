//! Prefect 2 and 3: the Job that a Kubernetes worker creates from a base job template for a flow run
//! (`KubernetesWorkerJobConfiguration` and `KubernetesWorker` of prefect-kubernetes 0.8.0 with prefect 3.8.8, and of
//! earlier versions).
//!
//! Reproduces that program including its bugs; `tests/prefect` compares it with the real one. Takes text and values and
//! returns values; knows nothing of files, flags or HTTP.
//!
//! | file | decides |
//! |---|---|
//! | [`scenario`] | what a scenario file may hold, and its defaults |
//! | [`preview`] | the order of the steps from template to Job; which values of variables are hidden |
//! | [`template_source`] | where a base job template is found in a file |
//! | [`deployment`] | which options a worker's Deployment gives it, and what of it does not reach flow runs |
//! | `run` | what is assumed about the flow run, its flow, deployment and work pool |
//! | `configuration` | the precedence of job variables, their defaults and the template's `env`; the job configuration with variables filled in |
//! | `fill` | what replaces a `{{ placeholder }}` |
//! | `schema` | whether a value fits the schema of a variable |
//! | [`values`] | how dictionaries are merged |
//! | `required` | which fields a Job must have |
//! | [`environment`] | how the worker's own variables, the filled `env` of `configuration` and the container's entries are merged |
//! | [`manifest`] | which labels the worker sets; image, command and name of the Job |
//! | `labels` | how names and labels are shortened and slugged |
//! | `secret_references` | which values become references, and which Secrets the worker writes |
//! | [`settings`] | which settings a worker has, and which it passes on |
//! | [`notes`] | which notes a preview gives about the Job |
//! | `template_notes` | which notes it gives about the template, the scenario and job variables |
//! | [`version`] | what each version of prefect-kubernetes does |

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
mod secret_references;
pub mod settings;
mod template_notes;
pub mod template_source;
pub mod values;
pub mod version;
