//! Turns edits into verified text: writes them as splices, parses the result and compares it with the edits.
//!
//! This is the only code that turns edits into text, and it returns only verified text. It also refuses documents that
//! cannot be edited, selects the parsers that must agree, and reports edits that cannot be verified.

use std::collections::HashSet;
use std::ops::Range;

use jobplate_diagnostic::{Error, ErrorKind, ProgramName, Result};

use super::characters::{ForbiddenCharacter, check_characters};
use super::edit::{Change, Edit};
use super::fallback::{agrees_with_yaml_serde, parse_with_granit};
use super::layout::layout;
use super::node_kind::NodeKind;
use super::scan::scan;
use super::splice::Splices;
use super::strict::refuse_shared;
use super::tree::{Document, Node, NodeArena};
use super::unsupported::Unsupported;
use super::verify::verify;

/// Edits one document after another and reuses its buffers.
#[derive(Debug, Default)]
pub struct Editor {
    splices: Splices,
    text: String,
    arena: NodeArena,
}

/// An edited document with verified text.
#[derive(Clone, Copy, Debug)]
pub struct Edited<'e> {
    /// The new text with its nodes.
    pub document: Document<'e>,
    splices: &'e Splices,
}

impl<'e> Edited<'e> {
    /// Returns the replaced ranges of the original with their replacements, in ascending order.
    pub fn splices(self) -> impl ExactSizeIterator<Item = (Range<usize>, &'e str)> {
        self.splices.iter()
    }
}

impl Editor {
    /// Applies edits to a document and verifies that the new text means the original with exactly these edits.
    ///
    /// The edits must be sorted by node, with at most one edit per node.
    ///
    /// # Errors
    ///
    /// Fails if the edits cannot be written safely, or if they cannot be verified in a document that only the fallback
    /// parser reads or in the style of a scalar. Any other failed verification is a bug and is reported as
    /// [`Internal`](ErrorKind::Internal). The error points to the part of the document that caused it.
    pub fn apply(&mut self, before: Document<'_>, edits: &[Edit]) -> Result<Edited<'_>> {
        let fallback = before.arena.fallback_reason();
        if fallback.is_some() {
            check_characters(before.text).map_err(ForbiddenCharacter::into_error)?;
            refuse_collections_as_keys(before)?;
        }
        refuse_shared_parents(before, edits)?;
        refuse_removed_anchors(before, edits)?;
        layout(before, edits, &mut self.splices)?;
        self.text.clear();
        self.splices.apply(before.text, &mut self.text);
        match fallback {
            None => self.verify_with_scanner(before, edits)?,
            Some(unsupported) => self.verify_with_two_parsers(before, edits, unsupported)?,
        }
        Ok(Edited { document: Document::new(&self.text, &self.arena), splices: &self.splices })
    }

    /// Verifies the new text with the scanner.
    fn verify_with_scanner(&mut self, before: Document<'_>, edits: &[Edit]) -> Result<()> {
        let read = scan(&self.text, &mut self.arena).map_err(|unsupported| unsupported.offset);
        let verified = read.and_then(|()| {
            verify(before, edits, Document::new(&self.text, &self.arena)).map_err(|mismatch| mismatch.offset)
        });
        verified.map_err(|offset| not_verified(before, edits, self.splices.origin(offset)))
    }

    /// Verifies the new text with granit-parser and yaml_serde, for a document that the scanner rejects.
    fn verify_with_two_parsers(
        &mut self,
        before: Document<'_>,
        edits: &[Edit],
        unsupported: Unsupported,
    ) -> Result<()> {
        let verified = parse_with_granit(&self.text, &mut self.arena).is_ok()
            && verify(before, edits, Document::new(&self.text, &self.arena)).is_ok()
            && agrees_with_yaml_serde(before, edits, &self.text);
        if verified {
            return Ok(());
        }
        Err(Error::refused(format!("the edit can't be proven right in a document with {}", unsupported.reason))
            .at(unsupported.offset..unsupported.offset)
            .hint("write that part in a more usual way"))
    }
}

/// Returns the error for edits that failed their verification. `span` is the affected part of the original text.
///
/// The failure is a bug, except in the content of a scalar: the scalar's style may be unable to represent the new
/// content.
fn not_verified(before: Document<'_>, edits: &[Edit], span: Range<usize>) -> Error {
    let text_edits = edits.iter().filter(|edit| matches!(edit.change, Change::Text { .. }));
    let may_be_limited = |node: &Node<'_>| {
        node.kind() != NodeKind::Literal && (node.span().start..=node.span().end).contains(&span.start)
    };
    match text_edits.map(|edit| before.node(edit.node)).find(may_be_limited) {
        Some(node) => Error::refused("the edit can't be proven right in a text of this style")
            .at(node.span())
            .hint("write it as a block: put `|` behind the key, and the text in the lines below"),
        None => Error::new(ErrorKind::Internal, "an edit failed its own verification; nothing was written")
            .at(span)
            .hint("please report this, with the lines around that place and the command"),
    }
}

