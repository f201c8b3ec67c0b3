//! Checks the names of objects, namespaces, containers, keys, variables and fields like Kubernetes.
//!
//! An error does not contain the checked name, because the name may be a secret that was passed by mistake.

use std::fmt;

use jobplate_diagnostic::{Diagnostic, Error, Message};

/// The reason why a name or value is invalid, with a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationError {
    message: String,
    hint: Option<Message>,
}

impl ValidationError {
    /// Creates an error without a hint. The message is a sentence without a full stop.
    pub fn new(message: impl Into<String>) -> Self {
        ValidationError { message: message.into(), hint: None }
    }

    /// Sets the hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Message>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Converts this to an error about `subject`, such as a flag or a key of a spec file.
    pub fn into_error(self, subject: &str) -> Error {
        let error = Error::usage(format!("{subject}: {}", self.message));
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// Converts this to an error diagnostic. `subject` precedes the message.
    pub fn into_diagnostic(self, code: &'static str, subject: &str) -> Diagnostic {
        let diagnostic = Diagnostic::error(code, format!("{subject}: {}", self.message));
        self.hint.into_iter().fold(diagnostic, Diagnostic::help)
    }
}

/// Writes the message, and the hint on a second line. The deserializer splits the two lines, because a serde error is a
/// single string.
impl fmt::Display for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\n{}", hint.with_program("jobplate")))
    }
}

/// The hint for an invalid object name.
const OBJECT_NAME_HINT: &str = "use lower-case letters, digits, `-` and `.`, and a letter or digit at both ends";

/// Checks the name of an object, which must be a DNS subdomain. `kind` is the object's kind in the error.
///
/// # Errors
/// Fails if Kubernetes rejects the name.
pub fn check_object_name(kind: &str, name: &str) -> Result<(), ValidationError> {
    let subject = format!("the name of the {kind}");
    check_length(&subject, name, 253)?;
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let error = ValidationError::new(format!("{subject} must not contain upper-case letters"));
        // Only a name in capitals is repeated as a suggestion: a name with digits or in mixed case may be a secret.
        let is_in_capitals = name.bytes().all(|byte| byte.is_ascii_uppercase() || b"_-.".contains(&byte));
        let suggestion = name.to_ascii_lowercase().replace('_', "-");
        return Err(if is_in_capitals && is_subdomain(&suggestion) {
            error.hint(format!("use `{suggestion}`, and rename the {kind} too"))
        } else {
            error.hint(OBJECT_NAME_HINT)
        });
    }
    if is_subdomain(name) {
        Ok(())
    } else {
        // Underscores are the most frequent mistake.
        let suggestion = name.replace('_', "-");
        let words = name.bytes().all(|byte| byte.is_ascii_lowercase() || b"_-".contains(&byte));
        let error = ValidationError::new(format!("invalid {kind} name"));
        let is_suggested = words && is_subdomain(&suggestion);
        Err(if is_suggested { error.hint(format!("use `{suggestion}`")) } else { error.hint(OBJECT_NAME_HINT) })
    }
}

/// Checks the name of a namespace or container, which must be a DNS label.
///
/// # Errors
/// Fails if Kubernetes rejects the name.
pub fn check_label_name(kind: &str, name: &str) -> Result<(), ValidationError> {
    check_length(&format!("the name of the {kind}"), name, 63)?;
    if is_label(name) {
        return Ok(());
    }
    Err(ValidationError::new(format!("invalid {kind} name"))
        .hint("use lower-case letters, digits and `-`, and a letter or digit at both ends"))
}

/// Checks a key in the data of a Secret or ConfigMap.
///
/// # Errors
/// Fails if Kubernetes rejects the key.
pub fn check_data_key(key: &str) -> Result<(), ValidationError> {
    check_length("the key", key, 253)?;
    let is_valid = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if is_valid && key != "." && !key.starts_with("..") {
        return Ok(());
    }
    Err(ValidationError::new("invalid Secret or ConfigMap key").hint("use letters, digits, `-`, `_` and `.`"))
}

