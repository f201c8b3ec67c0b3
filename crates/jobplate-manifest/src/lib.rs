//! Kubernetes manifests: the objects in a document, their pod templates, containers and environment variables, and the
//! selection of targets. This crate does not depend on Prefect, flags or files.
//!
//! ```
//! use jobplate_manifest::{container, object, workload};
//! use jobplate_yaml::{Document, NodeArena, read};
//!
//! let text = "kind: Job\nmetadata: {name: etl}\nspec: {template: {spec: {containers: [{name: flow}]}}}\n";
//! let mut arena = NodeArena::default();
//! read(text, &mut arena).expect("YAML");
//!
//! let objects = object::objects(Document::new(text, &arena))?;
//! let pod_specs = workload::pod_specs(&objects[0])?;
//! assert_eq!(objects[0].display(), "Job/etl");
//! assert_eq!(container::name(container::containers(pod_specs[0])[0]).as_deref(), Some("flow"));
//! # Ok::<(), jobplate_diagnostic::Error>(())
//! ```
//!
//! | file | decides |
//! |---|---|
//! | [`object`] | what an object is, and which objects a document holds |
//! | [`workload`] | which objects have pods, and where their pod spec is; short names of kinds (`deploy`) |
//! | [`container`] | which containers a pod spec has, and which can be edited |
//! | [`select`] | which objects and containers a target names; that the first container is the default |
//! | [`selector`] | which labels a selector matches |
//! | [`mod@env`] | what an entry of `env` or `envFrom` is, how it is described, how `$(VAR)` is expanded |
//! | [`embedded`] | which values of a ConfigMap can be embedded documents |
//! | [`credentials`] | which names and values look secret: the one table of names, exceptions and shapes |
//! | [`sensitive`] | which values of a document are masked |
//! | [`names`] | which names of objects, variables and keys Kubernetes accepts |
//! | [`quantity`] | which quantities Kubernetes accepts, and which of two quantities is larger |
//! | [`shell`] | which script a shell in a container's command runs |
//! | [`field`] | how a field path is parsed and resolved |
//! | [`sendable`] | what is refused before an object is sent: exports, duplicate names, non-string values |
//! | [`json`] | how a node is converted to JSON |
//! | [`difference`] | which containers and variables differ between two versions of a document |
//! | [`schema`] | which fields workloads, ConfigMaps and Secrets have, and the types of their values |
//! | [`secret`] | how a Secret is written |
//! | [`sops`] | which documents SOPS has encrypted, and that they are not edited |
//! | [`env_file`] | how an env file is parsed: quotes, comments, names |

#![warn(clippy::missing_errors_doc)]

pub mod container;
pub mod credentials;
pub mod difference;
pub mod embedded;
pub mod env;
pub mod env_file;
pub mod field;
pub mod json;
pub mod names;
pub mod object;
pub mod quantity;
pub mod schema;
pub mod secret;
pub mod select;
pub mod selector;
pub mod sendable;
pub mod sensitive;
pub mod shell;
pub mod sops;
pub mod workload;