/// Refuses a collection as a key: YAML allows it, but Kubernetes does not. The usual cause is a template expression
/// (`{{ }}`).
fn refuse_collections_as_keys(document: Document<'_>) -> Result<()> {
    let mut keys = document.root().descendants().flat_map(|node| node.entries()).map(|(key, _)| key);
    match keys.find(|key| matches!(key.kind(), NodeKind::Map | NodeKind::Seq)) {
        None => Ok(()),
        Some(key) => {
            Err(Error::input("a mapping or list stands where a key is expected, which Kubernetes does not read")
                .at(key.span())
                .hint(
                    "if this is a template (`{{ }}`), render it first: `helm template ... | "
                        + ProgramName
                        + " render -`",
                ))
        }
    }
}

/// Refuses an edit inside a node that an alias refers to, because the edit would also change the value of the alias.
fn refuse_shared_parents(document: Document<'_>, edits: &[Edit]) -> Result<()> {
    if document.arena.properties.is_empty() {
        return Ok(());
    }
    // Edits are sorted by node index and the indices of a subtree are contiguous, so a binary search finds the first
    // edit inside a node.
    let contains_edit = |node: &Node<'_>| {
        let first = edits.partition_point(|edit| edit.node <= node.index());
        edits.get(first).is_some_and(|edit| edit.node < node.subtree_end())
    };
    let all_nodes = || document.root().descendants();
    let aliases: HashSet<&str> =
        all_nodes().filter(|node| node.kind() == NodeKind::Alias).map(|node| &node.raw()[1..]).collect();
    let shared = all_nodes().filter(|node| node.anchor().is_some_and(|anchor| aliases.contains(anchor)));
    shared.filter(contains_edit).try_for_each(|node| refuse_shared(node, "a parent of the edited node"))
}

