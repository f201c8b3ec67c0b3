//! Turns edits into verified text: writes them as splices, parses the result and compares it with the edits.
//!
//! This is the only code that turns edits into text, and it returns only verified text. It also refuses documents that
//! cannot be edited, selects the parsers that must agree, and reports edits that cannot be verified.

use std::collections::HashMap;
use std::ops::Range;

use jobplate_diagnostic::{Error, ErrorKind, Result};

use super::characters::{ForbiddenCharacter, check_characters};
use super::edit::{Change, Edit};
use super::fallback::{agrees_with_yaml_serde, parse_with_granit};
use super::layout::layout;
use super::node_kind::NodeKind;
use super::scan::{check_escapes, scan};
use super::splice::Splices;
use super::strict::refuse_shared;
use super::tree::{Document, Node, NodeArena};
use super::unrendered::{template_expression_of_key, unrendered_template_error};
use super::unsupported::Unsupported;
use super::verify::verify;

/// The maximum number of nodes of an edited document that only the fallback parser reads: yaml_serde, which must agree,
/// needs about 130 bytes of memory for each.
const MAX_FALLBACK_NODES: usize = 250_000;

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
        if let Some(unsupported) = fallback {
            refuse_large_fallback(before, unsupported)?;
            check_characters(before.text).map_err(ForbiddenCharacter::into_error)?;
            refuse_unreadable_keys(before)?;
            refuse_unreadable_escapes(before)?;
            before.check_expanded_size()?;
        }
        before.refuse_cyclic_alias()?;
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
        // `verify` proves that granit-parser's nodes of the new text have exactly the edits. So yaml_serde must only
        // agree with granit-parser about both texts.
        let verified = parse_with_granit(&self.text, &mut self.arena).is_ok()
            && verify(before, edits, Document::new(&self.text, &self.arena)).is_ok()
            && agrees_with_yaml_serde(before)
            && agrees_with_yaml_serde(Document::new(&self.text, &self.arena));
        if verified {
            return Ok(());
        }
        Err(Error::refused(format!("cannot verify the edit: the document contains {}", unsupported.reason))
            .at(unsupported.offset..unsupported.offset)
            .hint("rewrite this part in simpler YAML"))
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
        Some(node) => Error::refused("cannot verify the edit of a string of this style").at(node.span()).hint(
            "rewrite the whole string as a block scalar: put `|` after its key, and the content on the lines below",
        ),
        None => Error::new(ErrorKind::Internal, "an edit failed its own verification; nothing was written")
            .at(span)
            .hint("report this as a bug, with the lines around it and the command"),
    }
}

/// Refuses to edit a document with more than [`MAX_FALLBACK_NODES`] nodes that only the fallback parser reads.
fn refuse_large_fallback(document: Document<'_>, unsupported: Unsupported) -> Result<()> {
    if document.arena.len() <= MAX_FALLBACK_NODES {
        return Ok(());
    }
    let reason = unsupported.reason;
    Err(Error::refused(format!("too many nodes in a document with {reason}: more than {MAX_FALLBACK_NODES}"))
        .at(unsupported.offset..unsupported.offset)
        .hint("rewrite this part in simpler YAML, or split the document"))
}

/// Refuses a key that YAML allows, but Kubernetes does not: null, or a collection. The usual cause of a collection is a
/// template expression (`{{ }}`).
fn refuse_unreadable_keys(document: Document<'_>) -> Result<()> {
    let mut keys = document.root().descendants().flat_map(|node| node.entries()).map(|(key, _)| key);
    let is_null = |key: Node<'_>| key.is_null() || key.tag() == Some("!!null");
    match keys.find(|&key| matches!(key.kind(), NodeKind::Map | NodeKind::Seq) || is_null(key)) {
        None => Ok(()),
        Some(key) if key.is_scalar() => Err(Error::input("invalid key: null, which Kubernetes does not read")
            .at(key.span())
            .hint("put the key in quotes")),
        Some(key) => Err(match template_expression_of_key(key) {
            Some(at) => unrendered_template_error(at),
            None => Error::input("a mapping or list is used as a key, which Kubernetes does not read")
                .at(key.span())
                .hint("write the key as a string"),
        }),
    }
}

/// Refuses an escape that Kubernetes does not read, such as a surrogate pair outside of JSON.
fn refuse_unreadable_escapes(document: Document<'_>) -> Result<()> {
    let double_quoted = document.root().descendants().filter(|node| node.kind() == NodeKind::DoubleQuoted);
    check_escapes(document.text, double_quoted.map(Node::span)).map_err(|unsupported| {
        Error::input(format!("{}, which Kubernetes does not read in YAML", unsupported.reason))
            .at(unsupported.offset..unsupported.offset + 1)
            .hint("replace the escape with the character")
    })
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
    let shared = document.root().descendants().filter(|node| node.is_alias_target());
    shared.filter(contains_edit).try_for_each(|node| refuse_shared(node, "a parent of the edited node"))
}

