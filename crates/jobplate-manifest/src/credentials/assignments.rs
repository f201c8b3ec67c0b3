//! Finds the values of assignments (`password=...`) and of flags (`--password ...`) with a secret-looking name.

use std::ops::Range;

use super::names::is_secret_name;
use super::tokens::run_end;
use super::values::is_benign_value;

/// The short flags that pass a key to programs of Prefect: `prefect agent kubernetes start -k KEY`.
const PREFECT_FLAGS: [&str; 3] = ["-k", "--key", "-t"];

/// The maximum length of a name before `=` or `:`, in bytes.
const MAX_NAME_LENGTH: usize = 128;

/// Finds the values of `NAME=VALUE`, `NAME: VALUE` and `"NAME": "VALUE"` with a secret-looking name. An assignment at
/// the start of a line has a value up to the end of the line.
pub(super) fn find_assigned(text: &str, found: &mut Vec<Range<usize>>) {
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
    let name_end = sign - before.iter().rev().take_while(|byte| b"\"'\\ ".contains(byte)).take(4).count();
    let is_quoted = name_end < sign && bytes[name_end] != b' ';
    let is_separator = is_equals || bytes.get(sign + 1).is_none_or(u8::is_ascii_whitespace);
    if !is_quoted && (!is_separator || is_equals && name_end < sign) {
        return None;
    }
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    let length = bytes[line.start..name_end].iter().rev().take_while(is_name).take(MAX_NAME_LENGTH).count();
    let name_start = name_end - length;
    let name = &text[name_start..name_end];
    if !is_secret_name(name) {
        return None;
    }
    let starts_line = name_start - line_start <= MAX_NAME_LENGTH
        && !name.starts_with('-')
        && ["", "export "].contains(&text[line_start..name_start].trim_start());
    let value = value_range(text, sign + 1, line.end, starts_line || !is_equals && !is_quoted);
    (!is_benign_value(name, &text[value.clone()])).then_some(value)
}

/// Returns the range of a value that starts at or after `start`: a quoted text, which may go on in later lines, the
/// rest of the line, or a word.
fn value_range(text: &str, start: usize, line_end: usize, is_line: bool) -> Range<usize> {
    let bytes = text.as_bytes();
    let start = run_end(bytes, start, |byte| byte == b' ' || byte == b'\\').min(line_end);
    match bytes.get(start) {
        Some(quote @ (b'"' | b'\'')) if start < line_end => {
            let closing = text[start + 1..].find(*quote as char).map(|length| start + 1 + length);
            start + 1..closing.unwrap_or(text.len())
        }
        _ if is_line => start..line_end,
        _ => {
            let word = &text[start..line_end];
            start..start + word.find(|c: char| c.is_whitespace() || ";&,\"'".contains(c)).unwrap_or(word.len())
        }
    }
}

/// Finds the values of flags with a secret-looking name: `--password VALUE`.
pub(super) fn find_flags(text: &str, found: &mut Vec<Range<usize>>) {
    let mut is_prefect = false;
    let mut flag: Option<&str> = None;
    let mut at = 0;
    for word in text.split_inclusive(|c: char| c.is_whitespace()) {
        let start = at;
        at += word.len();
        let word = word.trim_end();
        if word.is_empty() {
            continue;
        }
        is_prefect |= word.ends_with("prefect");
        if let Some(name) = flag.take()
            && !word.starts_with('-')
            && !is_benign_value(name, word.trim_matches(['"', '\'', '`']))
        {
            found.push(start..start + word.len());
        }
        flag = Some(word).filter(|word| is_secret_flag(word, is_prefect));
    }
}

/// Returns whether the argument after `flag` is a credential. `is_prefect` is true after the name of Prefect's program.
pub fn is_secret_flag(flag: &str, is_prefect: bool) -> bool {
    flag.strip_prefix("--").is_some_and(|name| !name.contains('=') && is_secret_name(name))
        || is_prefect && PREFECT_FLAGS.contains(&flag)
}

#[cfg(test)]
mod tests {
    use super::super::find_credentials;

    fn find(text: &str) -> Vec<&str> {
        find_credentials(text).into_iter().map(|range| &text[range]).collect()
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
            ("\\\"token\\\": \\\"hunter2\\\"", "hunter2\\"),
            ("Authorization: Bearer hunter2", "Bearer hunter2"),
            ("a: 1\npassword: hunter2\nb: 2", "hunter2"),
            ("TOKEN='hunter2", "hunter2"),
        ] {
            assert_eq!(find(text), [value], "{text}");
        }
        for text in [
            "TOKEN=$(A)",
            "key=a",
            "--token-file=/run/t",
            "https://h/?page_token=1",
            "http://token:4200",
            "a=b",
            "TOKEN=",
        ] {
            assert_eq!(find(text), [] as [&str; 0], "{text}");
        }
    }
}
