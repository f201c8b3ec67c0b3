//! Finds comments in JSON, to reject them: YAML reads them as a part of a key or value.

/// The words of JSON outside of strings, and the exponents of its numbers.
const WORDS: [&str; 5] = ["true", "false", "null", "e", "E"];

/// Returns the offset of the first comment (`//` or `/*`) in a document that is JSON up to this comment. Returns `None`
/// for other documents.
pub(super) fn find_json_comment(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let has_comment = || memchr::memmem::find(bytes, b"//").is_some() || memchr::memmem::find(bytes, b"/*").is_some();
    if !b"{[/".contains(&bytes[start]) || !has_comment() {
        return None;
    }
    // A comment at the start must be above a bracket.
    let is_above_bracket = |rest: &str| {
        let mut lines = rest.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with("//"));
        lines.next().is_some_and(|line| line.starts_with(['{', '[']))
    };
    if bytes[start] == b'/' {
        let rest = &text[start..];
        let rest = rest.strip_prefix("/*").map_or(Some(rest), |rest| Some(rest.split_once("*/")?.1))?;
        return (is_above_bracket(rest) && (rest.len() < text.len() - start || rest.starts_with("//")))
            .then_some(start);
    }
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at += string_length(&bytes[at..]),
            b'/' => return bytes.get(at + 1).is_some_and(|next| b"/*".contains(next)).then_some(at),
            byte if byte.is_ascii_alphabetic() => {
                let length = bytes[at..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                if !WORDS.contains(&&text[at..at + length]) {
                    return None;
                }
                at += length;
            }
            byte if byte.is_ascii_whitespace() || byte.is_ascii_digit() || b"{}[],:+-.".contains(&byte) => at += 1,
            _ => return None,
        }
    }
    None
}

/// Returns the length of a string in double quotes.
fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
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
            ("/* b */ {\"a\": 1}", Some(0)),
            ("// b\n// c\n\n[1]", Some(0)),
            ("{\"a\": ['echo b // c']}", None),
            ("{\"a\": [echo b // c]}", None),
            ("{\"a\": 1e5, \"b\": [true, null] // c\n}", Some(29)),
            ("/a: {b: //c}", None),
            ("//a: {b: c}", None),
            ("{\"a\": [//b]}", Some(7)),
            ("{\"a\": \"", None),
            ("{\"a\": \"\\", None),
        ] {
            assert_eq!(find_json_comment(text), expected, "{text}");
        }
    }
}