/// Checks the key of a label, or of an annotation, whose domain may have upper-case letters.
///
/// # Errors
/// Fails if Kubernetes rejects the key.
pub fn check_metadata_key(kind: &str, key: &str) -> Result<(), ValidationError> {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let is_lowercase = !domain.bytes().any(|byte| byte.is_ascii_uppercase());
    match is_qualified_name(key) && (is_lowercase || kind == "annotation") {
        true => Ok(()),
        false => {
            Err(ValidationError::new("invalid key").hint("use NAME or DOMAIN/NAME, such as `app` or `example.com/app`"))
        }
    }
}

/// Checks the value of a label.
///
/// # Errors
/// Fails if Kubernetes rejects the value.
pub fn check_label_value(value: &str) -> Result<(), ValidationError> {
    let hint = "use at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends";
    match value.is_empty() || !value.contains('/') && is_qualified_name(value) {
        true => Ok(()),
        false => Err(ValidationError::new("invalid value").hint(hint)),
    }
}

/// Checks the name of an environment variable, or a prefix of such names.
///
/// # Errors
/// Fails if Kubernetes rejects the name.
pub fn check_env_name(name: &str) -> Result<(), ValidationError> {
    if name.is_empty() {
        return Err(ValidationError::new("the name of a variable must not be empty"));
    }
    if name.contains('=') {
        return Err(ValidationError::new("the name of a variable must not contain `=`"));
    }
    if !name.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(ValidationError::new("the name of a variable must contain only printable ASCII characters"));
    }
    Ok(())
}

/// Checks the name of a variable to set or remove. Kubernetes accepts spaces around a name, but they are typing mistakes.
///
/// # Errors
/// Fails if Kubernetes rejects the name, or if it begins or ends with a space.
pub fn check_requested_env_name(name: &str) -> Result<(), ValidationError> {
    check_env_name(name)?;
    if name.trim() == name {
        return Ok(());
    }
    Err(ValidationError::new("the name of a variable must not begin or end with a space").hint("remove the space"))
}

/// The fields that `fieldRef` supports in environment variables, in addition to single labels and annotations.
pub const POD_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Converts the name of a pod field to a `fieldPath`. Also accepts `label/KEY`, `annotation/KEY` and keys without
/// quotes.
///
/// # Errors
/// Fails if Kubernetes does not support the field in a variable.
pub fn normalize_field_path(text: &str) -> Result<String, ValidationError> {
    if POD_FIELDS.contains(&text) {
        return Ok(text.to_owned());
    }
    for (field, prefix) in [("labels", "label/"), ("annotations", "annotation/")] {
        let key_in_brackets =
            || text.strip_prefix("metadata.")?.strip_prefix(field)?.strip_prefix('[')?.strip_suffix(']');
        let Some(key) = text.strip_prefix(prefix).or_else(key_in_brackets) else { continue };
        let unquoted = ['\'', '"'].iter().find_map(|quote| key.strip_prefix(*quote)?.strip_suffix(*quote));
        let key = unquoted.unwrap_or(key);
        if !is_qualified_name(key) {
            return Err(ValidationError::new(format!("invalid key of the {}", prefix.trim_end_matches('/')))
                .hint("use NAME or DOMAIN/NAME, such as `app` or `example.com/app`"));
        }
        return Ok(format!("metadata.{field}['{key}']"));
    }
    Err(ValidationError::new("unsupported field: Kubernetes cannot set a variable from it")
        .hint(format!("supported: {}, metadata.labels['KEY'], metadata.annotations['KEY']", POD_FIELDS.join(", "))))
}

/// Checks that a name is not empty and has at most `max` bytes. `subject` describes the name in the error.
fn check_length(subject: &str, text: &str, max: usize) -> Result<(), ValidationError> {
    match text.len() {
        0 => Err(ValidationError::new(format!("{subject} is missing"))),
        length if length > max => Err(ValidationError::new(format!("{subject} has more than {max} characters"))),
        _ => Ok(()),
    }
}

/// Returns whether a name is a DNS subdomain: DNS labels that are joined by dots.
fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// Returns whether a name is a DNS label. The length is not checked.
fn is_label(text: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && !text.starts_with('-') && !text.ends_with('-') && text.bytes().all(is_valid)
}

