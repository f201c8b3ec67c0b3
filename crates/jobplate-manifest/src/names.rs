//! Names that Kubernetes takes, and what is wrong with those that it refuses.
//!
//! A fault never repeats what was given: a value in the place of a name may be a secret.

use std::fmt;

use jobplate_diagnostic::{Error, Message};

/// What is wrong with a text, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationError {
    what: String,
    hint: Option<Message>,
}

impl ValidationError {
    /// What is wrong, as a sentence without a full stop.
    pub fn new(what: impl Into<String>) -> Self {
        ValidationError { what: what.into(), hint: None }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Message>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An error about what was given by `by`: a flag, a key of a spec file.
    pub fn into_error(self, subject: &str) -> Error {
        let error = Error::usage(format!("{subject}: {}", self.what));
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// Returns what is wrong and what to do about it, as one sentence.
    pub fn message(self) -> Message {
        let what = Message::from(self.what);
        self.hint.into_iter().fold(what, |what, hint| what + "; " + hint)
    }
}

/// The sentence, and the hint on a second line, as errors of readers have it, which are text.
impl fmt::Display for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\n{}", hint.with_program("jobplate")))
    }
}

const OBJECT_NAME: &str =
    "such a name has lower-case letters, digits, `-` and `.`, and begins and ends with a letter or digit";

/// The name of an object (a DNS subdomain), or of the `kind` of object that is named in the fault.
///
/// # Errors
/// Returns what is wrong with a name that Kubernetes refuses.
pub fn check_object_name(kind: &str, name: &str) -> Result<(), ValidationError> {
    let subject = format!("the {kind}'s name");
    check_length(&subject, name, 253)?;
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let fault = ValidationError::new(format!("{subject} can't have upper-case letters"));
        // Only a name in capitals comes back as a proposal: a text with digits or in both cases may be a secret.
        let capitals = name.bytes().all(|byte| byte.is_ascii_uppercase() || b"_-.".contains(&byte));
        let proposal = name.to_ascii_lowercase().replace('_', "-");
        return Err(if capitals && is_subdomain(&proposal) {
            fault.hint(format!("Kubernetes takes it as `{proposal}`: rename the {kind}, too"))
        } else {
            fault.hint(OBJECT_NAME)
        });
    }
    if is_subdomain(name) { Ok(()) } else { Err(ValidationError::new(format!("{subject} is none")).hint(OBJECT_NAME)) }
}

/// The name of a namespace or container (a DNS label).
///
/// # Errors
/// Returns what is wrong with a name that Kubernetes refuses.
pub fn check_label_name(subject: &str, name: &str) -> Result<(), ValidationError> {
    let subject = format!("the {subject}'s name");
    check_length(&subject, name, 63)?;
    if is_label(name) {
        return Ok(());
    }
    Err(ValidationError::new(format!("{subject} is none"))
        .hint("such a name has lower-case letters, digits and `-`, and begins and ends with a letter or digit"))
}

/// A key in the data of a Secret or ConfigMap.
///
/// # Errors
/// Returns what is wrong with a key that Kubernetes refuses.
pub fn check_data_key(key: &str) -> Result<(), ValidationError> {
    check_length("the key", key, 253)?;
    let fits = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if fits && key != "." && !key.starts_with("..") {
        return Ok(());
    }
    Err(ValidationError::new("the key is none that a Secret or ConfigMap can have")
        .hint("a key has letters, digits, `-`, `_` and `.`"))
}

/// The name of an env var, or the prefix of several.
///
/// # Errors
/// Returns what is wrong with a name that Kubernetes refuses.
pub fn check_env_name(name: &str) -> Result<(), ValidationError> {
    if name.is_empty() {
        return Err(ValidationError::new("the variable's name is empty"));
    }
    if name.contains('=') {
        return Err(ValidationError::new("a variable's name can't have a `=` in it"));
    }
    if !name.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(ValidationError::new("a variable's name can only have printable ASCII characters"));
    }
    Ok(())
}

/// The fields that Kubernetes puts into env vars; labels and annotations one at a time.
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

