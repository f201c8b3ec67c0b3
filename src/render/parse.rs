//! Determines which documents are parsed, and which parse errors are reported.

use jobplate_diagnostic::{Error, Result};
use jobplate_yaml::{
    Document, ForbiddenCharacter, NodeArena, Unsupported, check_characters, template_expression_on_line,
    unrendered_template_error,
};

use crate::inject::{Prefilter, Relevance};

/// Whether the previous document of a stream has directives (`%YAML`). A stream is split at `---`, so directives form a
/// separate document before the document that they apply to.
#[derive(Default)]
pub(super) struct Directives(bool);

impl Directives {
    /// Returns whether directives may precede this document, which must be the stream's next document.
    pub(super) fn may_precede(&mut self, text: &str) -> bool {
        let is_line_break = |c| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
        let is_line_start = |before: &str| before.is_empty() || before.ends_with(is_line_break);
        let text = text.trim_start_matches('\u{feff}');
        let has_directives = text.match_indices('%').any(|(at, _)| is_line_start(&text[..at]));
        std::mem::replace(&mut self.0, has_directives)
    }
}

/// Refuses to edit a document that directives may precede.
pub(super) fn refuse_directives(after_directives: bool) -> Result<()> {
    match after_directives {
        false => Ok(()),
        true => Err(Error::refused("a directive (`%`) precedes this document, and Kubernetes rejects directives")
            .at(0..3)
            .hint("remove the line that begins with `%`")),
    }
}

/// Parses a document that may have a target. Returns `None` if the document cannot have a target.
///
/// # Errors
///
/// Fails if a document cannot be parsed and may have a target: it contains the keywords of a target, or it mentions
/// containers (perhaps with escapes) and an escape may hide its kind.
pub(super) fn parse_if_relevant<'t>(
    prefilter: &Prefilter,
    relevance: Relevance,
    text: &'t str,
    arena: &'t mut NodeArena,
) -> Result<Option<Document<'t>>> {
    if relevance == Relevance::None {
        return Ok(None);
    }
    let result = jobplate_yaml::read(text, arena);
    if result.is_ok() && arena.fallback_reason().is_none() {
        return Ok(Some(Document::new(text, arena)));
    }
    let must_parse = match relevance {
        Relevance::Target => true,
        // An escape may hide the kind of a target, so a document that mentions containers must be parsed.
        Relevance::PossibleTarget { mentions_containers } => {
            mentions_containers || prefilter.may_hide_containers(text.as_bytes())
        }
        // The document has no target, so it is copied unchanged if it cannot be parsed.
        Relevance::UsesConfigMap | Relevance::None => false,
    };
    if must_parse {
        check_characters(text).map_err(ForbiddenCharacter::into_error)?;
    }
    match result {
        Ok(()) => Ok(Some(Document::new(text, arena))),
        Err(unsupported) if must_parse => Err(parse_error(text, unsupported)),
        Err(_) => Ok(None),
    }
}

/// Returns the error for a document that may have a target but cannot be parsed.
fn parse_error(text: &str, unsupported: Unsupported) -> Error {
    syntax_error(text, unsupported, "correct this line")
}

/// Returns the error for a document that cannot be parsed. `general_hint` is the hint if the reason suggests no other.
pub(crate) fn syntax_error(text: &str, unsupported: Unsupported, general_hint: &str) -> Error {
    if let Some(at) = template_expression_on_line(text, unsupported.offset) {
        return unrendered_template_error(at);
    }
    let hint = if unsupported.is_json_comment() {
        "remove the comment"
    } else if unsupported.reason.contains("tab") {
        "indent with spaces"
    } else if unsupported.reason.contains("quote") {
        "close the quote, or check the quotes before it"
    } else if unsupported.reason.starts_with("too many nodes") {
        "split the document"
    } else if unsupported.reason.contains("unterminated bracket") {
        "close the bracket"
    } else if unsupported.reason.contains("inside brackets") {
        "write it in quotes"
    } else {
        general_hint
    };
    let end = (unsupported.offset + 1).min(text.len());
    Error::input(unsupported.message()).at(unsupported.offset..end).hint(hint)
}
