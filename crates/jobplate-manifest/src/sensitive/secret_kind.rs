//! Recognizes Secrets, also with a misspelled kind or key.

use jobplate_diagnostic::suggest;
use jobplate_yaml::{Node, NodeKind};

/// How a mapping is related to Secrets.
pub(super) enum SecretKind {
    /// A Secret, possibly with a misspelled or missing kind.
    Secret,
    /// An object whose kind is elsewhere: in an anchored node, or in a merged mapping.
    Unknown,
    /// A list of Secrets.
    List,
    /// A reference to a Secret.
    Reference,
}

/// Returns how a mapping is related to Secrets: by its kind, by a key like `stringData`, or by its type.
pub(super) fn find_secret_kind(map: Node<'_>) -> Option<SecretKind> {
    let is_like = |text: &str, word: &str| {
        text.len().abs_diff(word.len()) <= 3 && suggest::closest(&text.to_lowercase(), [word]).is_some()
    };
    let (mut kind, mut has_string_data, mut has_data, mut has_type) = (None, false, false, false);
    let mut is_reference = true;
    let (mut has_kind, mut has_alias, mut has_merge) = (false, false, false);
    for (key, value) in map.entries() {
        let key = key.text().unwrap_or_default();
        match &*key {
            "kind" if value.kind() == NodeKind::Alias => has_alias = true,
            "kind" => has_kind = true,
            "<<" => has_merge = true,
            "metadata" | "data" => is_reference = false,
            "type" => {
                let text = value.text().unwrap_or_default();
                has_type |= text == "Opaque" || text.starts_with("kubernetes.io/");
            }
            _ => {}
        }
        has_data |= key.eq_ignore_ascii_case("data");
        has_string_data |= is_like(&key, "stringdata");
        if key.len() <= 5 && is_like(&key, "kind") {
            kind = kind.or(value.text().filter(|text| is_like(text, "secret") || is_like(text, "secretlist")));
        }
    }
    match kind {
        Some(kind) if kind.len() > 8 => Some(SecretKind::List),
        Some(_) if is_reference && !has_string_data && map.get_first("name").is_some() => Some(SecretKind::Reference),
        Some(_) => Some(SecretKind::Secret),
        None if has_string_data || has_data && has_type => Some(SecretKind::Secret),
        None => (has_data && (has_alias || has_merge && !has_kind)).then_some(SecretKind::Unknown),
    }
}
