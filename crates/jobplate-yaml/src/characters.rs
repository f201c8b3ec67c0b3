//! Admission: which bytes a document that is to be edited may hold.
//!
//! YAML readers disagree about control characters and about what breaks a line: go-yaml takes NEL, LS,
//! PS and a lone CR for line breaks, YAML 1.2 readers do not, so a comment for one is a key for the
//! other. A document with such a character is never edited; copying it through is harmless.

use std::ops::Range;

use jobplate_diagnostic::Error;

/// Why a document is not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForbiddenCharacter {
    /// The offending bytes.
    pub span: Range<usize>,
    /// What they are.
    pub reason: &'static str,
}

impl ForbiddenCharacter {
    /// Makes it the error of a document that may have to be edited.
    pub fn into_error(self) -> Error {
        Error::refused(format!("{}, in a document that may have to be edited", self.reason))
            .at(self.span)
            .hint("remove that character")
    }
}

/// Checks the characters of a document. A byte order mark is admitted at the very start only.
///
/// # Errors
///
/// Fails with the first character that is not admitted.
pub fn check_characters(text: &str) -> Result<(), ForbiddenCharacter> {
    if is_plain_ascii(text.as_bytes()) {
        return Ok(());
    }
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let reason = match c {
            '\t' | '\n' | ' '..='~' => continue,
            '\r' if chars.peek().is_some_and(|&(_, next)| next == '\n') => continue,
            '\u{feff}' if at == 0 => continue,
            '\r' => "a carriage return without a line feed",
            '\u{85}' => "a NEL character, which Kubernetes reads as a line break and others do not",
            '\u{2028}' | '\u{2029}' => {
                "a Unicode line or paragraph separator, which Kubernetes reads as a line break and others do not"
            }
            '\u{feff}' => "a byte order mark inside the text",
            '\u{fffe}' | '\u{ffff}' => "a character that YAML forbids",
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => "a control character",
            _ => continue,
        };
        return Err(ForbiddenCharacter { span: at..at + c.len_utf8(), reason });
    }
    Ok(())
}

/// Only printable ASCII, tabs and line feeds: the common case, decided in vector-sized steps.
fn is_plain_ascii(bytes: &[u8]) -> bool {
    let fits = |byte: u8| byte.wrapping_sub(b' ') < 0x5f || byte == b'\n' || byte == b'\t';
    let mut blocks = bytes.chunks_exact(64);
    let all = blocks.all(|block| block.iter().fold(true, |fit, &byte| fit & fits(byte)));
    all && blocks.remainder().iter().all(|&byte| fits(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_admitted() {
        for text in ["", "a: b\r\nc: é\n", "\u{feff}a: b\n", "\ta\n", "日本"] {
            assert_eq!(check_characters(text), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn what_is_not() {
        for (text, span) in [
            ("a\rb", 1..2),
            ("a\u{85}b", 1..3),
            ("a\u{2028}", 1..4),
            ("a\u{feff}", 1..4),
            ("\u{1}", 0..1),
            ("\u{7f}", 0..1),
            ("a\r", 1..2),
        ] {
            assert_eq!(check_characters(text).map_err(|refusal| refusal.span), Err(span), "{text:?}");
        }
    }
}
