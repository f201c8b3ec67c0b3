//! Verification: an edited document must mean the original with exactly the edits asked for.
//!
//! Works on two tapes and the edits' meaning; knows nothing of splices, so it can't share their mistakes.
//! Subtrees without an edit are compared byte for byte and node for node in one run over memory.

use super::edit::{Change, Child, Edit, Value};
use super::node_kind::NodeKind;
use super::scalar::ScalarKind;
use super::tree::{Document, Entry, Node};

/// The edited document does not mean what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// Where in the edited text.
    pub offset: usize,
}

/// Compares a document, its edits (in the order of their nodes) and the edited document.
pub(super) fn verify(before: Document<'_>, edits: &[Edit], after: Document<'_>) -> Result<(), Mismatch> {
    let mut walk = Walk { before, after, edits, old: 0, new: 0 };
    walk.subtree()?;
    if !same_anchors(before, after) {
        return Err(Mismatch { offset: 0 });
    }
    let whole = walk.old as usize == before.arena.len() && walk.new as usize == after.arena.len();
    if whole && walk.edits.is_empty() { Ok(()) } else { Err(Mismatch { offset: after.text.len() }) }
}

/// Edits bring no anchor and take none away, as long as there are aliases: each must still mean the same.
fn same_anchors(before: Document<'_>, after: Document<'_>) -> bool {
    if after.arena.properties.is_empty() && before.arena.properties.is_empty() {
        return true;
    }
    let aliases = after.root().descendants().any(|node| node.kind() == NodeKind::Alias);
    let anchors = |document: Document<'_>| -> Vec<String> {
        document.root().descendants().filter_map(|node| node.anchor().map(str::to_owned)).collect()
    };
    !aliases || anchors(before) == anchors(after)
}

struct Walk<'a> {
    before: Document<'a>,
    after: Document<'a>,
    /// Edits of nodes from `old` on.
    edits: &'a [Edit],
    old: u32,
    new: u32,
}

/// A collection on the way to an edit, with its own edit if it has one.
struct Frame<'a> {
    old_end: u32,
    new_end: u32,
    change: Option<Inserts<'a>>,
    is_map: bool,
}

struct Inserts<'a> {
    remove: &'a [usize],
    insert: &'a [(usize, Child)],
    position: usize,
}

impl<'a> Walk<'a> {
    fn mismatch<T>(&self) -> Result<T, Mismatch> {
        let offset =
            self.after.arena.nodes.get(self.new as usize).map_or(self.after.text.len(), |node| node.start as usize);
        Err(Mismatch { offset })
    }

    fn check(&self, holds: bool) -> Result<(), Mismatch> {
        if holds { Ok(()) } else { self.mismatch() }
    }

    /// Compares the subtrees at `old` and `new`, and leaves both behind.
    fn subtree(&mut self) -> Result<(), Mismatch> {
        let mut frames: Vec<Frame<'_>> = Vec::new();
        loop {
            if let Some(frame) = frames.last_mut() {
                // At a child of this collection, or at its end.
                if let Some(inserts) = &mut frame.change {
                    while let Some(((at, child), rest)) = inserts.insert.split_first() {
                        if *at != inserts.position {
                            break;
                        }
                        if self.new >= frame.new_end || !self.take_new(child) {
                            return self.mismatch();
                        }
                        inserts.insert = rest;
                    }
                    if self.old < frame.old_end {
                        let removed = inserts.remove.first() == Some(&inserts.position);
                        inserts.position += 1;
                        if removed {
                            inserts.remove = &inserts.remove[1..];
                            self.skip_old(frame.is_map);
                            continue;
                        }
                    }
                }
                if self.old >= frame.old_end {
                    let complete =
                        frame.change.as_ref().is_none_or(|left| left.remove.is_empty() && left.insert.is_empty());
                    let new_end = frame.new_end;
                    self.check(complete && self.new == new_end)?;
                    frames.pop();
                    if frames.is_empty() {
                        return Ok(());
                    }
                    continue;
                }
                let (is_map, new_end) = (frame.is_map, frame.new_end);
                self.check(self.new < new_end)?;
                if is_map {
                    self.check(self.edits.first().is_none_or(|edit| edit.node != self.old))?;
                    self.unchanged()?;
                    self.check(self.new < new_end)?;
                }
            }
            // One node, and for a collection with an edit inside, the way into it.
            let old = self.before.node(self.old);
            let end = old.entry().next;
            match self.edits.first() {
                Some(edit) if edit.node == self.old => {
                    self.edits = &self.edits[1..];
                    match &edit.change {
                        Change::Replace(value) => {
                            self.check(end == self.old + 1 && self.is_value(value))?;
                            self.old = end;
                            self.new = self.after.node(self.new).entry().next;
                        }
                        Change::Text { text, .. } => {
                            let new = self.node_after()?;
                            let same = new.kind() == old.kind() && old.has_same_properties(new);
                            self.check(old.is_scalar() && same && new.has_text(text))?;
                            self.old = end;
                            self.new = new.entry().next;
                        }
                        Change::Children { remove, insert } => {
                            let inserts = Inserts { remove, insert, position: 0 };
                            frames.push(self.enter(Some(inserts))?);
                            continue;
                        }
                    }
                }
                Some(edit) if edit.node < end => {
                    frames.push(self.enter(None)?);
                    continue;
                }
                _ => self.unchanged()?,
            }
            if frames.is_empty() {
                return Ok(());
            }
        }
    }

