//! Finds the passwords of URLs.

use std::ops::Range;

use super::names::is_secret_name;
use super::tokens::{quoted_length, run_end};
use super::values::is_placeholder;

/// The pairs of user and password in examples of URLs.
const EXAMPLE_USERS: [(&str, &str); 5] =
    [("user", "pass"), ("user", "password"), ("username", "password"), ("USER", "PASSWORD"), ("USERNAME", "PASSWORD")];

/// The words before the colon in `pkg:NAME@VERSION` and similar strings, which have no password.
const OTHER_SCHEMES: [&str; 4] = ["image", "mailto", "npm", "pkg"];

/// The maximum length of the scheme of a URL, in bytes.
const MAX_SCHEME_LENGTH: usize = 32;

/// Returns whether a byte ends a word.
fn ends_word(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"\"'`<>".contains(&byte)
}

/// Finds the passwords in `scheme://user:password@host` and `user:password@host`.
pub(super) fn find_url_passwords(text: &str, found: &mut Vec<Range<usize>>) {
    if !text.contains('@') {
        return;
    }
    find_password_in_url(text, 0, found);
    find_passwords_in_line(text, found);
    let bytes = text.as_bytes();
    let mut word_start = 0;
    while word_start < bytes.len() {
        // A placeholder such as `$(A)` or `{{ a }}` does not end a word, but whitespace in it does.
        let word_end = run_end(bytes, word_start, |byte| !ends_word(byte));
        let word = &text[word_start..word_end];
        if word.contains('@') {
            find_password_in_word(word, word_start, found);
        }
        word_start = word_end + 1;
    }
}

/// Finds passwords with characters that end a word, in the URLs of a longer text. A URL in quotes is searched as a
/// string of its own. Without quotes, a password ends at the last `@` of the word with the first one.
fn find_passwords_in_line(text: &str, found: &mut Vec<Range<usize>>) {
    let mut signs = text.match_indices("://").map(|(at, _)| at).peekable();
    while let Some(sign) = signs.next() {
        let is_scheme = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let scheme = text.as_bytes()[..sign].iter().rev().take(MAX_SCHEME_LENGTH).take_while(is_scheme).count();
        let start = sign - scheme;
        let unquoted = text[..start].strip_suffix(['"', '\'', '`']);
        if let Some(opening) = unquoted.map(|before| before.strip_suffix('\\').unwrap_or(before).len()) {
            let quoted = &text[start..opening + quoted_length(&text[opening..])];
            if !quoted.contains(['\n', '\r']) {
                find_password_in_url(quoted.trim_end_matches(['"', '\'', '`', '\\']), start, found);
                continue;
            }
        }
        let rest = &text[sign + 3..signs.peek().copied().unwrap_or(text.len())];
        let line = &rest[..rest.find(['\n', '\r']).unwrap_or(rest.len())];
        let colon = line.find(|c: char| "/?#@:".contains(c) || c.is_whitespace());
        if let Some(colon) = colon.filter(|colon| line[*colon..].starts_with(':'))
            && let Some(length) = password_length(&line[colon + 1..])
        {
            push_password(line, colon, colon + 1 + length, sign + 3, found);
        }
    }
}

/// Returns the length of the password at the start of `text`, the rest of a line after `scheme://user:`.
fn password_length(text: &str) -> Option<usize> {
    let first = text.split(|c: char| "/?#\"'`<>".contains(c) || c.is_whitespace()).next()?;
    let is_identifier = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_port = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
    let is_reference = first.strip_prefix('$').is_some_and(is_identifier) || is_placeholder(first);
    if is_port || is_reference || text.starts_with("{{") || text.starts_with(|c: char| c == '<' || c.is_whitespace()) {
        return None;
    }
    let sign = text.find('@')?;
    let host = &text[sign..];
    let host = &host[..host.find(|c: char| "/?#,;".contains(c) || c.is_whitespace()).unwrap_or(host.len())];
    let is_host = host.len() > 1;
    host.rfind('@').filter(|_| is_host).map(|last| sign + last)
}

