//! Prefect 2 and 3: the Job that a Kubernetes worker creates from a base job template for a flow run
//! (`KubernetesWorkerJobConfiguration` and `KubernetesWorker` of prefect-kubernetes 0.8.0 with prefect 3.8.8, and of
//! earlier versions).
//!
//! The module reproduces that program including its bugs; `tests/prefect` compares it with the real Prefect. The module
//! takes text and values and returns values. It does not access files, flags or HTTP.
//!
//! | file | decides |
//! |---|---|
//! | [`scenario`] | the contents of a scenario file, and its defaults |
//! | [`project`] | which deployment of a prefect.yaml is selected, and which of its values are known |
//! | [`preview`] | the order of the steps from template to Job; which values of variables are hidden |
//! | [`template_source`] | where a base job template is found in a file |
//! | [`deployment`] | the worker that a Deployment starts, and which of its variables do not reach flow runs |
//! | `run` | the assumptions about the flow run, its flow, deployment and work pool |
//! | `configuration` | the precedence of job variables, their defaults and the template's `env`; the job configuration with variables filled in |
//! | `fill` | the value that replaces a `{{ placeholder }}` |
//! | `schema` | whether a value fits the schema of a variable |
//! | [`values`] | how dictionaries are merged |
//! | `required` | which fields a Job must have |
//! | [`environment`] | how the worker's own variables, the filled `env` of `configuration` and the container's entries are merged |
//! | [`manifest`] | which labels the worker sets; image, command and name of the Job |
//! | `command` | the words of a command |
//! | `labels` | how names and labels are shortened and slugged |
//! | `secret_references` | which values are replaced with references, and which Secrets the worker writes |
//! | [`settings`] | which settings a worker has, and which it passes on |
//! | [`notes`] | the notes of a preview about the Job |
//! | `job_notes` | the notes of a preview about parts of the Job that Kubernetes rejects, and about labels |
//! | `template_notes` | the notes of a preview about the template, the scenario and job variables |
//! | [`version`] | the behaviour of each version of prefect-kubernetes |

mod command;
mod configuration;
pub mod deployment;
pub mod environment;
mod fill;
mod job_notes;
pub(crate) mod labels;
pub mod manifest;
pub mod notes;
pub mod preview;
pub mod project;
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
