//! Decides which values cannot be credentials although their name looks secret.

use super::names::has_prefect_secret_prefix;

/// The starts of references that another program resolves.
const REFERENCE_PREFIXES: [&str; 9] = [
    "vault:",
    "ref+",
    "sm://",
    "op://",
    "akeyless:",
    "arn:aws:secretsmanager:",
    "arn:aws:ssm:",
    "awssm://",
    "gcpsm://",
];

/// The placeholder words of examples and documentation.
const EXAMPLE_WORDS: [&str; 6] = ["changeme", "change-me", "example", "redacted", "null", "none"];

/// The words that switch something on or off.
const SWITCHES: [&str; 6] = ["true", "false", "yes", "no", "on", "off"];

/// The maximum number of digits in a number that counts as a setting and not as a credential.
const MAX_DIGITS: usize = 6;

/// Returns whether `value`, the value of a variable or key with the secret-looking name `name`, cannot be a credential:
/// it is empty, a switch, a small number, a duration, a path, a placeholder or a reference. A Prefect 1 secret may have any
/// value, so only placeholders and references are benign there.
pub fn is_benign_value(name: &str, value: &str) -> bool {
    let value = value.trim();
    if value.is_empty() || is_placeholder(value) || is_reference(value) {
        return true;
    }
    !has_prefect_secret_prefix(name)
        && (SWITCHES.iter().chain(&EXAMPLE_WORDS).any(|word| value.eq_ignore_ascii_case(word))
            || value.len() <= MAX_DIGITS && value.bytes().all(|byte| byte.is_ascii_digit())
            || is_duration(value)
            || is_path(value))
}

/// Returns whether `value` is only a placeholder, such as `$(VAR)`, `${VAR}`, `{{ name }}`, `<name>`, `%VAR%`, `***` or
/// `xxxx`. A placeholder with a quoted string does not count: the string may be a default value.
pub fn is_placeholder(value: &str) -> bool {
    let is_name = |text: &str| {
        let text = text.trim();
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-. |".contains(&byte))
            && !text.split_ascii_whitespace().any(|word| word.len() > 40)
    };
    let between = |start: &str, end: &str| value.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
    let quoted = [("$(", ")"), ("${", "}"), ("${{", "}}"), ("{{", "}}"), ("<", ">"), ("%", "%")];
    quoted.iter().any(|(start, end)| between(start, end).is_some_and(is_name))
        || value.len() > 2 && b"*xX.".iter().any(|sign| value.bytes().all(|byte| byte == *sign))
}

/// Returns whether `value` is a reference that another program resolves.
fn is_reference(value: &str) -> bool {
    let is_word = !value.contains(char::is_whitespace);
    is_word && REFERENCE_PREFIXES.iter().any(|prefix| value.starts_with(prefix))
        || is_word && value.starts_with("projects/") && value.contains("/secrets/")
        || value.starts_with("ENC[") && value.ends_with(']')
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
            "30x",
            "ab",
        ] {
            assert!(!is_benign_value("TOKEN", value), "{value}");
        }
    }

    #[test]
    fn every_literal_of_a_prefect_secret_counts() {
        let name = "PREFECT__CONTEXT__SECRETS__A";
        assert!(!is_benign_value(name, "true"));
        assert!(!is_benign_value(name, "42"));
        assert!(is_benign_value(name, "$(A)"));
    }
}
