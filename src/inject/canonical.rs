//! Hashes a YAML value so that comments, layout and the order of keys do not change the hash.

use jobplate_yaml::{Node, NodeKind, ScalarKind};
use sha2::{Digest, Sha256};

/// The annotation with which Helm 4 passes an object's file name to a post-renderer. Helm removes it afterwards, so it
/// must not change the hash.
const HELM_FILE_ANNOTATION: &str = "postrenderer.helm.sh/postrender-filename";

/// Returns the SHA-256 hash of a value. `replacement` is a node and the text that is hashed instead of it.
pub(super) fn compute_digest(root: Node<'_>, replacement: Option<(Node<'_>, &str)>) -> [u8; 32] {
    let mut canonical = String::new();
    write_canonical(root, replacement, &mut canonical);
    Sha256::digest(canonical.as_bytes()).into()
}

/// Encodes bytes in hexadecimal.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a value with sorted keys. Each scalar is prefixed with its length, so different values are never written the
/// same way. The recursion is bounded because the parser limits the depth.
fn write_canonical(node: Node<'_>, replacement: Option<(Node<'_>, &str)>, out: &mut String) {
    let mut write_text = |kind: char, text: &str| out.push_str(&format!("{kind}{}:{text}", text.len()));
    if let Some((replaced, new_text)) = replacement
        && node.index() == replaced.index()
    {
        return write_text('s', new_text);
    }
    match node.kind() {
        NodeKind::Map => {
            let is_kept = |key: Node<'_>, value: Node<'_>| {
                let has_only_helms_annotation = |map: Node<'_>| {
                    map.entries().count() == 1 && map.entries().all(|(key, _)| key.has_text(HELM_FILE_ANNOTATION))
                };
                !(key.has_text(HELM_FILE_ANNOTATION) || key.has_text("annotations") && has_only_helms_annotation(value))
            };
            let mut entries: Vec<(String, String)> = node
                .entries()
                .filter(|(key, value)| is_kept(*key, *value))
                .map(|(key, value)| {
                    let mut canonical_value = String::new();
                    write_canonical(value, replacement, &mut canonical_value);
                    (key.text().unwrap_or_default().into_owned(), canonical_value)
                })
                .collect();
            entries.sort();
            write_text('m', &entries.len().to_string());
            for (key, value) in entries {
                out.push_str(&format!("k{}:{key}", key.len()));
                out.push_str(&value);
            }
        }
        NodeKind::Seq => {
            write_text('l', &node.items().count().to_string());
            for item in node.items() {
                write_canonical(item, replacement, out);
            }
        }
        NodeKind::Alias => write_text('a', node.raw()),
        _ => {
            let kind = match node.scalar_kind() {
                ScalarKind::Null => return write_text('0', ""),
                ScalarKind::Bool => 'b',
                ScalarKind::Number | ScalarKind::NonFinite => 'n',
                ScalarKind::String => 's',
            };
            write_text(kind, &node.text().unwrap_or_default());
        }
    }
}