/// Finds the password if the whole string is one URL. It may contain any character, and ends at the last `@`. `start` is
/// the offset of the string in a longer text.
fn find_password_in_url(text: &str, start: usize, found: &mut Vec<Range<usize>>) {
    let content = text.trim();
    let Some((scheme, rest)) = content.split_once("://").filter(|_| !content.contains(['\n', '\r'])) else { return };
    let is_scheme = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    let user_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (Some(colon), Some(sign)) = (rest[..user_end].find(':'), rest.rfind('@')) else { return };
    let Some(password) = rest.get(colon + 1..sign).filter(|_| is_scheme(scheme)) else { return };
    // In the URL of a website, digits before a `/` are a port, and an `@` may be in the path.
    let port = password.split(|c: char| "/?#".contains(c) || c.is_whitespace()).next().unwrap_or_default();
    let is_port = ["http", "https", "ws", "wss"].iter().any(|name| scheme.eq_ignore_ascii_case(name))
        && (2..=5).contains(&port.len())
        && port.len() < password.len()
        && port.bytes().all(|byte| byte.is_ascii_digit());
    let first = password.split('@').next().unwrap_or_default();
    if !is_port && !is_placeholder(first) && !first.is_empty() {
        let offset = start + text.len() - text.trim_start().len() + scheme.len() + 3;
        push_password(rest, colon, sign, offset, found);
    }
}

