//! Finds the sensitive values of a manifest by the names of their variables or by their parent keys.

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

/// Marks of a node: a key, a value that is sensitive as a whole, a value whose scalars are sensitive unless they are
/// keys.
const KEY: u8 = 1;
const WHOLE: u8 = 2;
const SCALARS: u8 = 4;

/// Returns the sensitive nodes of a document in document order: values of variables, data of Secrets, last-applied
/// annotations, and values with an anchor, because an alias may insert them as sensitive values. No node contains
/// another one.
///
/// If `is_fragment` is true, the document may be a part of a Secret without its `kind`.
pub fn find_sensitive_nodes<'a>(root: Node<'a>, is_fragment: bool, predicates: ValuePredicates) -> Vec<Node<'a>> {
    let mut found = Vec::new();
    let has_aliases = root.descendants().any(|node| node.kind() == NodeKind::Alias);
    // A node comes before its children, so its marks are complete when it is visited.
    let mut marks = NodeMarks::new(root);
    // The ends of the subtree that is sensitive as a whole, and of the one whose scalars are.
    let (mut whole_end, mut scalars_end) = (0, 0);
    for node in root.descendants() {
        if node.index() < whole_end {
            continue;
        }
        let mark = marks.of(node);
        let is_anchored = has_aliases && node.anchor().is_some();
        let is_in_scalars = mark & SCALARS != 0 || node.index() < scalars_end;
        if mark & WHOLE != 0 || node.is_scalar() && (is_anchored || is_in_scalars && mark & KEY == 0) {
            // An alias contains only the name of an anchor, so it is not masked.
            if node.kind() != NodeKind::Alias {
                found.push(node);
            }
            whole_end = node.subtree_end();
            continue;
        }
        if (mark & SCALARS != 0 || is_anchored) && node.index() >= scalars_end {
            scalars_end = node.subtree_end();
        }
        marks.mark_entries(node, is_fragment, predicates);
    }
    found
}

/// The marks of the nodes of a document.
struct NodeMarks {
    first: u32,
    marks: Vec<u8>,
}

impl NodeMarks {
    fn new(root: Node<'_>) -> Self {
        NodeMarks { first: root.index(), marks: vec![0; root.descendants().count()] }
    }

    fn of(&self, node: Node<'_>) -> u8 {
        self.marks[(node.index() - self.first) as usize]
    }

    fn add(&mut self, node: Node<'_>, mark: u8) {
        self.marks[(node.index() - self.first) as usize] |= mark;
    }

    /// Marks the keys and sensitive values of a mapping.
    fn mark_entries(&mut self, map: Node<'_>, is_fragment: bool, predicates: ValuePredicates) {
        let is_secret =
            is_fragment || map.entries().any(|(key, value)| key.has_text("kind") && value.has_text("Secret"));
        for (key, value) in map.entries() {
            self.add(key, KEY);
            let is_invalid_source = key.has_text("valueFrom") && value.is_scalar();
            if is_secret && SECRET_DATA.iter().any(|field| key.has_text(field)) {
                self.add(value, SCALARS);
            } else if is_invalid_source
                || key.has_text(LAST_APPLIED)
                || key.has_text("value") && !(predicates.is_template)(value)
            {
                self.add(value, WHOLE);
            } else if key.has_text("env") || key.has_text("secrets") {
                self.mark_env(value, predicates);
            }
        }
    }

    /// Marks the values of `env` or `secrets`, which may be a mapping, a list or a scalar. Omits the values of
    /// [`NAMING_KEYS`] and scalars that are placeholders.
    fn mark_env(&mut self, entries: Node<'_>, predicates: ValuePredicates) {
        match entries.kind() {
            NodeKind::Map => self.mark_env_map(entries),
            NodeKind::Seq => {
                for item in entries.items() {
                    match item.kind() {
                        NodeKind::Map => self.mark_env_map(item),
                        _ if (predicates.is_placeholder)(item) => {}
                        _ => self.add(item, WHOLE),
                    }
                }
            }
            _ if (predicates.is_placeholder)(entries) => {}
            _ => self.add(entries, WHOLE),
        }
    }

    fn mark_env_map(&mut self, map: Node<'_>) {
        let is_naming = |key: Node<'_>| NAMING_KEYS.iter().any(|name| key.has_text(name));
        for (_, value) in map.entries().filter(|(key, value)| !is_naming(*key) && !value.is_null()) {
            match value.kind() {
                NodeKind::Map => {
                    value.entries().filter(|(key, _)| !is_naming(*key)).for_each(|(_, value)| self.add(value, WHOLE))
                }
                _ => self.add(value, WHOLE),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jobplate_yaml::{Document, NodeArena, read};

    use super::*;

    /// Returns the sensitive nodes of a fragment as they are written.
    fn find_in_fragment(text: &str) -> Vec<String> {
        let mut arena = NodeArena::default();
        read(text, &mut arena).unwrap();
        let predicates = ValuePredicates { is_template: |_| false, is_placeholder: |_| false };
        let found = find_sensitive_nodes(Document::new(text, &arena).root(), true, predicates);
        found.iter().map(|node| node.raw().to_owned()).collect()
    }

    #[test]
    fn finds_each_value_once() {
        let nested_data = "data:\n".to_owned() + &(1..100).map(|n| " ".repeat(n) + "data:\n").collect::<String>();
        assert_eq!(find_in_fragment(&(nested_data + &" ".repeat(100) + "z: [a, b]\n")), ["a", "b"]);
        assert_eq!(
            find_in_fragment("value: {value: {env: [a], data: b}, c: d}\n"),
            ["{value: {env: [a], data: b}, c: d}"]
        );
        assert_eq!(find_in_fragment("data: {value: [a, b], env: {c: d, e: {f: g}}}\n"), ["[a, b]", "d", "g"]);
        assert_eq!(find_in_fragment("env: {a: {env: {b: {c: d}}}}\n"), ["{b: {c: d}}"]);
        assert_eq!(find_in_fragment("x: &a {b: c}\n&d e: f\ny: [*a, *d]\n"), ["c", "e"]);
        assert_eq!(find_in_fragment("data: {? [a, b] : c, d: }\n"), ["a", "b", "c", ""]);
    }

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