/// A field of the pod as `fieldPath` has it; `label/KEY`, `annotation/KEY` and missing quotes are put right.
///
/// # Errors
/// Returns what is wrong with a path that names no field that a variable can have.
pub fn normalize_field_path(text: &str) -> Result<String, ValidationError> {
    if POD_FIELDS.contains(&text) {
        return Ok(text.to_owned());
    }
    for (field, short) in [("labels", "label/"), ("annotations", "annotation/")] {
        let bracket = || text.strip_prefix("metadata.")?.strip_prefix(field)?.strip_prefix('[')?.strip_suffix(']');
        let Some(key) = text.strip_prefix(short).or_else(bracket) else { continue };
        let unquoted = ['\'', '"'].iter().find_map(|quote| key.strip_prefix(*quote)?.strip_suffix(*quote));
        let key = unquoted.unwrap_or(key);
        if !is_qualified(key) {
            return Err(ValidationError::new(format!("the key of the {} is none", short.trim_end_matches('/')))
                .hint("such a key is NAME or DOMAIN/NAME"));
        }
        return Ok(format!("metadata.{field}['{key}']"));
    }
    Err(ValidationError::new("Kubernetes has no such field for a variable")
        .hint(format!("these it has: {}, metadata.labels['KEY'], metadata.annotations['KEY']", POD_FIELDS.join(", "))))
}

fn check_length(subject: &str, text: &str, most: usize) -> Result<(), ValidationError> {
    match text.len() {
        0 => Err(ValidationError::new(format!("{subject} is missing"))),
        length if length > most => Err(ValidationError::new(format!("{subject} has more than {most} characters"))),
        _ => Ok(()),
    }
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_label(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && !text.starts_with('-') && !text.ends_with('-') && text.bytes().all(inside)
}

/// The key of a label or annotation: `NAME` or `DOMAIN/NAME`.
fn is_qualified(key: &str) -> bool {
    let (domain, name) = key.split_once('/').map_or((None, key), |(domain, name)| (Some(domain), name));
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    domain.is_none_or(|domain| domain.len() <= 253 && is_subdomain(&domain.to_ascii_lowercase()))
        && name.len() <= 63
        && edge(name.as_bytes().first())
        && edge(name.as_bytes().last())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts<T>(check: impl Fn(&str) -> Result<T, ValidationError>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(check(text).is_ok(), "{text:?} is refused");
        }
        for text in bad {
            assert!(check(text).is_err(), "{text:?} is taken");
        }
    }

    #[test]
    fn names_as_kubernetes_takes_them() {
        let long = "a".repeat(254);
        accepts(
            |name| check_object_name("Secret", name),
            &["a", "a.b-c.1", "0", &long[1..], "a--b"],
            &["", "A", "a_b", "-a", "a-", "a..b", ".a", "a.", "é", "a/b", "a b", "a.-b", &long],
        );
        accepts(
            |name| check_label_name("container", name),
            &["a", "a-b", &long[..63]],
            &["", "a.b", "A", "-a", &long[..64]],
        );
        accepts(
            check_data_key,
            &["a", "A_b.c-1", ".x", "-", &long[1..]],
            &["", ".", "..", "..a", "a/b", "a b", "é", &long],
        );
        accepts(check_env_name, &["A", "A-B.c", "1A", "a b", "A\"B"], &["", "X=Y", "é", "a\nb", "\u{7f}"]);
    }

    #[test]
    fn a_name_in_capitals_comes_back_as_kubernetes_takes_it() {
        let hint = |name| check_object_name("Secret", name).unwrap_err().hint.unwrap().with_program("jobplate");
        assert!(hint("GITHUB_ACCESS_TOKEN").contains("`github-access-token`"));
        // May be values that were put in the wrong place.
        for value in ["ghp_AbCd", "AKIA0123", "_A"] {
            assert_eq!(hint(value), OBJECT_NAME);
        }
    }

    #[test]
    fn fields_of_a_pod() {
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
            assert!(normalize_field_path(text).is_err(), "{text:?} is taken");
        }
    }
}
