//! Decides which values cannot be credentials although their name looks secret.

use super::names::{has_prefect_secret_prefix, is_password_name, is_pull_secret_name};
use crate::names::check_object_name;

/// The starts of references that another program resolves.
const REFERENCE_PREFIXES: [&str; 16] = [
    "vault:",
    "ref+",
    "sm://",
    "op://",
    "akeyless:",
    "arn:aws:secretsmanager:",
    "arn:aws:ssm:",
    "awssm://",
    "gcpsm://",
    ">>vault:",
    "bao:",
    "akv://",
    "azkv://",
    "keyvault://",
    "@Microsoft.KeyVault(",
    "berglas://",
];

/// The words of which a placeholder contains at least one, such as `your-api-key` and `REPLACE_ME`.
const PLACEHOLDER_MARKERS: [&str; 12] = [
    "changeme",
    "change",
    "dummy",
    "example",
    "here",
    "insert",
    "placeholder",
    "redacted",
    "replace",
    "replaceme",
    "todo",
    "your",
];

/// The other words of placeholders.
const PLACEHOLDER_WORDS: [&str; 21] = [
    "a", "access", "an", "api", "apikey", "client", "db", "in", "it", "key", "me", "my", "password", "real", "secret",
    "the", "this", "token", "value", "webhook", "with",
];

/// The schemes of the header `Authorization`, each with the blank before the credential.
pub const AUTHORIZATION_SCHEMES: [&str; 4] = ["Bearer ", "Basic ", "Token ", "ApiKey "];

/// The values of switches, and the words for a missing value.
const SWITCHES: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "null", "none"];

/// The flags whose argument is `user:password`.
const LOGIN_FLAGS: [&str; 2] = ["-u", "--user"];

/// The minimum number of digits in a number that counts as a password.
const MIN_PASSWORD_DIGITS: usize = 4;

/// The maximum number of digits in a number that counts as a setting and not as a credential.
const MAX_DIGITS: usize = 6;

/// Returns whether `value`, the value of a variable or key with the secret-looking name `name`, cannot be a credential:
/// it is empty, a switch, a small number, a duration, a path, a placeholder, a reference or the name of a pull Secret, or
/// a login without a password. A Prefect 1 secret may have any value, so only placeholders and references are benign there.
pub fn is_benign_value(name: &str, value: &str) -> bool {
    let value = value.trim();
    if value.is_empty() || is_placeholder(value) || is_reference(value) || is_prefixed_placeholder(value) {
        return true;
    }
    if LOGIN_FLAGS.contains(&name) {
        return value.split_once(':').is_none_or(|(_, password)| password.is_empty() || is_placeholder(password));
    }
    let is_number = value.len() <= MAX_DIGITS && value.bytes().all(|byte| byte.is_ascii_digit());
    !has_prefect_secret_prefix(name)
        && (SWITCHES.iter().any(|word| value.eq_ignore_ascii_case(word))
            || is_number && !(value.len() >= MIN_PASSWORD_DIGITS && is_password_name(name))
            || is_example(value)
            || is_duration(value)
            || is_path(value)
            || are_names_of_secrets(value) && is_pull_secret_name(name))
}

/// Returns whether `value` consists of names that Secrets can have, with commas between them.
fn are_names_of_secrets(value: &str) -> bool {
    value.split(',').all(|name| check_object_name("Secret", name.trim()).is_ok() && is_name(name.trim()))
}

/// Returns whether `value` is only a placeholder, such as `$(VAR)`, `${VAR}`, `{{ name }}`, `<name>`, `%VAR%`, `***` or
/// `xxxx`. A placeholder with a quoted string does not count: the string may be a default value.
pub fn is_placeholder(value: &str) -> bool {
    if !value.starts_with(|c: char| "$<%#@[{*xX.".contains(c)) {
        return false;
    }
    let is_name = |text: &str| {
        let text = text.trim();
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-. |".contains(&byte))
            && !text.split_ascii_whitespace().any(|word| word.len() > 40)
    };
    let is_constant = |text: &str| {
        text.contains('_')
            && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let between = |start: &str, end: &str| value.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
    let quoted = [
        ("$(", ")"),
        ("${", "}"),
        ("${env:", "}"),
        ("${{", "}}"),
        ("{{", "}}"),
        ("{{-", "-}}"),
        ("<", ">"),
        ("%", "%"),
        ("#{", "}"),
        ("@@", "@@"),
        ("[[", "]]"),
    ];
    quoted.iter().any(|(start, end)| between(start, end).is_some_and(is_name))
        // The name of a variable may have any length.
        || [("${", "}"), ("$${", "}"), ("{", "}")].iter().any(|(start, end)| between(start, end).is_some_and(is_constant))
        // A shell's `${NAME:-}` and `${NAME:?}`, and the output of a command such as `$(cat /run/secrets/token)`.
        || between("${", ":-}").or(between("${", ":?}")).is_some_and(is_name)
        || between("$(cat /", ")").is_some_and(|path| is_path(&format!("/{path}")))
        || value.len() > 2 && b"*xX.".iter().any(|sign| value.bytes().all(|byte| byte == *sign))
}

/// Returns whether `value` is a placeholder after a word that is not a credential: `Bearer $(TOKEN)`, `admin:$(PASSWORD)`.
fn is_prefixed_placeholder(value: &str) -> bool {
    let after_scheme = AUTHORIZATION_SCHEMES.iter().find_map(|scheme| value.strip_prefix(scheme));
    let is_user = |user: &str| !user.is_empty() && user.bytes().all(|byte| byte.is_ascii_lowercase());
    let after_user = value.split_once(':').filter(|(user, _)| is_user(user)).map(|(_, password)| password);
    after_scheme.or(after_user).is_some_and(is_placeholder)
}

/// Returns whether `value` consists of the words of a placeholder, such as `your-api-key` or `CHANGE_ME`, or is an
/// example of the documentation of AWS, which all end with `EXAMPLE` or `EXAMPLEKEY`.
fn is_example(value: &str) -> bool {
    let is_in = |words: &[&str], word: &str| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    let words = || value.split([' ', '-', '_', '.']).filter(|word| !word.is_empty());
    words().all(|word| is_in(&PLACEHOLDER_MARKERS, word) || is_in(&PLACEHOLDER_WORDS, word))
        && words().any(|word| is_in(&PLACEHOLDER_MARKERS, word))
        || value.len() >= 20 && (value.ends_with("EXAMPLE") || value.ends_with("EXAMPLEKEY"))
}

/// Returns whether `value` is a reference that another program resolves.
fn is_reference(value: &str) -> bool {
    let is_word = !value.contains(char::is_whitespace);
    is_word && REFERENCE_PREFIXES.iter().any(|prefix| value.starts_with(prefix))
        || is_word && value.starts_with("projects/") && value.contains("/secrets/")
        || value.starts_with("ENC[") && value.ends_with(']')
}

/// Returns whether a string can be the name of an object, a key or a field, and does not look random.
pub fn is_name(text: &str) -> bool {
    let is_random =
        text.len() >= 20 && !text.contains(['-', '.', '_', '/']) && text.contains(|c: char| c.is_ascii_digit());
    text.len() <= 253
        && !is_random
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/[]'".contains(&byte))
}

/// Returns whether `value` is a duration, such as `30s` or `1h30m`.
fn is_duration(value: &str) -> bool {
    let mut rest = value;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let unit = ["ms", "s", "m", "h", "d", "w"].into_iter().find(|unit| rest[digits..].starts_with(unit));
        match unit {
            Some(unit) if (1..=MAX_DIGITS).contains(&digits) => rest = &rest[digits + unit.len()..],
            _ => return false,
        }
    }
    value.len() <= 12
}

