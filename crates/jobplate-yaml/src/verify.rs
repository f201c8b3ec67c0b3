//! Verifies that an edited document means the original with exactly the requested edits.
//!
//! The comparison uses the nodes of both documents and not the splices, so it cannot share a mistake with `layout`.
//! Subtrees without an edit are first compared by bytes and positions, so most scalars need no decoding.

use super::edit::{Change, Child, Edit, Value};
use super::node_kind::NodeKind;
use super::scalar::ScalarKind;
use super::tree::{Document, Node, NodeData};

/// The error for an edited document that does not mean what was requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// The offset of the first difference in the edited text, or 0 if the anchors differ.
    pub offset: usize,
}

/// Compares an edited document with the original and its edits, which must be sorted by node.
pub(super) fn verify(before: Document<'_>, edits: &[Edit], after: Document<'_>) -> Result<(), Mismatch> {
    let mut verifier = Verifier { before, after, edits, old: 0, new: 0 };
    verifier.compare_subtree()?;
    if !has_same_anchors(before, after) {
        return Err(Mismatch { offset: 0 });
    }
    let is_complete = verifier.old as usize == before.arena.len() && verifier.new as usize == after.arena.len();
    if is_complete && verifier.edits.is_empty() { Ok(()) } else { Err(Mismatch { offset: after.text.len() }) }
}

/// Returns whether both documents have the same anchors, so every alias keeps its target. Also returns `true` if the
/// edited document has no aliases.
fn has_same_anchors(before: Document<'_>, after: Document<'_>) -> bool {
    if after.arena.properties.is_empty() && before.arena.properties.is_empty() {
        return true;
    }
    let has_aliases = after.root().descendants().any(|node| node.kind() == NodeKind::Alias);
    let anchors_of = |document: Document<'_>| -> Vec<String> {
        document.root().descendants().filter_map(|node| node.anchor().map(str::to_owned)).collect()
    };
    !has_aliases || anchors_of(before) == anchors_of(after)
}

/// The state of a comparison: the next node of each document, and the remaining edits.
struct Verifier<'a> {
    before: Document<'a>,
    after: Document<'a>,
    /// The edits of the node at `old` and of later nodes.
    edits: &'a [Edit],
    /// The index of the next node of `before`.
    old: u32,
    /// The index of the next node of `after`.
    new: u32,
}

/// A collection that is edited or contains an edited node, and whose comparison is not finished.
struct EditedCollection<'a> {
    old_end: u32,
    new_end: u32,
    edits: Option<ChildEdits<'a>>,
    is_map: bool,
}

/// The remaining removed and inserted children of a collection.
struct ChildEdits<'a> {
    remove: &'a [usize],
    insert: &'a [(usize, Child)],
    /// The index, in the collection, of the child at `old`.
    position: usize,
}

/// The next step in the comparison of a collection.
enum NextChild {
    /// A child that both documents have. It may contain edits.
    Common,
    /// A removed child, which was already skipped.
    Removed,
    /// The end of the collection.
    End,
}

impl<'a> Verifier<'a> {
    /// Returns the error for the next node of the edited document.
    fn mismatch<T>(&self) -> Result<T, Mismatch> {
        let offset =
            self.after.arena.nodes.get(self.new as usize).map_or(self.after.text.len(), |node| node.start as usize);
        Err(Mismatch { offset })
    }

    /// Fails if `condition` is false. The error points to the next node of the edited document.
    fn check(&self, condition: bool) -> Result<(), Mismatch> {
        if condition { Ok(()) } else { self.mismatch() }
    }

    /// Compares the subtrees at `old` and `new`, and moves past both.
    fn compare_subtree(&mut self) -> Result<(), Mismatch> {
        let mut open: Vec<EditedCollection<'_>> = Vec::new();
        loop {
            if let Some(collection) = open.last_mut() {
                match self.next_child(collection)? {
                    NextChild::Common => {}
                    NextChild::Removed => continue,
                    NextChild::End => {
                        open.pop();
                        if open.is_empty() {
                            return Ok(());
                        }
                        continue;
                    }
                }
            }
            match self.compare_node()? {
                Some(collection) => open.push(collection),
                None if open.is_empty() => return Ok(()),
                None => {}
            }
        }
    }

