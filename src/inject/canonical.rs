//! A value in a form in which only its meaning counts: comments, layout and the order of keys do not.

use jobplate_yaml::{Node, NodeKind, ScalarKind};
use sha2::{Digest, Sha256};

/// Helm 4 tells by this annotation which file an object came from, and takes it off again.
const HELM_FILE: &str = "postrenderer.helm.sh/postrender-filename";

/// The SHA-256 of a value; one node may count with another text than its own.
pub(super) fn digest(root: Node<'_>, instead: Option<(Node<'_>, &str)>) -> [u8; 32] {
    let mut canonical = String::new();
    write(root, instead, &mut canonical);
    Sha256::digest(canonical.as_bytes()).into()
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Length-prefixed text, so that no two values look alike; keys in order. Depth is bounded by the scanner.
fn write(node: Node<'_>, instead: Option<(Node<'_>, &str)>, out: &mut String) {
    let mut text = |kind: char, text: &str| out.push_str(&format!("{kind}{}:{text}", text.len()));
    if let Some((other, own)) = instead
        && node.index() == other.index()
    {
        return text('s', own);
    }
    match node.kind() {
        NodeKind::Map => {
            let kept = |key: Node<'_>, value: Node<'_>| {
                let only_helms =
                    |map: Node<'_>| map.entries().count() == 1 && map.entries().all(|(key, _)| key.has_text(HELM_FILE));
                !(key.has_text(HELM_FILE) || key.has_text("annotations") && only_helms(value))
            };
            let mut entries: Vec<(String, String)> = node
                .entries()
                .filter(|(key, value)| kept(*key, *value))
                .map(|(key, value)| {
                    let mut written = String::new();
                    write(value, instead, &mut written);
                    (key.text().unwrap_or_default().into_owned(), written)
                })
                .collect();
            entries.sort();
            text('m', &entries.len().to_string());
            for (key, value) in entries {
                out.push_str(&format!("k{}:{key}", key.len()));
                out.push_str(&value);
            }
        }
        NodeKind::Seq => {
            text('l', &node.items().count().to_string());
            for item in node.items() {
                write(item, instead, out);
            }
        }
        NodeKind::Alias => text('a', node.raw()),
        _ => {
            let kind = match node.scalar_kind() {
                ScalarKind::Null => return text('0', ""),
                ScalarKind::Bool => 'b',
                ScalarKind::Number | ScalarKind::NonFinite => 'n',
                ScalarKind::String => 's',
            };
            text(kind, &node.text().unwrap_or_default());
        }
    }
}