fn find_password_in_word(word: &str, offset: usize, found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    let mut is_url = false;
    while let Some(at) = word[from..].find("://").map(|at| from + at) {
        is_url = true;
        let start = at + 3;
        let next = word[start..].find("://").map_or(word.len(), |at| start + at);
        let part = &word[start..next];
        let authority_end = part.find(['/', '?', '#', ',', ';']).unwrap_or(part.len());
        // A password may contain `/`, although it should be escaped. A port may not.
        let colon = part[..authority_end].find(':');
        let is_port = |text: &str| {
            text.split(['/', '?', '#'])
                .next()
                .is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
        };
        if let Some(colon) = colon {
            let sign = part[..authority_end].rfind('@').filter(|sign| *sign > colon);
            let late_sign = || part.rfind('@').filter(|sign| *sign > colon && !is_port(&part[colon + 1..]));
            if let Some(sign) = sign.or_else(late_sign) {
                push_password(part, colon, sign, offset + start, found);
                // Without a password, the user of a website is the token.
                let is_website = word[..at].ends_with("http") || word[..at].ends_with("https");
                if sign == colon + 1 && is_website && !is_placeholder(&part[..colon]) {
                    found.push(offset + start..offset + start + colon);
                }
            }
        }
        from = next.max(start);
    }
    if !is_url {
        let sign = word.rfind('@').unwrap_or_default();
        let start = word[..sign].rfind(['=', ',', '(', '[', '{']).map_or(0, |at| at + 1);
        let part = &word[start..];
        let host = &word[sign + 1..];
        let colon = part.find(':').filter(|colon| start + colon < sign);
        let is_host = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[' || c == '$');
        // An image with a digest (`image:tag@sha256:...`) has the same form.
        let is_image = host.starts_with("sha256:") || host.starts_with("sha512:");
        if let Some(colon) = colon
            && is_host
            && !is_image
            && !is_version(host)
            && !OTHER_SCHEMES.contains(&&part[..colon])
        {
            push_password(part, colon, sign - start, offset + start, found);
        }
    }
}

/// Adds the password between `colon` and `sign`, unless it is a placeholder or an example.
fn push_password(part: &str, colon: usize, sign: usize, offset: usize, found: &mut Vec<Range<usize>>) {
    let (user, password) = (&part[..colon], &part[colon + 1..sign]);
    // A name such as `DB_PASSWORD` is a placeholder.
    let is_constant = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    let is_variable = password.contains('_') && password.bytes().all(is_constant) && is_secret_name(password);
    let is_example = is_placeholder(password) || is_variable || EXAMPLE_USERS.contains(&(user, password));
    if !password.is_empty() && !is_example {
        found.push(offset + colon + 1..offset + sign);
    }
}

/// Returns whether a string is a version such as `4.2.3`, or a commit. An IP address has three dots.
fn is_version(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.splitn(3, '.').collect();
    let last = parts.get(2).map(|last| last.split(['-', '+']).next().unwrap_or_default());
    let is_commit = text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_commit || parts.iter().take(2).all(|part| is_number(part)) && last.is_some_and(is_number)
}

#[cfg(test)]
mod tests {
    use super::super::find_credentials;

    fn find(text: &str) -> Vec<&str> {
        find_credentials(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn finds_the_password_of_a_url() {
        for (text, password) in [
            ("postgresql+asyncpg://etl:hunter2@db:5432/flows", "hunter2"),
            ("redis://:hunter2@cache/0", "hunter2"),
            ("amqp://a:hun@ter2@mq", "hun@ter2"),
            ("http://a:hun/ter2@host", "hun/ter2"),
            ("u:hunter2@host", "hunter2"),
            ("u:hunter2@10.0.0.1", "hunter2"),
            ("postgres://etl:HUNTER_TWO@db", "HUNTER_TWO"),
            ("DB=\"mysql://a:hunter2@db\" run", "hunter2"),
            ("postgres://etl:hun<ter2@db/flows", "hun<ter2"),
            ("postgres://etl:hun>ter2@db/flows", "hun>ter2"),
            ("postgres://etl:hun'ter2@db/flows", "hun'ter2"),
            ("postgres://etl:hun\"ter2@db/flows", "hun\"ter2"),
            ("postgres://etl:hun`ter2@db/flows", "hun`ter2"),
            ("postgres://etl:hun ter2@db/flows\n", "hun ter2"),
            ("postgres://etl:9/hunter2@db/flows", "9/hunter2"),
            ("https://hunter2:@github.com/a", "hunter2"),
            ("snowflake://a:hunter2@x/db?role=r", "hunter2"),
            ("psql \"postgres://etl:hun'ter2@db/x\" && a", "hun'ter2"),
            ("psql \"postgres://etl:hun ter@2@db/x\" && a", "hun ter@2"),
            ("psql \"postgres://etl:hun\\\"ter2@db/x\" && a", "hun\\\"ter2"),
            ("sh -c \"psql \\\"postgres://etl:hun ter2@db/x\\\" a\"", "hun ter2"),
            ("psql postgres://etl:hun'ter2@db/x && a b@c.de", "hun'ter2"),
            ("psql postgres://etl:hun ter2@db/x", "hun ter2"),
            ("psql postgres://etl:hun t@er2@db/x", "hun t@er2"),
            ("a\nURL=postgres://etl:hun<t@er2@db/x\nb@c", "hun<t@er2"),
        ] {
            assert_eq!(find(text), [password], "{text}");
        }
    }

    #[test]
    fn finds_no_password_in_other_text() {
        for text in [
            "http://prefect-apollo.prefect:4200",
            "http://host:4200/a@b",
            "https://$(TOKEN):@github.com",
            "postgres://etl:$(PASSWORD)@db/a?b=c@d",
            "https://host:8080 me@example.com",
            "curl 'https://host:8080' a@b",
            "curl https://host/a: a@b",
            "curl https://$HOST:$PORT/a a@b",
            "curl https://host:{{ .Values.port }}/a a@b",
            "curl \"https://host\" -H \"a: b@c\"",
            "see https://host: a@b",
            "git@github.com:owner/repo",
            "ssh://git@github.com:22/a",
            "postgres://etl:$(PASSWORD)@db",
            "postgres://etl:${PASSWORD}@db",
            "postgres://user:password@db",
            "postgres://etl:***@db",
            "prefecthq/prefect:1.4@sha256:0123",
            "docker-pullable://alpine@sha256:0123",
            "mailto:a@example.com",
            "npm:string-width@4.2.3",
            "wide:npm-string-width@4.2.3-rc1",
            "pkg:github/owner/name@244fd47e07d1004f0aed9c156aa09083c82bf8f4",
            "postgres://sg:@localhost",
            "postgres://DB_USERNAME:DB_PASSWORD@db",
            "postgres://etl:${THE_LONG_NAME_OF_A_VARIABLE_WITH_THE_PASSWORD_OF_THE_DATABASE}@db",
            "postgres://etl:$${DB_PASSWORD}@db",
            "rtsp://etl:{FRIGATE_RTSP_PASSWORD}@camera",
        ] {
            assert_eq!(find(text), [] as [&str; 0], "{text}");
        }
    }
}
