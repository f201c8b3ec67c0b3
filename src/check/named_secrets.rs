//! Decides which values are secrets because of the names of their variables, keys and flags.

use jobplate_manifest::credentials::{is_benign_value, is_placeholder, is_secret_name};

use super::benign_literals::is_probably_setting;
use super::benign_names::names_no_secret;

/// The functions of Go templates that have a default value, which may be a secret.
const DEFAULT_FUNCTIONS: [&str; 4] = ["default", "coalesce", "ternary", "or "];

/// Empty default values.
const EMPTY_DEFAULTS: [&str; 4] = ["''", "\"\"", "{}", "[]"];

/// The passwords that programs have until somebody changes them.
const DEFAULT_PASSWORDS: [&str; 4] = ["changeme", "change-me", "change_me", "changeit"];

/// What a string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LiteralKind {
    /// The value of an environment variable.
    Variable,
    /// A word of a command line.
    Argument,
    /// A setting of a program: the data of a ConfigMap, a default of a base job template, or an HTTP header.
    Setting,
    /// An annotation.
    Annotation,
    /// Any other string. Only shapes are searched for.
    Other,
}

/// Returns whether a name such as `credentials` or `tls.key` may be that of a file with settings.
pub(super) fn may_be_file_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("credentials") || name.ends_with("key")
}

/// Returns whether a value is a password that a program has until somebody changes it. It works, so it counts in a
/// variable.
pub(super) fn is_default_password(value: &str) -> bool {
    DEFAULT_PASSWORDS.iter().any(|password| value.trim().eq_ignore_ascii_case(password))
}

/// Returns whether a value is a secret because of its name.
pub(super) fn is_named_secret(kind: LiteralKind, name: &str, value: &str) -> bool {
    let is_multiline = || value.trim_end().contains('\n');
    let has_secret_name = match kind {
        LiteralKind::Argument => !value.starts_with('-'),
        LiteralKind::Variable => is_secret_name(name),
        // The text of a file such as `credentials.yaml` is examined, but is not a secret itself.
        LiteralKind::Setting => is_secret_name(name) && !(name.contains('.') && is_multiline()),
        // Many annotations name or locate a Secret, or the cookie of a session.
        LiteralKind::Annotation => {
            let name = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
            is_secret_name(&name) && !name.contains("secret") && !name.contains("cookie") && !is_multiline()
        }
        LiteralKind::Other => false,
    };
    has_secret_name
        && (!is_benign_value(name, value) || kind == LiteralKind::Variable && is_default_password(value))
        && !is_probably_setting(name, value)
        && !names_no_secret(name, value.trim())
        && !contains_reference(value)
}

/// Returns whether a value refers to another one, which is the secret: `postgres://etl:$(PASSWORD)@db`.
fn contains_reference(value: &str) -> bool {
    [("$(", ")"), ("${", "}"), ("{{", "}}")].into_iter().any(|(open, close)| {
        let Some((_, rest)) = value.split_once(open) else { return false };
        let Some((content, _)) = rest.split_once(close) else { return false };
        let is_default = |(at, function): (usize, &str)| {
            let value = content[at + function.len()..].trim_start_matches(['(', ' ']);
            !EMPTY_DEFAULTS.iter().any(|empty| value.starts_with(empty))
        };
        let has_default = |function: &&str| content.match_indices(*function).any(is_default);
        let is_action = || open == "{{" && !DEFAULT_FUNCTIONS.iter().any(has_default);
        is_placeholder(&format!("{open}{content}{close}")) || is_action()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_value_may_be_a_secret() {
        for (value, expected) in [
            ("{{ (vault.secret | default({})).key | default('', true) }}", true),
            ("{{ .token | default \"\" }}", true),
            ("{{ .token | default \"hunter2\" }}", false),
            ("{{ token or 'hunter2' }}", false),
        ] {
            assert_eq!(contains_reference(value), expected, "{value}");
        }
    }
}
