//! What several commands share.
//!
//! | file | decides |
//! |---|---|
//! | `edit_args.rs` | what `--secret`, `--env`, `--target` and the other flags of an edit mean; that flags win over a spec file; defaults of sizes and names |
//! | `cluster_args.rs` | which kubeconfig files count (flag, `KUBECONFIG`, home); what the cluster flags of several commands mean, with defaults and limits such as `--concurrency` |
//! | `flag_values.rs` | the syntax of flag values: `NAME=SECRET/KEY`, targets, sizes |
//! | `choice.rs` | how a flag with a fixed set of values is read |
//! | `usage.rs` | the error for a command line that clap refuses |
//! | `inputs.rs` | which files a FILE, a directory and `-` stand for |
//! | `input_reader.rs` | how files other than manifests are read: in full, up to a size limit |
//! | `plan.rs` | which errors and notes come right after planning: nothing matches, one name for many objects |
//! | `no_match.rs` | the error when nothing matches: what was found, and which target is meant |
//! | `agent_notes.rs` | the note for variables that an agent overrides, and the command to set them on the agent |
//! | `preview_common.rs` | how `preview` and `convert` read their one template |
//! | `rendered_documents.rs` | which documents of a rendering are sent to a cluster |
//! | `edit_report.rs` | where edits are reported: `--report`, GitHub |
//! | `staged_files.rs` | how files are replaced: none before all of them are written |

pub(crate) mod agent_notes;
pub(crate) mod choice;
#[cfg(feature = "cluster")]
pub(crate) mod cluster_args;
pub(crate) mod edit_args;
pub(crate) mod edit_report;
pub(crate) mod flag_values;
pub(crate) mod input_reader;
pub(crate) mod inputs;
pub(crate) mod no_match;
pub(crate) mod plan;
pub(crate) mod preview_common;
#[cfg(feature = "cluster")]
pub(crate) mod rendered_documents;
pub(crate) mod staged_files;
pub(crate) mod usage;
