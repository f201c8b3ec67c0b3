//! Arguments, inputs and outputs that several commands share.
//!
//! | file | decides |
//! |---|---|
//! | `edit_args.rs` | `--secret`, `--env`, `--target` and the other flags of commands that edit manifests, with their defaults |
//! | `render_request.rs` | the meaning of these flags, and that flags override a spec file |
//! | `report_file.rs` | which files `--report` and `--output` may replace, and when |
//! | `cluster_args.rs` | which kubeconfig is used (flag, `KUBECONFIG`, home); the meaning, defaults and limits of cluster flags such as `--concurrency` |
//! | `flag_values.rs` | the syntax of flag values: `NAME=SECRET/KEY`, targets, sizes |
//! | `choice.rs` | how a flag with a fixed set of values is parsed |
//! | `usage.rs` | the error for a command line that clap refuses |
//! | `inputs.rs` | which files a FILE argument, a directory or `-` selects |
//! | `input_reader.rs` | how files other than manifests are read: completely, up to a size limit |
//! | `similar_file.rs` | which file is suggested for one that does not exist |
//! | `plan.rs` | the errors and notes after planning: no match, one name for several objects |
//! | `no_match.rs` | whether no match is an error |
//! | `no_match_hint.rs` | which target, container or flag the error suggests |
//! | `agent_notes.rs` | the note about variables that an agent overrides, and the command to set them on the agent |
//! | `preview_common.rs` | the error without a template, and how `preview` and `convert` report notes |
//! | `rendered_documents.rs` | which documents are sent to a cluster |
//! | `edit_report.rs` | where edits are reported: `--report`, GitHub Actions |
//! | `staged_files.rs` | how files are replaced: none before all of them are written, all or none |
//! | `summary.rs` | what the summary of a run counts, and that `--require-match` needs a target in each file |
//! | `fail_on.rs` | from which severity a diagnostic fails the command |
//! | `file_attributes.rs` | which files can be replaced, and which of their attributes are kept |
//! | `temp_files.rs` | when temporary files are removed: after use, and when a signal ends the process |

pub(crate) mod agent_notes;
pub(crate) mod choice;
#[cfg(feature = "cluster")]
pub(crate) mod cluster_args;
pub(crate) mod edit_args;
pub(crate) mod edit_report;
pub(crate) mod fail_on;
mod file_attributes;
pub(crate) mod flag_values;
pub(crate) mod input_reader;
pub(crate) mod inputs;
pub(crate) mod no_match;
mod no_match_hint;
pub(crate) mod plan;
pub(crate) mod preview_common;
pub(crate) mod render_request;
#[cfg(feature = "cluster")]
pub(crate) mod rendered_documents;
pub(crate) mod report_file;
mod similar_file;
pub(crate) mod staged_files;
pub(crate) mod summary;
pub(crate) mod temp_files;
pub(crate) mod usage;