/// Returns whether `value` is the path of a file. A part with upper-case letters, lower-case letters and digits may be
/// the start of a Base64 string.
fn is_path(value: &str) -> bool {
    let is_start = ["/", "./", "../", "~/"].iter().any(|start| value.starts_with(start));
    let is_part = |part: &str| {
        let has = |is: fn(&u8) -> bool| part.as_bytes().iter().any(is);
        let is_mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit);
        part.len() <= 40
            && !is_mixed
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-~".contains(&byte))
    };
    is_start && value.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_values_that_are_no_credentials() {
        for value in [
            "",
            "true",
            "Off",
            "30",
            "3600",
            "30s",
            "1h30m",
            "/var/run/secrets/token",
            "~/.netrc",
            "$(TOKEN)",
            "${TOKEN}",
            "{{ api_key }}",
            "{{ .Values.token }}",
            "${{ secrets.TOKEN }}",
            "<your token>",
            "%TOKEN%",
            "***",
            "xxxx",
            "changeme",
            "vault:secret/data/etl#token",
            "Bearer $(TOKEN)",
            "admin:${PASSWORD}",
            "$(cat /run/secrets/token)",
            "${TOKEN:-}",
            "${env:TOKEN}",
            "your-api-key-here",
            "REPLACE_ME",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s)",
            "ref+vault://a",
            "op://vault/item",
            "projects/p/secrets/s/versions/1",
            "arn:aws:secretsmanager:eu-west-1:1:secret:s",
        ] {
            assert!(is_benign_value("TOKEN", value), "{value}");
        }
        for value in [
            "hunter2",
            "1234567",
            "$(A)b",
            "{{ default \"hunter2\" .x }}",
            "${TOKEN:-hunter2}",
            "/9j4AAQSkZJRg",
            "Bearer hunter2",
            "hunter2:$(TOKEN)",
            "$ecret",
            "your-hunter2",
            "password",
            "https://hunter2@sentry.example.com/1",
            "30x",
            "ab",
        ] {
            assert!(!is_benign_value("TOKEN", value), "{value}");
        }
    }

    #[test]
    fn passes_names_of_pull_secrets() {
        for name in ["IMAGE_PULL_SECRETS", "REGISTRY_PULL_SECRET", "imagePullSecrets", "PULL_SECRET"] {
            assert!(is_benign_value(name, "regcred") && is_benign_value(name, "regcred, ghcr.io-2"), "{name}");
            for value in ["Hunter2", "{\"auths\": {}}", "ZXRsOmh1bnRlcjI=", "e2f4c1d09ab34c7fa1b2", "a,,b"] {
                assert!(!is_benign_value(name, value), "{name} {value}");
            }
        }
        for name in ["PULL_SECRET_TOKEN", "SECRET", "PREFECT__CONTEXT__SECRETS__PULL_SECRET", "FULL_SECRET"] {
            assert!(!is_benign_value(name, "regcred"), "{name}");
        }
    }

    #[test]
    fn every_literal_of_a_prefect_secret_counts() {
        let name = "PREFECT__CONTEXT__SECRETS__A";
        assert!(!is_benign_value(name, "true"));
        assert!(!is_benign_value(name, "42"));
        assert!(is_benign_value(name, "$(A)"));
        for value in ["$hunter-two", "$HUNTER2", "hunter:$SWORDFISH", "file://hunter2", "https://a.example/b"] {
            assert!(!is_benign_value(name, value) && !is_benign_value("DB_PASSWORD", value), "{value}");
        }
    }
}
