//! The characters that an edited document must not contain.
//!
//! YAML readers disagree about control characters and line breaks. For example, go-yaml reads NEL, LS and PS as line
//! breaks, but YAML 1.2 readers do not, so the same text can be a comment for one reader and a key for the other. A
//! document with such a character is copied, but never edited.

use std::ops::Range;

use jobplate_diagnostic::Error;

/// A character that prevents the editing of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForbiddenCharacter {
    /// The bytes of the character.
    pub span: Range<usize>,
    /// A description of the character, as a noun phrase.
    pub reason: &'static str,
}

impl ForbiddenCharacter {
    /// Returns the error for a document that may have to be edited.
    pub fn into_error(self) -> Error {
        Error::refused(format!("unsupported character: {}", self.reason)).at(self.span).hint("remove the character")
    }
}

/// Checks the characters of a document. A byte order mark is allowed only at the start.
///
/// # Errors
///
/// Returns the first forbidden character.
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
            '\u{85}' => "a NEL character, which only some YAML parsers read as a line break",
            '\u{2028}' | '\u{2029}' => {
                "a Unicode line or paragraph separator, which only some YAML parsers read as a line break"
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

/// Returns whether `bytes` contain only printable ASCII, tabs and line feeds.
///
/// This is the common case. The fold over 64 bytes has no early exit, so the compiler can vectorize it.
fn is_plain_ascii(bytes: &[u8]) -> bool {
    let is_plain = |byte: u8| byte.wrapping_sub(b' ') < 0x5f || byte == b'\n' || byte == b'\t';
    let mut blocks = bytes.chunks_exact(64);
    let all_plain = blocks.all(|block| block.iter().fold(true, |all, &byte| all & is_plain(byte)));
    all_plain && blocks.remainder().iter().all(|&byte| is_plain(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_text_tabs_and_a_leading_byte_order_mark() {
        for text in ["", "a: b\r\nc: é\n", "\u{feff}a: b\n", "\ta\n", "日本"] {
            assert_eq!(check_characters(text), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn refuses_control_characters_and_ambiguous_line_breaks() {
        for (text, span) in [
            ("a\rb", 1..2),
            ("a\u{85}b", 1..3),
            ("a\u{2028}", 1..4),
            ("a\u{feff}", 1..4),
            ("\u{1}", 0..1),
            ("\u{7f}", 0..1),
            ("a\r", 1..2),
        ] {
            assert_eq!(check_characters(text).map_err(|forbidden| forbidden.span), Err(span), "{text:?}");
        }
    }
}
