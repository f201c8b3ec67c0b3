//! What several commands share.
//!
//! | file | decides |
//! |---|---|
//! | `edit_args.rs` | what `--secret`, `--env`, `--target` and the other flags of an edit mean; that flags win over a spec file; defaults of sizes and names |
//! | `cluster_args.rs` | which kubeconfig files count (flag, `KUBECONFIG`, home); what the cluster flags of several commands mean, with defaults and limits such as `--concurrency` |
//! | `parse.rs` | the syntax of flag values: `NAME=SECRET/KEY`, targets, sizes |
//! | `choice.rs` | how a flag with a fixed set of values is read |
//! | `usage.rs` | the error for a command line that clap refuses |
//! | `inputs.rs` | which files a FILE, a directory and `-` stand for |
//! | `whole.rs` | how files other than manifests are read: in full, up to a size limit |
//! | `plan.rs` | which errors and notes come right after planning: nothing matches, one name for many objects |
//! | `no_match.rs` | the error when nothing matches: what was found, and which target is meant |
//! | `agents.rs` | the note for variables that an agent overrides, and the command to set them on the agent |
//! | `one_template.rs` | how `preview` and `convert` read their one template |
//! | `documents.rs` | which documents of a rendering are sent to a cluster |
//! | `edits.rs` | where edits are reported: `--report`, GitHub |
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