    /// Moves to the next child of a collection that both documents have. Skips inserted children, one removed child per
    /// call, and the key of a common mapping entry.
    fn next_child(&mut self, collection: &mut EditedCollection<'_>) -> Result<NextChild, Mismatch> {
        if let Some(edits) = &mut collection.edits {
            while let Some(((position, child), rest)) = edits.insert.split_first() {
                if *position != edits.position {
                    break;
                }
                if self.new >= collection.new_end || !self.consume_inserted(child) {
                    return self.mismatch();
                }
                edits.insert = rest;
            }
            if self.old < collection.old_end {
                let is_removed = edits.remove.first() == Some(&edits.position);
                edits.position += 1;
                if is_removed {
                    edits.remove = &edits.remove[1..];
                    self.skip_removed(collection.is_map);
                    return Ok(NextChild::Removed);
                }
            }
        }
        if self.old >= collection.old_end {
            let is_complete =
                collection.edits.as_ref().is_none_or(|edits| edits.remove.is_empty() && edits.insert.is_empty());
            self.check(is_complete && self.new == collection.new_end)?;
            return Ok(NextChild::End);
        }
        self.check(self.new < collection.new_end)?;
        if collection.is_map {
            // A key can only be replaced.
            let edited_collection = self.compare_node()?;
            self.check(edited_collection.is_none())?;
            self.check(self.new < collection.new_end)?;
        }
        Ok(NextChild::Common)
    }

    /// Compares one node. If the node is a collection that is edited or contains an edited node, returns it and leaves
    /// its children to the caller.
    fn compare_node(&mut self) -> Result<Option<EditedCollection<'a>>, Mismatch> {
        let old = self.before.node(self.old);
        let end = old.subtree_end();
        match self.edits.first() {
            Some(edit) if edit.node == self.old => {
                self.edits = &self.edits[1..];
                match &edit.change {
                    Change::Replace(value) => {
                        self.check(end == self.old + 1 && self.next_has_value(value))?;
                        self.old = end;
                        self.new = self.after.node(self.new).subtree_end();
                        Ok(None)
                    }
                    Change::Text { text, .. } => {
                        let new = self.next_new()?;
                        let is_same_style = new.kind() == old.kind() && old.has_same_properties(new);
                        self.check(old.is_scalar() && is_same_style && new.has_text(text))?;
                        self.old = end;
                        self.new = new.subtree_end();
                        Ok(None)
                    }
                    Change::Children { remove, insert } => {
                        let edits = ChildEdits { remove, insert, position: 0 };
                        self.enter_collection(Some(edits)).map(Some)
                    }
                }
            }
            Some(edit) if edit.node < end => self.enter_collection(None).map(Some),
            _ => self.compare_unedited().map(|()| None),
        }
    }

    /// Compares two collections without their children, and moves to the first child of each.
    fn enter_collection<'e>(&mut self, edits: Option<ChildEdits<'e>>) -> Result<EditedCollection<'e>, Mismatch> {
        let (old, new) = (self.before.node(self.old), self.next_new()?);
        let is_map = old.kind() == NodeKind::Map;
        self.check(
            old.kind() == new.kind() && (is_map || old.kind() == NodeKind::Seq) && old.has_same_properties(new),
        )?;
        self.old += 1;
        self.new += 1;
        Ok(EditedCollection { old_end: old.subtree_end(), new_end: new.subtree_end(), edits, is_map })
    }

    /// Returns the next node of the edited document.
    fn next_new(&self) -> Result<Node<'a>, Mismatch> {
        if (self.new as usize) < self.after.arena.len() { Ok(self.after.node(self.new)) } else { self.mismatch() }
    }

    /// Moves `old` past a removed child: an item, or a key and its value.
    fn skip_removed(&mut self, is_pair: bool) {
        // An edit inside the removed child remains in `edits`, so the verification fails at the end.
        self.old = self.before.node(self.old).subtree_end();
        if is_pair {
            self.old = self.before.node(self.old).subtree_end();
        }
    }

    /// Moves `new` past an inserted child. Returns `false` if the edited document has a different node there.
    fn consume_inserted(&mut self, child: &Child) -> bool {
        let value = match child {
            Child::Item(value) => value,
            Child::Entry(key, value) => {
                let Ok(node) = self.next_new() else { return false };
                if !node.has_text(key) || node.scalar_kind() != ScalarKind::String || has_properties(node) {
                    return false;
                }
                self.new += 1;
                value
            }
        };
        if !self.next_has_value(value) {
            return false;
        }
        self.new = self.after.node(self.new).subtree_end();
        true
    }

    /// Returns whether the next node of the edited document has this value.
    fn next_has_value(&self, value: &Value) -> bool {
        self.next_new().is_ok_and(|node| has_value(node, value))
    }

    /// Compares two subtrees that must be equal, and moves past both.
    fn compare_unedited(&mut self) -> Result<(), Mismatch> {
        let (old, new) = (self.before.node(self.old), self.next_new()?);
        let old_nodes = &self.before.arena.nodes[self.old as usize..old.subtree_end() as usize];
        let new_nodes = &self.after.arena.nodes[self.new as usize..new.subtree_end() as usize];
        self.check(old_nodes.len() == new_nodes.len())?;
        let is_only_moved = self.before.arena.properties.is_empty()
            && self.after.arena.properties.is_empty()
            && old.raw().as_bytes() == new.raw().as_bytes()
            // A block scalar's last line break is after its span. If only one document ends without it, the contents
            // differ.
            && is_at_end(self.before, old) == is_at_end(self.after, new)
            && differ_only_in_position(old_nodes, new_nodes);
        if !is_only_moved {
            for (old, new) in old.descendants().zip(new.descendants()) {
                self.check(old.equals_shallow(new))?;
            }
        }
        self.old = old.subtree_end();
        self.new = new.subtree_end();
        Ok(())
    }
}

