//! Decides how sure it is that a value is a secret: by its shape, by its name, or by both together with the place.

use std::ops::Range;

use jobplate_manifest::credentials::{AUTHORIZATION_SCHEMES, is_password_name, is_plain_key_name, is_secret_name};
use jobplate_prefect::variables::secret_name;

use super::benign_literals::{text_after, text_before};
use super::benign_names::are_words;
use super::named_secrets::{LiteralKind, is_default_password};

/// Why a value counts as a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Evidence {
    /// A word in code or in a document of any kind. The value is more often something else.
    Word,
    /// The name of a field that a program reads, or a shape, but the value may be a name or an example.
    Hint,
    /// The name of a field that a program reads, with a value that is not a name.
    Name,
    /// The shape of a token, a private key or a URL with a password.
    Shape,
}

/// The minimum length of the Base64 of a private key, and the minimum number of different characters in it.
const MIN_KEY_LENGTH: usize = 64;
const MIN_KEY_CHARACTERS: usize = 16;

/// The minimum length of the secret part of a webhook's address.
const MIN_WEBHOOK_LENGTH: usize = 20;

/// The minimum length of a key that a program has generated, in bytes.
const MIN_RANDOM_LENGTH: usize = 16;

/// The starts of comments in files and scripts.
const COMMENT_STARTS: [&str; 3] = ["#", "//", ";"];

/// The ends of the names of scripts.
const SCRIPT_ENDS: [&str; 9] = [".sh", ".bash", ".py", ".js", ".ts", ".lua", ".go", ".rb", ".pl"];

/// Returns the evidence for a value with a secret-looking name. `shaped` are its parts with the shape of a secret.
pub(super) fn of_named(kind: LiteralKind, name: &str, text: &str, shaped: &[Range<usize>]) -> Evidence {
    let value = text.trim();
    let is_setting = kind == LiteralKind::Setting;
    // A variable, a header or a short flag is read by a program as it is.
    let is_input = !is_setting || !name.bytes().any(|byte| byte.is_ascii_lowercase()) || is_header(name);
    let may_be_name = is_name_of_secret(value) || are_words(value);
    match () {
        () if shaped.iter().any(|part| of_shape(text, part) == Evidence::Shape) => Evidence::Shape,
        () if secret_name(name).is_some_and(|name| !name.is_empty()) => Evidence::Name,
        () if kind == LiteralKind::Annotation && (may_be_name || value.contains(is_syntax)) => Evidence::Word,
        () if is_default_password(value) => Evidence::Hint,
        () if is_password_name(name) && is_setting && is_name_of_secret(value) => Evidence::Hint,
        () if is_password_name(name) || name.starts_with('-') && name.len() == 2 => Evidence::Name,
        () if is_plain_key_name(name) && !is_random(value) => Evidence::Word,
        () if may_be_name && names_secret(name) && is_name_of_secret(value) => Evidence::Word,
        // In a document of a program, such a value is usually the name of a Secret or of a key.
        () if may_be_name && !is_input => Evidence::Word,
        () if may_be_name || !is_input && !is_random(value) => Evidence::Hint,
        () => Evidence::Name,
    }
}

/// Returns whether a character belongs to the syntax of a setting, and is rare in tokens.
fn is_syntax(c: char) -> bool {
    c.is_whitespace() || "$(){}[]<>,;".contains(c)
}

