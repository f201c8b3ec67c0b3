//! Finds the sensitive values of a manifest by the names of their variables or by their parent keys.

use std::collections::HashSet;

use jobplate_yaml::{Node, NodeKind};

/// The annotation in which `kubectl apply` keeps a copy of the whole object.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The fields of a Secret that hold its values.
const SECRET_DATA: [&str; 2] = ["data", "stringData"];

/// The keys in entries of `env` and `secrets` whose values are not sensitive, such as names of variables, Secrets or
/// keys.
const NAMING_KEYS: [&str; 5] = ["name", "valueFrom", "secret", "key", "optional"];

/// The endings of sensitive names. Names that end in `_FILE`, `_PATH`, `_NAME` or `_URL` are not sensitive: their
/// values only locate a secret.
const SENSITIVE_ENDINGS: [&str; 8] =
    ["TOKEN", "PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "_KEY", "CREDENTIALS", "DSN"];

/// Returns whether the name of a variable suggests that its value is a secret.
///
/// ```
/// use jobplate_manifest::sensitive::looks_secret;
///
/// assert!(looks_secret("db_password_2"));
/// assert!(!looks_secret("TOKEN_FILE"));
/// ```
pub fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let unnumbered = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('_');
    SENSITIVE_ENDINGS.iter().any(|ending| unnumbered.ends_with(ending))
}

/// Predicates for values in formats other than Kubernetes manifests.
#[derive(Clone, Copy, Debug)]
pub struct ValuePredicates {
    /// Returns whether a value is a template. The template itself is not sensitive, but each value in it may be.
    pub is_template: fn(Node<'_>) -> bool,
    /// Returns whether a value is only a placeholder.
    pub is_placeholder: fn(Node<'_>) -> bool,
}

/// Returns the sensitive nodes of a document: values of variables, data of Secrets, last-applied annotations, and
/// values with an anchor, because an alias may insert them as sensitive values.
///
/// If `is_fragment` is true, the document may be a part of a Secret without its `kind`.
pub fn find_sensitive_nodes<'a>(root: Node<'a>, is_fragment: bool, predicates: ValuePredicates) -> Vec<Node<'a>> {
    let mut found = Vec::new();
    let has_aliases = root.descendants().any(|node| node.kind() == NodeKind::Alias);
    for node in root.descendants() {
        if has_aliases && node.anchor().is_some() {
            found.extend(scalar_values(node));
        }
        let is_secret =
            is_fragment || node.entries().any(|(key, value)| key.has_text("kind") && value.has_text("Secret"));
        for (key, value) in node.entries() {
            let is_invalid_source = key.has_text("valueFrom") && value.is_scalar();
            if is_secret && SECRET_DATA.iter().any(|field| key.has_text(field)) {
                found.extend(scalar_values(value));
            } else if is_invalid_source
                || key.has_text(LAST_APPLIED)
                || key.has_text("value") && !(predicates.is_template)(value)
            {
                found.push(value);
            } else if key.has_text("env") || key.has_text("secrets") {
                add_env_values(value, predicates, &mut found);
            }
        }
    }
    // An alias contains only the name of an anchor, so it is not masked.
    found.retain(|node| node.kind() != NodeKind::Alias);
    found
}

/// Returns the scalars of a subtree that are not keys.
fn scalar_values(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let keys: HashSet<u32> = node.descendants().flat_map(|map| map.entries()).map(|(key, _)| key.index()).collect();
    node.descendants().filter(move |node| node.is_scalar() && !keys.contains(&node.index()))
}

/// Adds the values of `env` or `secrets`, which may be a mapping, a list or a scalar. Omits the values of
/// [`NAMING_KEYS`] and scalars that are placeholders.
fn add_env_values<'a>(entries: Node<'a>, predicates: ValuePredicates, found: &mut Vec<Node<'a>>) {
    let is_naming = |key: Node<'_>| NAMING_KEYS.iter().any(|name| key.has_text(name));
    let add_map = |map: Node<'a>, found: &mut Vec<Node<'a>>| {
        for (_, value) in map.entries().filter(|(key, value)| !is_naming(*key) && !value.is_null()) {
            match value.kind() {
                NodeKind::Map => {
                    found.extend(value.entries().filter(|(key, _)| !is_naming(*key)).map(|(_, value)| value))
                }
                _ => found.push(value),
            }
        }
    };
    match entries.kind() {
        NodeKind::Map => add_map(entries, found),
        NodeKind::Seq => {
            for item in entries.items() {
                match item.kind() {
                    NodeKind::Map => add_map(item, found),
                    _ if (predicates.is_placeholder)(item) => {}
                    _ => found.push(item),
                }
            }
        }
        _ if (predicates.is_placeholder)(entries) => {}
        _ => found.push(entries),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_names_of_secrets() {
        for name in [
            "TOKEN",
            "github_token",
            "DB_PASSWORD",
            "X_PASSWD",
            "API_KEY",
            "CLIENTSECRET",
            "AWS_CREDENTIALS",
            "SENTRY_DSN",
        ] {
            assert!(looks_secret(name), "{name}");
        }
        for name in ["TOKEN_FILE", "PASSWORD_PATH", "SECRET_NAME", "TOKEN_URL", "MONKEY", "KEY", "TOKENS", "TZ"] {
            assert!(!looks_secret(name), "{name}");
        }
    }
}