/// Returns whether a key is a valid key of a label or annotation: `NAME` or `DOMAIN/NAME`.
fn is_qualified_name(key: &str) -> bool {
    let (domain, name) = key.split_once('/').map_or((None, key), |(domain, name)| (Some(domain), name));
    let is_alphanumeric = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    domain.is_none_or(|domain| domain.len() <= 253 && is_subdomain(&domain.to_ascii_lowercase()))
        && name.len() <= 63
        && is_alphanumeric(name.as_bytes().first())
        && is_alphanumeric(name.as_bytes().last())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_accepts<T>(check: impl Fn(&str) -> Result<T, ValidationError>, valid: &[&str], invalid: &[&str]) {
        for text in valid {
            assert!(check(text).is_ok(), "{text:?} is refused");
        }
        for text in invalid {
            assert!(check(text).is_err(), "{text:?} is accepted");
        }
    }

    #[test]
    fn accepts_the_names_that_kubernetes_accepts() {
        let long = "a".repeat(254);
        assert_accepts(
            |name| check_object_name("Secret", name),
            &["a", "a.b-c.1", "0", &long[1..], "a--b"],
            &["", "A", "a_b", "-a", "a-", "a..b", ".a", "a.", "é", "a/b", "a b", "a.-b", &long],
        );
        assert_accepts(
            |name| check_label_name("container", name),
            &["a", "a-b", &long[..63]],
            &["", "a.b", "A", "-a", &long[..64]],
        );
        assert_accepts(
            check_data_key,
            &["a", "A_b.c-1", ".x", "-", &long[1..]],
            &["", ".", "..", "..a", "a/b", "a b", "é", &long],
        );
        assert_accepts(check_env_name, &["A", "A-B.c", "1A", "a b", "A\"B"], &["", "X=Y", "é", "a\nb", "\u{7f}"]);
        assert_accepts(check_requested_env_name, &["A", "a b"], &["", "X=Y", " ", " A", "A ", "\tA"]);
    }

    #[test]
    fn accepts_the_labels_that_kubernetes_accepts() {
        let long = "a".repeat(64);
        assert_accepts(
            |key| check_metadata_key("label", key),
            &["a", "A_b.c", "x.io/A", &long[1..]],
            &["", "-a", "a/", "/a", "X.io/a", "a/b/c", "_", "\u{1f600}", &long],
        );
        assert_accepts(|key| check_metadata_key("annotation", key), &["a", "X.io/a"], &["", "a/", "\u{1f600}"]);
        assert_accepts(check_label_value, &["", "a", "A_b.c-1", &long[1..]], &["_", "a/b", "a b", "-a", "é", &long]);
    }

    #[test]
    fn suggests_a_valid_name_only_for_one_in_capitals() {
        let hint = |name| check_object_name("Secret", name).unwrap_err().hint.unwrap().with_program("jobplate");
        assert!(hint("GITHUB_ACCESS_TOKEN").contains("`github-access-token`"));
        // These values may be secrets that were passed instead of a name, so no error may contain them.
        for value in ["ghp_AbCd", "AKIA0123", "_A"] {
            assert_eq!(hint(value), OBJECT_NAME_HINT);
        }
    }

    #[test]
    fn normalizes_the_fields_of_a_pod() {
        for (text, path) in [
            ("metadata.name", "metadata.name"),
            ("status.podIPs", "status.podIPs"),
            ("label/example.com/team", "metadata.labels['example.com/team']"),
            ("annotation/owner", "metadata.annotations['owner']"),
            ("metadata.labels[a]", "metadata.labels['a']"),
            ("metadata.labels['a']", "metadata.labels['a']"),
            ("metadata.annotations[\"a.b/C_d\"]", "metadata.annotations['a.b/C_d']"),
        ] {
            assert_eq!(normalize_field_path(text).as_deref(), Ok(path));
        }
        let long = format!("label/{}", "a".repeat(64));
        for text in [
            "",
            "metadata",
            "metadata.labels",
            "spec.containers",
            "label/",
            "label/a/b/c",
            "label/'",
            "metadata.labels['a'",
            "metadata.labels[]",
            "metadata.labels['a'']",
            "annotation/-a",
            "label/_/a",
            &long,
        ] {
            assert!(normalize_field_path(text).is_err(), "{text:?} is accepted");
        }
    }
}
