//! Finds comments in JSON, to reject them: YAML reads them as a part of a key or value.

/// Returns the offset of the first comment (`//` or `/*`) in a document that is JSON except for its comments. Returns
/// `None` for other documents.
///
/// A document counts as JSON if it begins with brackets and then a quote or a comment, or with a comment and then a
/// bracket.
pub(super) fn find_json_comment(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_insignificant = |byte: &&u8| byte.is_ascii_whitespace() || b"{[".contains(byte);
    let brackets = bytes.iter().take_while(is_insignificant).filter(|byte| b"{[".contains(byte)).count();
    match bytes.iter().find(|byte| !is_insignificant(byte)) {
        Some(b'"') if brackets > 0 => {}
        Some(b'/') if brackets > 0 || memchr::memchr2(b'{', b'[', bytes).is_some() => {}
        _ => return None,
    }
    if memchr::memmem::find(bytes, b"//").is_none() && memchr::memmem::find(bytes, b"/*").is_none() {
        return None;
    }
    let (mut is_in_string, mut before, mut previous) = (false, b' ', b' ');
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'"' if previous != b'\\' => is_in_string = !is_in_string,
            // YAML has comments of this form, and URLs without quotes.
            b'#' if previous.is_ascii_whitespace() && !is_in_string => return None,
            b'/' | b'*' if previous == b'/' && !is_in_string => {
                return (before.is_ascii_whitespace() || b"{}[],\"".contains(&before)).then_some(at - 1);
            }
            _ => {}
        }
        (before, previous) = (previous, if previous == b'\\' && byte == b'\\' { b' ' } else { byte });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_comments() {
        for (text, expected) in [
            ("{ // b\n \"a\": 1}", Some(2)),
            ("{\"a\": 1 // b\n}", Some(8)),
            ("[{\"a\": \"b\", /* c */ \"d\": 1}]", Some(12)),
            ("// b\n{\"a\": 1}", Some(0)),
            ("{\"a\": \"http://b\"}", None),
            ("{\"a\": \"\\\" // b\"}", None),
            ("{\"a\": \"\\\\\", // b\n}", Some(12)),
            ("{\"a\": http://b}", None),
            ("{a: //b/c}", None),
            ("{\"a\": 1} # // b", None),
            ("a: {\"b\": 1} // c", None),
            ("//b", None),
        ] {
            assert_eq!(find_json_comment(text), expected, "{text}");
        }
    }
}
