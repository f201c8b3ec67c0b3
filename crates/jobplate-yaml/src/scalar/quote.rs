//! Quotes new strings so that every YAML reader reads them back as strings.

use std::borrow::Cow;

use super::resolve::{ScalarKind, resolve_word};

/// Returns `text` as a double-quoted scalar that go-yaml, PyYAML, YAML 1.2 and JSON readers all read back as `text`.
pub fn quote_double(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                out.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Returns a name, key or path, quoted unless every YAML reader resolves the plain scalar to a string.
pub fn quote_name(text: &str) -> Cow<'_, str> {
    let is_safe = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/'))
        && resolve_word(text) == ScalarKind::String;
    if is_safe { Cow::Borrowed(text) } else { Cow::Owned(quote_double(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_only_names_that_could_be_another_type() {
        for plain in ["prefect-secrets", "GITHUB_TOKEN", "a.b", "metadata.name", "checksum/jobplate"] {
            assert_eq!(quote_name(plain), plain);
        }
        for quoted in ["on", "Y", "null", "1a", "", "a b", "metadata.labels['x']", "-a"] {
            assert_eq!(quote_name(quoted), format!("{quoted:?}"));
        }
    }
}