/// Returns whether a node ends at the end of the text.
fn is_at_end(document: Document<'_>, node: Node<'_>) -> bool {
    node.span().end == document.text.len()
}

/// Returns whether two subtrees differ only in position: all byte offsets by one distance, and all indices by another.
fn differ_only_in_position(old: &[NodeData], new: &[NodeData]) -> bool {
    let (Some(first_old), Some(first_new)) = (old.first(), new.first()) else { return true };
    let bytes = first_new.start.wrapping_sub(first_old.start);
    let nodes = first_new.next.wrapping_sub(first_old.next);
    old.iter().zip(new).all(|(old, new)| {
        new.start.wrapping_sub(old.start) == bytes
            && new.end.wrapping_sub(old.end) == bytes
            && new.next.wrapping_sub(old.next) == nodes
            && new.kind == old.kind
            && new.flags == old.flags
            // The column determines the content of a block scalar, so it must not differ.
            && new.column == old.column
    })
}

/// Returns whether a node has an anchor or a tag.
fn has_properties(node: Node<'_>) -> bool {
    node.anchor().is_some() || node.tag().is_some()
}

/// Returns whether every YAML reader reads a node as this value.
fn has_value(node: Node<'_>, value: &Value) -> bool {
    if has_properties(node) {
        return false;
    }
    match value {
        Value::Name(text) | Value::String(text) => {
            node.has_text(text) && node.is_scalar() && node.scalar_kind() == ScalarKind::String
        }
        Value::Null => node.is_null(),
        Value::Bool(value) => node.kind() == NodeKind::Plain && node.has_text(if *value { "true" } else { "false" }),
        Value::Map(entries) => {
            let mut actual = node.entries();
            node.kind() == NodeKind::Map
                && entries.iter().all(|(key, value)| {
                    actual.next().is_some_and(|(actual_key, actual_value)| {
                        actual_key.has_text(key) && has_value(actual_value, value)
                    })
                })
                && actual.next().is_none()
        }
        Value::Seq(items) => {
            let mut actual = node.items();
            node.kind() == NodeKind::Seq
                && items.iter().all(|value| actual.next().is_some_and(|actual| has_value(actual, value)))
                && actual.next().is_none()
        }
    }
}
