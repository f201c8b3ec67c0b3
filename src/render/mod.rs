//! Rendering: inputs to edited output in several passes, in the memory of the largest document.
//!
//! Passes of planning write down the splices of every document. Only when all has succeeded does a last pass print,
//! copying the input's bytes around the splices. Knows files and streams, but no flags and nothing of YAML's inside.
//!
//! | file | decides |
//! |---|---|
//! | `rendering` | that nothing is printed before all inputs are planned, and what their joining may change |
//! | `passes` | how often documents are planned, and when they are planned again |
//! | `document` | whether a document has a target, which edits it gets, `--name-hash` |
//! | `open` | which documents are parsed, and when a parse error is reported |
//! | `texts` | how documents embedded in a ConfigMap are edited inside their scalar |
//! | `source` | which inputs are read by offset and which are spooled; whether one has changed |
//! | `log` | how planned splices are kept between the passes |
//! | `copy`, `cursor` | that what is printed is what was planned: whole, or document by document |
//! | `join` | which `---` separates joined inputs |
//! | `seen` | what is listed as found in the inputs when nothing matches |
//! | `errors` | the errors for inputs that change and temporary files that fail |
//! | `in_memory`, `outcome`, `planned` | the types for a text in memory, for the outcome of a document and for a planned input |

mod copy;
mod cursor;
mod document;
mod errors;
mod in_memory;
mod join;
mod log;
mod open;
mod outcome;
mod passes;
mod planned;
mod rendering;
mod seen;
mod source;
mod texts;

pub use self::cursor::{Cursor, Pair};
pub use self::in_memory::{Rendered, to_string};
pub use self::join::Joined;
pub use self::rendering::{OPEN_FILES, Rendering};
pub use self::seen::{Seen, SeenText, each_object};
pub use self::source::Source;