/// Refuses to remove an anchor that an alias outside the removed child uses.
fn refuse_removed_anchors(document: Document<'_>, edits: &[Edit]) -> Result<()> {
    if document.arena.properties.is_empty() {
        return Ok(());
    }
    // The first and the last alias of each name.
    let mut aliases: HashMap<&str, (u32, u32)> = HashMap::new();
    for alias in document.root().descendants().filter(|node| node.kind() == NodeKind::Alias) {
        let index = alias.index();
        aliases.entry(&alias.raw()[1..]).and_modify(|(_, last)| *last = index).or_insert((index, index));
    }
    for edit in edits {
        let Change::Children { remove, .. } = &edit.change else { continue };
        let node = document.node(edit.node);
        let children = node.items().chain(node.entries().map(|(_, value)| value));
        for (_, child) in children.enumerate().filter(|(position, _)| remove.binary_search(position).is_ok()) {
            let removed = child.index()..child.subtree_end();
            let is_used = |anchor: &str| {
                aliases.get(anchor).is_some_and(|(first, last)| !removed.contains(first) || !removed.contains(last))
            };
            let anchored = child.descendants().filter_map(|node| Some((node, node.anchor()?)));
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
            let expected = "a parent of the edited node has the anchor `&x`, which an alias uses: \
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
        assert!(error.message().starts_with("a mapping or list is used as a key"), "{error}");
        assert!(apply("? a\n: b # \u{85}\n", replace()).unwrap_err().message().contains("NEL"));
    }

    #[test]
    fn refuses_what_kubernetes_does_not_read() {
        let replace = || Change::Replace(Value::name("x"));
        for (text, message) in [
            ("a: b\n~: c\n", "invalid key: null"),
            ("a: b\nc: {null: d}\n", "invalid key: null"),
            ("a: b\n!!null x: c\n", "invalid key: null"),
            ("a: b\nc: &x [*x]\n", "invalid alias `*x`"),
            ("a: b\n? c\n: &x [*x]\n", "invalid alias `*x`"),
            ("a: b\nc: \"\\ud83d\\ude00\"\n", "an escape that is not a Unicode character"),
            ("a: b\n? c\n: \"\\ud83d\\ude00\"\n", "an escape that is not a Unicode character"),
            ("a: b\nc: \"\\/\"\n", "an unknown escape"),
        ] {
            let error = apply(text, replace()).unwrap_err();
            assert!(error.message().starts_with(message), "{text}: {error}");
        }
        for text in ["a: b\n'': c\n\"null\": d\n", "a: b\nnulls: c\n"] {
            assert!(apply(text, replace()).is_ok(), "{text}");
        }
    }

    #[test]
    fn replaces_a_key_and_nothing_else() {
        for (text, expected) in [
            ("a: {b: c}   # d\n", "x: {b: c}   # d\n"),
            ("'a'  :\n- b\n", "x  :\n- b\n"),
            ("{\"a\": 1}\n", "{\"x\": 1}\n"),
            ("? a\n: b\n", "? x\n: b\n"),
        ] {
            let mut arena = NodeArena::default();
            read(text, &mut arena).unwrap();
            let document = Document::new(text, &arena);
            let (key, _) = document.root().entries().next().unwrap();
            let mut editor = Editor::default();
            let edit = Edit { node: key.index(), change: Change::Replace(Value::name("x")) };
            assert_eq!(editor.apply(document, &[edit]).unwrap().document.text, expected);
        }
    }

    #[test]
    fn a_duplicate_key_elsewhere_does_not_matter_to_the_fallback_parser() {
        let text = |value: &str| format!("a: {value}\n? c\n: d\ne: {{f: 1, f: 2}}\n");
        assert_eq!(apply(&text("b"), Change::Replace(Value::name("x"))).unwrap(), text("x"));
    }

    #[test]
    fn limits_the_nodes_of_the_fallback_parser_and_expanded_aliases() {
        let mut arena = NodeArena::default();
        let text = format!("[{}]\n", "1,".repeat(MAX_FALLBACK_NODES));
        read(&text, &mut arena).unwrap();
        let unsupported = Unsupported { offset: 0, reason: "an explicit key" };
        let error = refuse_large_fallback(Document::new(&text, &arena), unsupported).unwrap_err();
        assert_eq!(error.message(), "too many nodes in a document with an explicit key: more than 250000");

        let items = "1,".repeat(2000);
        let bomb = format!("a: b\n? c\n: &x [{items}]\nd: [{}]\n", "*x,".repeat(1000));
        let error = apply(&bomb, Change::Replace(Value::name("x"))).unwrap_err();
        assert_eq!(error.message(), "too many nodes after aliases are expanded: more than 1000000");
        // The scanner does not expand aliases, so it has no limit.
        let bomb = bomb.replace("? c\n: ", "c: ");
        assert!(apply(&bomb, Change::Replace(Value::name("x"))).is_ok());
    }

    #[test]
    fn limits_the_indentation_that_new_lines_repeat() {
        let insert = || Change::Children { remove: Vec::new(), insert: vec![(1, Child::Item(Value::name("c")))] };
        let spaces = |count| " ".repeat(count);
        assert!(apply(&format!("a:\n{}- b\n", spaces(1000)), insert()).is_ok());
        let error = apply(&format!("a:\n{}- b\n", spaces(1001)), insert()).unwrap_err();
        assert_eq!(error.message(), "the edited lines have more than 1000 columns of indentation");
        let text = format!("a: [b,{}d]\n", spaces(1100));
        assert_eq!(apply(&text, insert()).unwrap(), format!("a: [b,{}c, d]\n", spaces(1100)));
    }
}
