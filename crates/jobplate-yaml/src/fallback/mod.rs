//! The fallback parser for documents that the scanner rejects. It builds the same nodes from granit-parser's events.
//!
//! | file | decides |
//! |---|---|
//! | `builder` | where the nodes of granit-parser's events are in the text |
//! | `cross_check` | whether yaml_serde agrees with an edit |

mod builder;
mod cross_check;

use super::scan::scan;
use super::tree::NodeArena;
use super::unsupported::Unsupported;

pub use builder::parse_with_granit;
pub(super) use cross_check::agrees_with_yaml_serde;

/// Parses one document: with the scanner, or with granit-parser if the scanner rejects it.
///
/// Afterwards, [`NodeArena::fallback_reason`] is set if granit-parser parsed the document.
///
/// # Errors
///
/// Fails if both parsers reject the text. The error contains the scanner's position and reason.
pub fn read(text: &str, arena: &mut NodeArena) -> Result<(), Unsupported> {
    let Err(unsupported) = scan(text, arena) else { return Ok(()) };
    parse_with_granit(text, arena).map_err(|_| unsupported)?;
    arena.fallback_reason = Some(unsupported);
    Ok(())
}
