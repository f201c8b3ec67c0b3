//! The error of a parser that rejects a document.

/// The position at which a parser stopped, and the reason.
///
/// Either the text is not valid YAML, or YAML readers may disagree about its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The byte offset at which the parser stopped.
    pub offset: usize,
    /// A description of the input at the offset, such as "a tab where indentation is expected".
    pub reason: &'static str,
}

impl Unsupported {
    /// The reason for a comment in JSON.
    pub(super) const JSON_COMMENT: &'static str = "comments are not allowed";

    /// Returns whether the document is rejected because it is JSON with a comment.
    pub fn is_json_comment(self) -> bool {
        self.reason == Self::JSON_COMMENT
    }

    /// Returns the message of an error, such as "invalid YAML: unterminated bracket".
    pub fn message(self) -> String {
        let language = if self.is_json_comment() { "JSON" } else { "YAML" };
        format!("invalid {language}: {}", self.reason)
    }
}
