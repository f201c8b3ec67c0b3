//! The fallback parser for documents that the scanner rejects: granit-parser's events, built into the same nodes.
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
/// [`NodeArena::fallback_reason`] says which of them parsed it.
///
/// # Errors
///
/// Fails if both parsers reject the text, with the scanner's position and reason.
pub fn read(text: &str, arena: &mut NodeArena) -> Result<(), Unsupported> {
    let Err(unsupported) = scan(text, arena) else { return Ok(()) };
    parse_with_granit(text, arena).map_err(|_| unsupported)?;
    arena.fallback_reason = Some(unsupported);
    Ok(())
}
