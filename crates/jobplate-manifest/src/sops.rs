//! Documents that SOPS has encrypted. SOPS adds the mapping `sops` to a document, with a code (`mac`) over all values.
//! Source: <https://getsops.io/docs/#message-authentication-code>.

use jobplate_diagnostic::{Error, Result};
use jobplate_yaml::{Document, Node, NodeKind};

/// Returns the key `sops` of a mapping that SOPS has encrypted, or `None` for any other node.
pub fn metadata_key(root: Node<'_>) -> Option<Node<'_>> {
    let mut entries = root.entries();
    let (key, _) = entries.find(|(key, value)| {
        key.has_text("sops") && value.kind() == NodeKind::Map && value.get_first("mac").is_some()
    })?;
    Some(key)
}

/// Refuses to edit a document that SOPS has encrypted: SOPS could not decrypt it afterwards.
///
/// # Errors
/// Fails if the document has a mapping `sops` with a `mac`.
pub fn refuse_edit(document: Document<'_>) -> Result<()> {
    match metadata_key(document.root()) {
        None => Ok(()),
        Some(key) => Err(Error::refused("cannot edit a document that SOPS has encrypted: its MAC would be invalid")
            .at(key.span())
            .hint("decrypt the file with `sops decrypt --in-place`, edit it, and encrypt it again")),
    }
}
