//! Renders inputs in several passes, with only one document in memory at a time.
//!
//! The planning passes record the splices of every document. If all of them succeed, the last pass prints the inputs
//! with the splices applied. The module handles files and streams, but does not depend on flags or YAML syntax.
//!
//! | file | decides |
//! |---|---|
//! | `rendering` | that nothing is printed before all inputs are planned, and which inputs cannot be joined |
//! | `passes` | how often documents are planned, and when they are planned again |
//! | `document_planner` | whether a document has a target, which edits the document gets, and when names are hashed (`--name-hash`) |
//! | `parse` | which documents are parsed, and when a parse error is reported |
//! | `embedded` | how documents embedded in a ConfigMap are edited inside their scalar |
//! | `input_source` | which inputs are read again from their file, which are spooled, and whether a file has changed |
//! | `edit_log` | how planned splices are stored until they are printed |
//! | `copier`, `cursor` | that the output is exactly the planned output, for a whole input or document by document |
//! | `joiner` | where `---` lines and line breaks are inserted between joined inputs |
//! | `found_objects` | which objects are listed as found if no target matches |
//! | `faults` | how many errors and warnings about documents are reported |
//! | `unchanged` | which facts about targets without edits are kept, and how much memory a report needs |
//! | `unrecognized` | which objects are reported because their kind is missing or misspelled |
//! | `errors` | the errors for inputs that change and temporary files that fail |
//! | `in_memory`, `outcome`, `planned_input` | the types for a stream in memory, a document's result and a planned input |

mod copier;
mod cursor;
mod document_planner;
mod edit_log;
mod embedded;
mod errors;
mod faults;
mod found_objects;
mod in_memory;
mod input_source;
mod joiner;
mod outcome;
mod parse;
mod passes;
mod planned_input;
mod rendering;
mod unchanged;
mod unrecognized;

pub use self::cursor::{DocumentCursor, RenderedDocument};
pub(crate) use self::errors::{not_utf8_error, read_error};
pub use self::found_objects::{FoundEmbedded, FoundObject, is_object, visit_objects};
pub use self::in_memory::{RenderedStream, to_string};
pub use self::input_source::InputSource;
pub use self::joiner::StreamJoiner;
pub(crate) use self::parse::syntax_error;
pub use self::rendering::{MAX_OPEN_FILES, PlanOptions, Rendering};
pub use self::unchanged::{ReportSize, UnchangedTarget, UnchangedTargets};
pub use self::unrecognized::{UNRECOGNIZED_CODE, Unrecognized, find_unrecognized};
