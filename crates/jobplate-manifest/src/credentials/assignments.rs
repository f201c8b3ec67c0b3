//! Finds the values of assignments (`password=...`) with a secret-looking name.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::names::{PREFECT_SECRET_PREFIX, is_secret_name};
use super::tokens::{count_backslashes, quoted_length, run_end};
use super::values::is_benign_value;

/// The maximum number of quotes and blanks between a name and its `=`.
const MAX_GAP_LENGTH: usize = 32;

/// The maximum length of a name before `=` or `:`, in bytes.
const MAX_NAME_LENGTH: usize = 128;

/// Finds the values of `NAME=VALUE`, `NAME: VALUE` and `"NAME": "VALUE"` with a secret-looking name. An assignment at
/// the start of a line has a value up to the end of the line.
pub(super) fn find_assigned(text: &str, found: &mut Vec<Range<usize>>) {
    if memchr::memchr2(b'=', b':', text.as_bytes()).is_none() {
        return;
    }
    let mut line_start = 0;
    // The end of the last value, which may be on a later line.
    let mut from = 0;
    for line in text.split_inclusive(['\n', '\r']) {
        let line_end = line_start + line.trim_end_matches(['\n', '\r']).len();
        let signs = text[line_start..line_end].match_indices(['=', ':']);
        for sign in signs.map(|(at, _)| line_start + at) {
            if sign < from {
                continue;
            }
            let value = find_assigned_value(text, line_start.max(from)..line_end, line_start, sign);
            if let Some(value) = value {
                from = value.end;
                found.push(value);
            }
        }
        line_start += line.len();
    }
}

/// Returns the range of the value that the `=` or `:` at `sign` assigns, if it is a credential. The name is in `line`,
/// which ends before the line break.
fn find_assigned_value(text: &str, line: Range<usize>, line_start: usize, sign: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let is_equals = bytes[sign] == b'=';
    let before = &bytes[line.start..sign];
    let gap = before.iter().rev().take_while(|byte| b"\"'\\ \t".contains(byte)).take(MAX_GAP_LENGTH).count();
    let name_end = sign - gap;
    let is_quoted = name_end < sign && !b" \t".contains(&bytes[name_end]);
    let is_separator = is_equals || bytes.get(sign + 1).is_none_or(u8::is_ascii_whitespace);
    if !is_quoted && !is_separator {
        return None;
    }
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    let length = bytes[line.start..name_end].iter().rev().take_while(is_name).take(MAX_NAME_LENGTH).count();
    let name_start = name_end - length;
    let name = &text[name_start..name_end];
    // The password of a registry in a Docker configuration, or in `.npmrc`: `"auth": "dXNlcjpodW50ZXIy"`.
    let is_auth = name.trim_start_matches('_').eq_ignore_ascii_case("auth");
    if !is_secret_name(name) && !is_auth {
        return None;
    }
    let starts_line = name_start - line_start <= MAX_NAME_LENGTH
        && !name.starts_with('-')
        && ["", "export "].contains(&text[line_start..name_start].trim_start());
    let value = value_range(text, sign + 1, line.end, !is_auth && (starts_line || !is_equals && !is_quoted));
    let content = &text[value.clone()];
    (!is_benign_value(name, content) && (!is_auth || is_encoded_login(content))).then_some(value)
}

/// Returns whether a string is the Base64 of `user:password`.
fn is_encoded_login(text: &str) -> bool {
    let encoded = text.trim_matches(|c: char| c.is_whitespace() || "\"'\\".contains(c));
    let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.is_some_and(|login| login.split_once(':').is_some_and(|(user, _)| !user.contains(char::is_control)))
}

/// Returns the range of a value that starts at or after `start`: a quoted text, which may go on in later lines, the
/// rest of the line, or a word.
fn value_range(text: &str, start: usize, line_end: usize, is_line: bool) -> Range<usize> {
    let bytes = text.as_bytes();
    // The value starts after the second sign of `==`.
    let start = run_end(bytes, start, |byte| b" \t\\=".contains(&byte)).min(line_end);
    match bytes.get(start) {
        Some(b'"' | b'\'') if ["\"\"\"", "'''"].contains(&text.get(start..start + 3).unwrap_or_default()) => {
            let body = start + 3;
            body..text[body..].find(&text[start..body]).map_or(text.len(), |length| body + length)
        }
        Some(b'"' | b'\'') if start < line_end => {
            let opening = start - count_backslashes(&text[..start]);
            let end = opening + quoted_length(&text[opening..]);
            match continuation_length(&text[end..line_end.max(end)]) {
                0 => start + 1..start + 1 + text[start + 1..end].trim_end_matches(['\\', bytes[start] as char]).len(),
                length => start + 1..end + length,
            }
        }
        _ if is_line => start..line_end,
        _ => start..start + unquoted_word_length(&text[start..line_end]),
    }
}