/// Refuses to remove an anchor that an alias outside the removed child uses.
fn refuse_removed_anchors(document: Document<'_>, edits: &[Edit]) -> Result<()> {
    if document.arena.properties.is_empty() {
        return Ok(());
    }
    for edit in edits {
        let Change::Children { remove, .. } = &edit.change else { continue };
        let node = document.node(edit.node);
        let children = node.items().chain(node.entries().map(|(_, value)| value));
        for (_, child) in children.enumerate().filter(|(position, _)| remove.contains(position)) {
            let outside_nodes = || document.root().descendants().filter(|other| !child.contains(*other));
            let anchored = child.descendants().filter_map(|node| Some((node, node.anchor()?)));
            let is_used = |anchor: &str| outside_nodes().any(|other| other.refers_to(anchor));
            if let Some((node, anchor)) = anchored.into_iter().find(|(_, anchor)| is_used(anchor)) {
                return Err(Error::refused(format!("cannot remove the anchor `&{anchor}`: an alias uses it"))
                    .at(node.anchor_span().unwrap_or(node.span()))
                    .hint("replace the alias with a copy of the value"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::edit::{Child, Value};
    use super::super::fallback::read;
    use super::super::strict::StrictMap;
    use super::*;

    /// Applies a change to the value of the first key and returns the new text.
    fn apply(text: &str, change: Change) -> Result<String> {
        let mut arena = NodeArena::default();
        read(text, &mut arena).unwrap();
        let document = Document::new(text, &arena);
        let (_, value) = document.root().entries().next().unwrap();
        let mut editor = Editor::default();
        let edited = editor.apply(document, &[Edit { node: value.index(), change }])?;
        Ok(edited.document.text.to_owned())
    }

    #[test]
    fn splices_reproduce_the_edited_text() {
        let (text, mut arena) = ("a: [b]\n", NodeArena::default());
        read(text, &mut arena).unwrap();
        let change = Change::Children { remove: vec![0], insert: vec![(1, Child::Item(Value::name("c")))] };
        let mut editor = Editor::default();
        let edited = editor.apply(Document::new(text, &arena), &[Edit { node: 2, change }]).unwrap();
        let mut spliced = text.to_owned();
        edited
            .splices()
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .for_each(|(range, new)| spliced.replace_range(range, new));
        assert_eq!((spliced.as_str(), edited.document.text), ("a: [c]\n", "a: [c]\n"));
    }

    #[test]
    fn refuses_an_edit_inside_a_shared_node() {
        for (text, is_refused) in [
            ("a: &x {b: {c: d}}\ne: *x\n", true),
            ("a: {b: {c: d}}\ne: &x f\ng: *x\n", false),
            ("a: &x {b: {c: d}}\n", false),
        ] {
            let mut arena = NodeArena::default();
            read(text, &mut arena).unwrap();
            let document = Document::new(text, &arena);
            let inner = document.root().get_first("a").unwrap().get_first("b").unwrap();
            let edit =
                StrictMap::from_node(inner, "it").unwrap().into_editable().append([Child::entry("new", Value::Null)]);
            let result = Editor::default().apply(document, &[edit]).map(drop);
            let message = result.err().map(|error| error.message().to_owned());
            let expected = "a parent of the edited node carries the anchor `&x`, which is used elsewhere: \
                            an edit would change both";
            assert_eq!(message.as_deref(), is_refused.then_some(expected), "{text}");
        }
    }

    #[test]
    fn a_failed_verification_is_internal_except_in_quoted_scalars() {
        // The splice replaces `b` with `x`, so only the first change has the correct `text`.
        let text_change = |text: &str| Change::Text { splices: [(0..1, "x".into())].into(), text: text.into() };
        assert_eq!(apply("a: |\n  b\n", text_change("x\n")).unwrap(), "a: |\n  x\n");
        assert_eq!(apply("a: |\n  b\n", text_change("y\n")).unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(apply("a: \"b\"\n", text_change("y")).unwrap_err().kind(), ErrorKind::Refused);
    }

    #[test]
    fn refuses_to_remove_an_anchor_that_is_used() {
        let remove = || Change::Children { remove: vec![0], insert: Vec::new() };
        let error = apply("a: [&x b, c]\nd: *x\n", remove()).unwrap_err();
        assert_eq!((error.kind(), error.span()), (ErrorKind::Refused, Some(4..6)));
        assert_eq!(
            apply("a: [&x b, *x, c]\n", Change::Children { remove: vec![1], insert: Vec::new() }).unwrap(),
            "a: [&x b, c]\n"
        );
        assert_eq!(apply("a: [[&x b, *x], c]\n", remove()).unwrap(), "a: [c]\n");
    }

    #[test]
    fn verifies_documents_of_the_fallback_parser() {
        // The scanner does not support explicit keys, so the fallback parser reads these documents.
        let replace = || Change::Replace(Value::name("x"));
        assert_eq!(apply("? a\n: b\n", replace()).unwrap(), "? a\n: x\n");
        let error = apply("? a\n: b\n? [c]\n: d\n", replace()).unwrap_err();
        assert!(error.message().starts_with("a mapping or list stands where a key is expected"), "{error}");
        assert!(apply("? a\n: b # \u{85}\n", replace()).unwrap_err().message().contains("NEL"));
    }
}
