//! A second opinion on documents that the scanner rejects, from yaml_serde, which is derived from libyaml.
//!
//! yaml_serde's events are compared with the nodes one by one, so no value is built and numbers are compared as they
//! are written.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use super::super::node_kind::NodeKind;
use super::super::tree::{Document, Node};

/// Returns whether yaml_serde reads the text of a document as its nodes: the same structure, scalars and aliases.
///
/// Tags and anchors are not compared. The time grows with the expanded size of the document, so the caller must check
/// that size first.
pub(in super::super) fn agrees_with_yaml_serde(document: Document<'_>) -> bool {
    let text = document.text.trim_start_matches('\u{feff}');
    ExpectedNode(document.root()).deserialize(serde_yaml::Deserializer::from_str(text)).is_ok()
}

/// Deserializes a value that must match a node. Otherwise fails.
struct ExpectedNode<'a>(Node<'a>);

impl<'de> DeserializeSeed<'de> for ExpectedNode<'_> {
    type Value = ();

    // The recursion is bounded: yaml_serde refuses more than 128 levels, also across aliases.
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let node = match self.0.kind() {
            NodeKind::Alias => self.0.alias_target().ok_or_else(|| D::Error::custom("an alias without a target"))?,
            _ => self.0,
        };
        let visitor = ExpectedNode(node);
        match (node.kind(), node.tag()) {
            (NodeKind::Map | NodeKind::Seq, None) => deserializer.deserialize_any(visitor),
            // `deserialize_any` turns a tag into an enum.
            (NodeKind::Map, Some(_)) => deserializer.deserialize_map(visitor),
            (NodeKind::Seq, Some(_)) => deserializer.deserialize_seq(visitor),
            // This returns the content of every scalar, regardless of its type.
            _ => deserializer.deserialize_str(visitor),
        }
    }
}

impl<'de> Visitor<'de> for ExpectedNode<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the node of the fallback parser")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if self.0.is_scalar() && self.0.has_text(text) { Ok(()) } else { Err(E::custom("another scalar")) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if self.0.kind() != NodeKind::Seq {
            return Err(A::Error::custom("a sequence"));
        }
        // yaml_serde fails after this if there are more items.
        for item in self.0.items() {
            items.next_element_seed(ExpectedNode(item))?.ok_or_else(|| A::Error::custom("a missing item"))?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        if self.0.kind() != NodeKind::Map {
            return Err(A::Error::custom("a mapping"));
        }
        for (key, value) in self.0.entries() {
            entries.next_key_seed(ExpectedNode(key))?.ok_or_else(|| A::Error::custom("a missing key"))?;
            entries.next_value_seed(ExpectedNode(value))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tree::NodeArena;
    use super::super::read;
    use super::*;

    fn nodes_of(text: &str) -> NodeArena {
        let mut arena = NodeArena::default();
        read(text, &mut arena).unwrap();
        arena
    }

    #[test]
    fn compares_structure_scalars_and_expanded_aliases() {
        let text = "? a\n: [1, 0x1F, ~, 'b', \"\\x41\", {}, []]\nc: &x {d: }\ne: *x\nf: !t [g]\n'': |\n  h\na: b\n";
        assert!(agrees_with_yaml_serde(Document::new(text, &nodes_of(text))));
        assert!(agrees_with_yaml_serde(Document::new("\u{feff}a: b\n", &nodes_of("\u{feff}a: b\n"))));
        for (text, other) in [
            ("a: [b, c]\n", "a: {b: c}\n"),
            ("a: [b, c]\n", "a: [b, d]\n"),
            ("a: [b, c]\n", "a: [b]   \n"),
            ("a: [b]   \n", "a: [b, c]\n"),
            ("a: {b: 1}\n", "a: {b: 2}\n"),
            ("a: {b: 1}\n", "a: {}    \n"),
            ("a: ''\n", "a: []\n"),
            ("a: &x 1\nb: &y 2\nc: *x\n", "a: &x 1\nb: &y 2\nc: *y\n"),
        ] {
            let (arena, other_arena) = (nodes_of(text), nodes_of(other));
            let root = Document::new(other, &other_arena).root();
            let compared = ExpectedNode(root).deserialize(serde_yaml::Deserializer::from_str(text));
            assert!(compared.is_err(), "{text:?} {other:?}");
            assert!(agrees_with_yaml_serde(Document::new(text, &arena)), "{text:?}");
        }
    }
}