/// Returns the length of a value that starts without a quote, such as `a'b c'` in `a'b c';d`.
fn unquoted_word_length(text: &str) -> usize {
    let mut length = 0;
    while let Some(c) = text[length..].chars().next() {
        let is_end = c.is_whitespace() && !text[..length].ends_with('\\') || ";&,".contains(c);
        length += match c {
            // An escaped quote belongs to the word, or closes a string around it.
            '"' | '\'' if count_backslashes(&text[..length]) % 2 == 1 => {
                match text[length + 1..].starts_with(is_word_part) {
                    true => 1,
                    false => break,
                }
            }
            '"' | '\'' => match continuation_length(&text[length..]) {
                0 => break,
                quoted => quoted,
            },
            _ if is_end => break,
            _ => c.len_utf8(),
        };
    }
    length
}

/// Returns the length of a quoted part that continues a word at the start of `text`, such as `'b c'` in `a'b c'`. Returns
/// 0 for a quote that closes a string around the word.
fn continuation_length(text: &str) -> usize {
    let Some(rest) = text.strip_prefix(['"', '\'']) else { return 0 };
    let length = if rest.starts_with(is_word_part) { quoted_length(text) } else { 0 };
    if length > 1 && text[1..length].ends_with(&text[..1]) { length } else { 0 }
}

/// Returns whether a character after a quote shows that the quote does not close a string around the word.
fn is_word_part(c: char) -> bool {
    !c.is_whitespace() && !"\"'\\;&|,:)]}<>".contains(c)
}

/// Finds the values below a section of TOML or INI that holds secrets, such as `[context.secrets]`, regardless of their names.
/// A line that assigns nothing belongs to the value before.
pub(super) fn find_secret_sections(text: &str, found: &mut Vec<Range<usize>>) {
    if !text.contains('[') {
        return;
    }
    // The indentation of the first line of the section.
    let mut section: Option<Option<usize>> = None;
    // The end of the last value, which may be on a later line.
    let mut from = 0;
    let mut next_start = 0;
    for line in text.split_inclusive(['\n', '\r']) {
        let line_start = next_start;
        next_start += line.len();
        let content = line.trim();
        if content.is_empty() || next_start <= from {
            continue;
        }
        let start = line_start + line.len() - line.trim_start().len();
        let end = start + content.len();
        let header = content.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name);
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.\"' [".contains(&byte);
        if let Some(name) = header.filter(|name| name.bytes().all(is_part) && !content.ends_with(',')) {
            let is_secrets = |part: &str| part.trim_matches([' ', '"', '\'', '[']).eq_ignore_ascii_case("secrets");
            section = name.split('.').any(is_secrets).then_some(None);
            continue;
        }
        let Some(first) = &mut section else { continue };
        let indentation = start - line_start;
        let is_deeper = indentation > *first.get_or_insert(indentation);
        let is_key = |key: &str| {
            key.bytes().all(|byte| is_part(byte) && byte != b'[')
                && ["\"", "'"].iter().all(|quote| key.matches(quote).count() % 2 == 0)
        };
        let sign = content.find('=').filter(|sign| !is_deeper && is_key(&content[..*sign]));
        let value = match sign.map(|sign| start + sign + 1) {
            Some(value) => {
                let value = run_end(text.as_bytes(), value, |byte| byte == b' ' || byte == b'\t');
                let quote = text.get(value..value + 3).filter(|quote| ["\"\"\"", "'''"].contains(quote));
                let closing = quote.map(|quote| text[value + 3..].find(quote).map_or(text.len(), |at| value + 3 + at));
                value..closing.unwrap_or(end).max(end)
            }
            None => start..end,
        };
        from = value.end;
        if !is_benign_value(PREFECT_SECRET_PREFIX, text[value.clone()].trim_matches(['"', '\''])) {
            found.push(value);
        }
    }
}

/// Finds the value if the whole string is one argument: `--password=VALUE`. The value may contain blanks.
pub(super) fn find_argument(text: &str, found: &mut Vec<Range<usize>>) {
    let content = text.trim();
    let start = text.len() - text.trim_start().len();
    if let Some((name, value)) = content.strip_prefix("--").and_then(|flag| flag.split_once('='))
        && !name.contains(char::is_whitespace)
        && is_secret_name(name)
        && !is_benign_value(name, value)
    {
        found.push(start + content.len() - value.len()..start + content.len());
    }
}

#[cfg(test)]
mod tests {
    use super::super::find_credentials;

