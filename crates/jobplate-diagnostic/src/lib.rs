//! Diagnostics as data: errors, warnings and notes with a code, a severity, a one-sentence message, locations in an
//! input and help. This crate does not print them.
//!
//! ```
//! use jobplate_diagnostic::{Error, suggest};
//!
//! let document = "kind: Job\nsepc: {}\n";
//! let key = document.find("sepc").unwrap();
//! let mut error = Error::input("unknown key `sepc`").at(key..key + 4);
//! if let Some(hint) = suggest::did_you_mean("sepc", ["metadata", "spec"]) {
//!     error = error.hint(hint);
//! }
//! let error = error.in_document("job.yaml", 1, document);
//! assert_eq!(error.to_string(), "job.yaml:2:1: unknown key `sepc`");
//! assert_eq!(error.hint_message(), Some(&"did you mean `spec`?".into()));
//! assert_eq!(error.kind().exit_code(), 2);
//! ```
//!
//! | file | decides |
//! |---|---|
//! | `diagnostic` | the contents of a diagnostic, and its severity |
//! | `error` | the exit code of each kind of error; a closed pipe is not a failure |
//! | `location` | how a byte range of a document becomes a line and column of a file |
//! | `message` | where the program's name is inserted in a hint, and how a message becomes a sentence |
//! | `line_index` | the line and column of a byte offset |
//! | [`suggest`] | which known name to suggest for a misspelled name |

#![warn(clippy::missing_errors_doc)]

mod diagnostic;
mod error;
mod line_index;
mod location;
mod message;
pub mod suggest;

pub use diagnostic::{Annotation, Diagnostic, Severity};
pub use error::{Error, ErrorKind, Result, describe_io_error, display_path, output_error};
pub use line_index::LineIndex;
pub use location::Location;
pub use message::{Message, ProgramName, to_sentence};