/// Returns whether a name is that of an HTTP header, such as `X-Api-Key`.
fn is_header(name: &str) -> bool {
    name == "Authorization"
        || name.contains('-') && name.split('-').all(|part| part.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// Returns whether a value can be a key that a program has generated.
fn is_random(value: &str) -> bool {
    value.len() >= MIN_RANDOM_LENGTH && value.bytes().any(|byte| byte.is_ascii_digit()) && !are_words(value)
}

/// Returns whether a name such as `HTTPS_SECRET` may be that of a setting with the name of a Secret.
fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("secret") && !name.contains("client")
}

/// Returns the evidence for a part of a string that has the shape of a secret.
pub(super) fn of_shape(text: &str, part: &Range<usize>) -> Evidence {
    let value = text.get(part.clone()).unwrap_or_default();
    let before = text_before(text, part);
    let is_in_capitals = || value.bytes().all(|byte| byte.is_ascii_uppercase() || b"_-".contains(&byte));
    let is_password = before.ends_with(':') && text_after(text, part).starts_with('@');
    match () {
        () if value.starts_with("-----BEGIN ") && !is_private_key(value) => Evidence::Hint,
        () if before.ends_with("/services/") && value.len() < MIN_WEBHOOK_LENGTH => Evidence::Hint,
        () if is_password && !has_scheme(text, part) => Evidence::Word,
        () if is_password && is_in_capitals() => Evidence::Hint,
        () => Evidence::Shape,
    }
}

/// Returns whether the text between the markers of a private key can be one.
fn is_private_key(text: &str) -> bool {
    let body = text.splitn(3, "-----").nth(2).unwrap_or_default();
    let body = body.split("-----END").next().unwrap_or_default().replace("\\n", "\n");
    // A key that is encrypted in the old format has headers.
    let lines = body.lines().map(str::trim).filter(|line| !line.contains(": "));
    let encoded: String = lines.flat_map(str::chars).filter(|c| !"\\\"',+ ".contains(*c)).collect();
    let mut characters: Vec<char> = encoded.chars().collect();
    characters.sort_unstable();
    characters.dedup();
    encoded.len() >= MIN_KEY_LENGTH
        && characters.len() >= MIN_KEY_CHARACTERS
        && encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/=".contains(&byte))
}

/// Returns whether the part before an `@` is a password because of the text around it: the scheme of a URL, the host of a
/// data source, or the flag of a login.
fn has_scheme(text: &str, part: &Range<usize>) -> bool {
    let before = text_before(text, part);
    let earlier = before.trim_end_matches(|c: char| !c.is_whitespace() && !"\"'`<>,".contains(c));
    let word = &before[earlier.len()..];
    let flag = earlier.trim_end_matches([' ', '"', '\'']).rsplit(' ').next().unwrap_or_default();
    let is_dsn = ["@tcp(", "@unix("].iter().any(|host| text_after(text, part).starts_with(host));
    word.contains("://") || is_dsn || flag == "-u" || flag == "--user"
}

/// Returns the evidence for a part of a string that is assigned to a secret-looking name, or is the argument of a flag.
/// `key` is the name of the string.
pub(super) fn of_assignment(kind: LiteralKind, key: Option<&str>, text: &str, part: &Range<usize>) -> Evidence {
    let before = text_before(text, part);
    let line = before.rsplit(['\n', '\r']).next().unwrap_or_default();
    // Each literal of a generator becomes an entry of a Secret or a ConfigMap.
    let kind = if key == Some("literals") { LiteralKind::Variable } else { kind };
    let name_end = before.trim_end_matches(|c: char| c.is_whitespace() || "=:\"'\\".contains(c)).len();
    let sign: String = before[name_end..].chars().filter(|c| !"\"'\\".contains(*c)).collect();
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let name_start = before[..name_end].trim_end_matches(is_part).len();
    let (previous, name) = (before[..name_start].chars().next_back(), &before[name_start..name_end]);
    let value = text[part.clone()].trim_matches(|c: char| c.is_whitespace() || "\"'\\;".contains(c));
    let value = match sign == "=" && kind == LiteralKind::Argument {
        true => value.split([' ', ';', '&', '\n']).next().unwrap_or_default(),
        false => value,
    };
    let credential = AUTHORIZATION_SCHEMES.iter().find_map(|scheme| value.strip_prefix(scheme)).unwrap_or(value);
    // The value of a line in a file may have blanks, and the line of a shell may have other words.
    let is_file = kind == LiteralKind::Setting && !is_script(key, text);
    let is_shell_word = sign.is_empty() && text[part.clone()].starts_with(['"', '\'']);
    let is_code = |c: char| "()[]{}<>$`\"'\\".contains(c) || !is_file && !is_shell_word && c.is_whitespace();
    let is_field = match () {
        () if COMMENT_STARTS
            .iter()
            .any(|start| line.trim_start_matches(|c: char| c.is_whitespace() || c == '\\').starts_with(start)) =>
        {
            false
        }
        () if name.starts_with('-') => true,
        // The value of a section with secrets, or an argument without a name.
        () if !is_secret_name(name) => true,
        () if is_file => true,
        () if sign == "=" => {
            kind == LiteralKind::Variable
                || previous.is_some_and(|c| "?&;".contains(c))
                || !name.bytes().any(|byte| byte.is_ascii_lowercase())
        }
        () => sign == ": " && name.contains(['-', 'A']) && kind == LiteralKind::Argument,
    };
    match is_field && !credential.is_empty() && !credential.contains(is_code) {
        true => of_named(kind, name, value, &[]),
        false => Evidence::Word,
    }
}

/// Returns whether a string is a script: by its key, or by its first line.
fn is_script(key: Option<&str>, text: &str) -> bool {
    text.starts_with("#!") || key.is_some_and(|key| SCRIPT_ENDS.iter().any(|end| key.ends_with(end)))
}

/// Returns whether a value can be the name of a Secret, or of a key in it: `etl-token`.
fn is_name_of_secret(value: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._/".contains(&byte);
    value.contains(['-', '_', '.']) && value.bytes().all(is_part) && is_secret_name(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobplate_manifest::credentials::{find_credentials, find_shaped_credentials};

    #[test]
    fn names_and_values_decide_together() {
        use Evidence::{Hint, Name, Shape, Word};
        for (kind, name, value, expected) in [
            (LiteralKind::Variable, "DB_PASSWORD", "hunter", Name),
            (LiteralKind::Variable, "DB_PASSWORD", "db-password", Name),
            (LiteralKind::Variable, "AWS_SECRET_ACCESS_KEY", "minio", Name),
            (LiteralKind::Variable, "DB_PASSWORD", "changeme", Hint),
            (LiteralKind::Variable, "PREFECT__CONTEXT__SECRETS__A", "b", Name),
            (LiteralKind::Variable, "API_TOKEN", "hunter2", Name),
            (LiteralKind::Variable, "API_TOKEN", "Hunter-Two-Qx", Hint),
            (LiteralKind::Variable, "API_TOKEN", "etl-token", Hint),
            (LiteralKind::Variable, "API_TOKEN", "etl2-token", Hint),
            (LiteralKind::Variable, "HTTPS_SECRET", "etl2-secret", Word),
            (LiteralKind::Variable, "CLIENT_SECRET", "etl-secret", Hint),
            (LiteralKind::Annotation, "ci/credentials-description", "key of etl", Word),
            (LiteralKind::Variable, "API_TOKEN", "test", Hint),
            (LiteralKind::Variable, "API_TOKEN", "OPENID CLIENT SECRET", Hint),
            (LiteralKind::Variable, "API_TOKEN", "BqkTUqJt", Name),
            (LiteralKind::Variable, "DSN", "postgres://etl:hunter@db", Shape),
            (LiteralKind::Variable, "DB_PASSWORD", "          https://u:hunter2@d", Shape),
            (LiteralKind::Variable, "GROUPING_KEY", "test1", Word),
            (LiteralKind::Variable, "SIGNING_KEY", "TRwzk1JnHOTckssAeyJb", Name),
            (LiteralKind::Setting, "userPassword", "kafka-secret", Hint),
            (LiteralKind::Setting, "secretKey", "password", Word),
            (LiteralKind::Setting, "gitToken", "etl-token", Word),
            (LiteralKind::Setting, "Authorization", "Bearer etl", Hint),
            (LiteralKind::Setting, "API_KEY", "etl", Hint),
            (LiteralKind::Setting, "API_KEY", "hunter2", Name),
            (LiteralKind::Setting, "apiKey", "hunter2", Hint),
            (LiteralKind::Setting, "apiKey", "W8V4cqewCy54x4gm7UjhLkk0", Name),
            (LiteralKind::Setting, "X-Api-Key", "hunter2", Name),
            (LiteralKind::Annotation, "ci/token", "hunter2", Name),
            (LiteralKind::Annotation, "nginx.com/jwt-token", "$cookie_auth_token2", Word),
            (LiteralKind::Argument, "-auth-secret", "ns/basic-auth", Word),
            (LiteralKind::Argument, "-p", "hunter", Name),
        ] {
            assert_eq!(of_named(kind, name, value, &find_shaped_credentials(value)), expected, "{name}={value}");
        }
    }

    #[test]
    fn a_shape_may_be_an_example() {
        let key = "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQC7VJTUt9Us8cKj";
        for (text, expected) in [
            (format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----"), Evidence::Shape),
            (format!("-----BEGIN PRIVATE KEY-----\\n{key}\\n-----END PRIVATE KEY-----"), Evidence::Shape),
            ("-----BEGIN PRIVATE KEY-----\nMIIE...\n-----END PRIVATE KEY-----".to_owned(), Evidence::Hint),
            (format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END", "BLAH".repeat(40)), Evidence::Hint),
            ("https://hooks.slack.com/services/x/y/z".to_owned(), Evidence::Hint),
            ("https://hooks.slack.com/services/T01234567/B01234567/aB3aB3aB3aB3".to_owned(), Evidence::Shape),
            ("postgres://etl:hunter2@db".to_owned(), Evidence::Shape),
            ("postgres://etl:PASS@db".to_owned(), Evidence::Hint),
            ("see nginx:tag@registry".to_owned(), Evidence::Word),
            ("see\u{a0}etl:hunter2@registry".to_owned(), Evidence::Word),
            ("etl:hunter2@tcp(db)/etl".to_owned(), Evidence::Shape),
            ("curl -u etl:hunter2@a.example".to_owned(), Evidence::Shape),
        ] {
            let found = find_shaped_credentials(&text);
            assert_eq!(of_shape(&text, &found[0]), expected, "{text}");
        }
    }

    #[test]
    fn code_is_only_a_word() {
        use LiteralKind::{Argument, Setting, Variable};
        for (kind, key, text, expected) in [
            (Argument, None, "run --token hunter2 -v", Evidence::Name),
            (Argument, None, "export API_TOKEN=hunter2; run", Evidence::Name),
            (Argument, None, "Authorization: Bearer hunter2", Evidence::Name),
            (Argument, None, "curl 'https://a.example/?access_token=hunter2'", Evidence::Name),
            (Argument, None, "mysql -uetl -phunter etl", Evidence::Name),
            (Argument, None, "mysql -uetl -p'hunter xyzzy' etl", Evidence::Name),
            (Argument, None, "éPASSWORD=hunter2", Evidence::Name),
            (Argument, None, "connect(password = resource2)", Evidence::Word),
            (Argument, None, "api_key = 'resource2'", Evidence::Word),
            (Argument, None, "while [[ z$ACCESS_KEY == z ]]; do", Evidence::Word),
            (Argument, None, "token = decode(keys[\"a\"])", Evidence::Word),
            (Argument, None, "# Second pass: more bots", Evidence::Word),
            (Variable, None, "Server=db;Password=hunter;x=y", Evidence::Name),
            (Setting, Some("app.properties"), "a=b\ndb.password = correct horse\n", Evidence::Name),
            (Setting, Some("config.toml"), "[context.secrets]\nA = \"hunter2\"\n", Evidence::Name),
            (Setting, Some("literals"), "secret=hunter2", Evidence::Name),
            (Setting, Some("app.yaml.tmpl"), "a: {{ a }}\n  # password: set by the chart\n", Evidence::Word),
            (Setting, Some("probe.sh"), "password = \"not set\"\n", Evidence::Word),
            (Setting, Some("probe"), "#!/bin/sh\npassword = not set\n", Evidence::Word),
        ] {
            let found = find_credentials(text);
            let evidence = found.first().map(|part| of_assignment(kind, key, text, part));
            assert_eq!(evidence.unwrap_or(Evidence::Word), expected, "{text}");
        }
    }
}
