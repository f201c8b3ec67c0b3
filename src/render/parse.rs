//! Which documents are read at all, and which of those that can't be read are errors.

use jobplate_diagnostic::{Error, ProgramName, Result};
use jobplate_yaml::{Document, ForbiddenCharacter, NodeArena, Unsupported, check_characters};

use crate::inject::Relevance;

/// Directives (`%YAML`): a stream is split behind them, so that they are a document before the one they hold for.
#[derive(Default)]
pub(super) struct Directives(bool);

impl Directives {
    /// Another document comes: whether directives may stand before it.
    pub(super) fn before(&mut self, text: &str) -> bool {
        let has_some = text.trim_start_matches('\u{feff}').starts_with('%') || text.contains("\n%");
        std::mem::replace(&mut self.0, has_some)
    }
}

/// Refuses to edit a document that directives may stand before.
pub(super) fn refuse_directives(after_directives: bool) -> Result<()> {
    match after_directives {
        false => Ok(()),
        true => Err(Error::refused("a directive (`%`) stands before this document, and Kubernetes refuses those")
            .at(0..3)
            .hint("remove the line that begins with `%`")),
    }
}

/// Reads a document; nothing where it can't have a target.
pub(super) fn open<'t>(relevance: Relevance, text: &'t str, arena: &'t mut NodeArena) -> Result<Option<Document<'t>>> {
    if relevance == Relevance::None {
        return Ok(None);
    }
    let read = jobplate_yaml::read(text, arena);
    if relevance == Relevance::Target && (read.is_err() || arena.fallback_reason().is_some()) {
        check_characters(text).map_err(ForbiddenCharacter::into_error)?;
    }
    let must_be_read = match relevance {
        Relevance::Target => true,
        // A target's kind may be hidden; its containers are there to be seen.
        Relevance::PossibleTarget { names_containers } => names_containers,
        // A document that can't be read is not a pod.
        Relevance::UsesConfigMap | Relevance::None => false,
    };
    match read {
        Ok(()) => Ok(Some(Document::new(text, arena))),
        Err(unsupported) if must_be_read => Err(unreadable(text, unsupported)),
        Err(_) => Ok(None),
    }
}

/// A document that may hold a target and that neither parser reads.
fn unreadable(text: &str, unsupported: Unsupported) -> Error {
    let hint = if unsupported.reason.contains("{{") {
        "this is a template, not yet YAML: render it first (`helm template ... | " + ProgramName + " render -`)"
    } else if unsupported.reason.contains("tab") {
        "indent with spaces".into()
    } else if unsupported.reason.contains("quote") {
        "close the quote, or check the quotes before it".into()
    } else {
        "mend this place; documents without a target would pass as they are".into()
    };
    let end = (unsupported.offset + 1).min(text.len());
    Error::input(format!("this is no YAML that could be edited: {}", unsupported.reason))
        .at(unsupported.offset..end)
        .hint(hint)
}
