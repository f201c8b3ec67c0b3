//! What several commands share.
//!
//! | file | decides |
//! |---|---|
//! | `edit_args.rs` | what the flags mean that say what is set, where, and under which names |
//! | `cluster_args.rs` | which kubeconfig files count (flag, `KUBECONFIG`, home), and what the other cluster flags mean |
//! | `parse.rs` | what a value of a flag must look like |
//! | `choice.rs` | how a flag with a fixed set of values reads them |
//! | `usage.rs` | what is said about a command line that clap refuses |
//! | `inputs.rs` | which files the inputs are |
//! | `whole.rs` | how files other than manifests are read: in full, up to a size limit |
//! | `plan.rs` | what is refused and noted once the manifests are planned |
//! | `no_match.rs` | what is said where nothing matches |
//! | `agents.rs` | what is said about variables that an agent overrides |
//! | `one_template.rs` | what `preview` and `convert` say about their one template |
//! | `documents.rs` | what of a rendering is sent to a cluster |
//! | `edits.rs` | who gets a report of the edits |
//! | `outputs.rs` | how files are replaced: none before all of them are written |

pub(crate) mod agents;
pub(crate) mod choice;
#[cfg(feature = "cluster")]
pub(crate) mod cluster_args;
#[cfg(feature = "cluster")]
pub(crate) mod documents;
pub(crate) mod edit_args;
pub(crate) mod edits;
pub(crate) mod inputs;
pub(crate) mod no_match;
pub(crate) mod one_template;
pub(crate) mod outputs;
pub(crate) mod parse;
pub(crate) mod plan;
pub(crate) mod usage;
pub(crate) mod whole;