    /// Steps into a collection that has an edit in it.
    fn enter<'e>(&mut self, change: Option<Inserts<'e>>) -> Result<Frame<'e>, Mismatch> {
        let (old, new) = (self.before.node(self.old), self.node_after()?);
        let is_map = old.kind() == NodeKind::Map;
        self.check(
            old.kind() == new.kind() && (is_map || old.kind() == NodeKind::Seq) && old.has_same_properties(new),
        )?;
        let frame = Frame { old_end: old.entry().next, new_end: new.entry().next, change, is_map };
        self.old += 1;
        self.new += 1;
        Ok(frame)
    }

    fn node_after(&self) -> Result<Node<'a>, Mismatch> {
        if (self.new as usize) < self.after.arena.len() { Ok(self.after.node(self.new)) } else { self.mismatch() }
    }

    fn skip_old(&mut self, pair: bool) {
        // An edit inside of what is removed stays in the list, and so is found at the end.
        self.old = self.before.node(self.old).entry().next;
        if pair {
            self.old = self.before.node(self.old).entry().next;
        }
    }

    /// Takes one new child from the edited document.
    fn take_new(&mut self, child: &Child) -> bool {
        let value = match child {
            Child::Item(value) => value,
            Child::Entry(key, value) => {
                let Ok(node) = self.node_after() else { return false };
                if !node.has_text(key) || node.scalar_kind() != ScalarKind::String || has_properties(node) {
                    return false;
                }
                self.new += 1;
                value
            }
        };
        if !self.is_value(value) {
            return false;
        }
        self.new = self.after.node(self.new).entry().next;
        true
    }

    fn is_value(&self, value: &Value) -> bool {
        self.node_after().is_ok_and(|node| means(node, value))
    }

    /// Compares two subtrees that must be the same.
    fn unchanged(&mut self) -> Result<(), Mismatch> {
        let (old, new) = (self.before.node(self.old), self.node_after()?);
        let old_nodes = &self.before.arena.nodes[self.old as usize..old.entry().next as usize];
        let new_nodes = &self.after.arena.nodes[self.new as usize..new.entry().next as usize];
        self.check(old_nodes.len() == new_nodes.len())?;
        let moved = self.before.arena.properties.is_empty()
            && self.after.arena.properties.is_empty()
            && old.raw().as_bytes() == new.raw().as_bytes()
            // A block scalar's last line break stands behind its span: there may be one on one side only.
            && at_end(self.before, old) == at_end(self.after, new)
            && only_moved(old_nodes, new_nodes);
        if !moved {
            for (old, new) in old.descendants().zip(new.descendants()) {
                self.check(old.equals_alone(new))?;
            }
        }
        self.old = old.entry().next;
        self.new = new.entry().next;
        Ok(())
    }
}

fn at_end(document: Document<'_>, node: Node<'_>) -> bool {
    node.span().end == document.text.len()
}

/// Whether two runs of nodes differ by nothing but one and the same distance.
fn only_moved(old: &[Entry], new: &[Entry]) -> bool {
    let (Some(first_old), Some(first_new)) = (old.first(), new.first()) else { return true };
    let bytes = first_new.start.wrapping_sub(first_old.start);
    let nodes = first_new.next.wrapping_sub(first_old.next);
    old.iter().zip(new).all(|(old, new)| {
        new.start.wrapping_sub(old.start) == bytes
            && new.end.wrapping_sub(old.end) == bytes
            && new.next.wrapping_sub(old.next) == nodes
            && new.kind == old.kind
            && new.flags == old.flags
            // A block scalar's meaning hangs on its column; a collection's column is only layout.
            && new.column == old.column
    })
}

fn has_properties(node: Node<'_>) -> bool {
    node.anchor().is_some() || node.tag().is_some()
}

/// Whether a node means a new value, read by any reader.
fn means(node: Node<'_>, value: &Value) -> bool {
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
            let mut own = node.entries();
            node.kind() == NodeKind::Map
                && entries.iter().all(|(key, value)| {
                    own.next().is_some_and(|(own_key, own_value)| own_key.has_text(key) && means(own_value, value))
                })
                && own.next().is_none()
        }
        Value::Seq(items) => {
            let mut own = node.items();
            node.kind() == NodeKind::Seq
                && items.iter().all(|value| own.next().is_some_and(|own| means(own, value)))
                && own.next().is_none()
        }
    }
}