    fn find(text: &str) -> Vec<&str> {
        find_credentials(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn finds_whole_shell_words() {
        for (text, expected) in [
            ("run --password hunter2\\ x -v", "hunter2\\ x"),
            ("run --password hunter2\"x y\" -v", "hunter2\"x y\""),
            ("run --password \"hunter2 x\"y -v", "\"hunter2 x\"y"),
            ("run --password $'hunter2 x' -v", "$'hunter2 x'"),
            ("run --password=\"hun\\\"ter2 x\" -v", "hun\\\"ter2 x"),
            ("run --password=$'hunter2 x' -v", "$'hunter2 x'"),
            ("run --password=hun'ter2 z' -v", "hun'ter2 z'"),
            ("run --password=\"hunter2\"'x y' -v", "hunter2\"'x y'"),
            ("run --password hun\\\"ter2 -v", "hun\\\"ter2"),
            ("run --password=hun\\\"ter2 -v", "hun\\\"ter2"),
            ("run --password=hun\\\\\"ter2 x\" -v", "hun\\\\\"ter2 x\""),
            ("sh -c \"run --password=\\\"hun\\\\\\\"ter2 x\\\" -v\"", "hun\\\\\\\"ter2 x"),
        ] {
            assert_eq!(find(text), [expected], "{text}");
        }
    }

    #[test]
    fn finds_the_values_of_assignments_and_flags() {
        for (text, value) in [
            ("export DB_PASSWORD=hunter2 and more", "hunter2 and more"),
            ("Server=db;Password=hunter2;Encrypt=true", "hunter2"),
            ("AccountName=a;AccountKey=hunter2==;EndpointSuffix=x", "hunter2=="),
            ("https://h/?sig=1&access_token=hunter2&x=y", "hunter2"),
            ("run --db-password=hunter2 --verbose", "hunter2"),
            ("run --password hunter2 --verbose", "hunter2"),
            ("prefect agent kubernetes start -k hunter2", "hunter2"),
            ("{\"password\": \"hunter2\", x", "hunter2"),
            ("\\\"token\\\": \\\"hunter2\\\"", "hunter2"),
            ("Authorization: Bearer hunter2", "Bearer hunter2"),
            ("a: 1\npassword: hunter2\nb: 2", "hunter2"),
            ("TOKEN='hunter2", "hunter2"),
            ("a = 1\nGITHUB_TOKEN = \"hunter2\"\n", "hunter2"),
            ("[db]\npassword\t = hunter2 x\nhost = db\n", "hunter2 x"),
            ("password = \"\"\"\nhunter2 \"x\"\n\"\"\"\na = b", "\nhunter2 \"x\"\n"),
            ("if password == \"hunter2\":", "hunter2"),
            ("[context.secrets]\nA = \"hunter2\"\n[cloud]\nB = 1\n", "\"hunter2\""),
            ("x = 1\n[context.secrets]\nA = \"\"\"\n[hunter2]\n\"\"\"\n[cloud]\nB = 1", "\"\"\"\n[hunter2]\n"),
            ("[context.secrets]\nA =\n  hunter2=\n[cloud]\nB = 1\n", "hunter2="),
            ("--password=correct horse", "correct horse"),
            ("prefect agent start --key=hunter2 -l a", "hunter2"),
            ("prefect agent local start -k=hunter2", "hunter2"),
            ("prefect agent local start -khunter2", "hunter2"),
            ("run --password 'hunter2 hunter2' -v", "'hunter2 hunter2'"),
            ("sh -c \"run --password 'hunter2 hunter2' -v\"", "'hunter2 hunter2'"),
            ("sh -c \"run --password \\\"hunter2 x\\\" -v\"", "\\\"hunter2 x\\\""),
            ("run --password \"hunter2 \\\" x\" -v", "\"hunter2 \\\" x\""),
            ("sh -c \"run --password hunter2\" && b", "hunter2\""),
            ("run --password \\\n  hunter2 -v", "hunter2"),
            ("run --password 'hunter2 x", "'hunter2 x"),
            ("echo '{\"auths\": {\"r\": {\"auth\": \"dXNlcjpodW50ZXIy\"}}}' > c", "dXNlcjpodW50ZXIy"),
            ("//registry.npmjs.org/:_auth=dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
            // `_json_key`, followed by JSON with line breaks.
            ("{\"auth\": \"X2pzb25fa2V5OnsKImEiOiAiYiJ9Cg==\"}", "X2pzb25fa2V5OnsKImEiOiAiYiJ9Cg=="),
            ("run PASSWORD=hunter2\\ x -v", "hunter2\\ x"),
        ] {
            assert_eq!(find(text), [value], "{text}");
        }
        for text in [
            "TOKEN=$(A)",
            "key=a",
            "--token-file=/run/t",
            "auth=basic",
            "https://h/?page_token=1",
            "http://token:4200",
            "a=b",
            "TOKEN=",
            "TOKEN = $(A)",
            "[context]\nA = 1",
            "[context.secrets]\nA = \"${A}\"",
            "--token-file=/run/t x",
            "prefect run -kx",
            "prefect agent start --key=$(A) -k${A}",
        ] {
            assert_eq!(find(text), [] as [&str; 0], "{text}");
        }
    }
}
