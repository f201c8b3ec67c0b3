//! Which way of writing each change takes: a scalar in place, lines of a block collection, elements of a flow one.
//! What becomes of the end of a text without a line break.

use std::ops::Range;
use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};

use super::super::decoded_scalar::DecodedScalar;
use super::super::edit::{Change, Child, Edit, Value};
use super::super::node_kind::NodeKind;
use super::super::scalar::{self, Chomping};
use super::super::splice::Splices;
use super::super::tree::{Document, Node};
use super::places::{ChildChanges, Layout, LocalStyle, elements, whole};

/// Turns edits into splices; fails where no safe text can be written.
pub(in super::super) fn layout(document: Document<'_>, edits: &[Edit], splices: &mut Splices) -> Result<()> {
    splices.clear();
    let mut layout = Layout { text: document.text, document, splices };
    let mut trail = Vec::new();
    let places = edits.iter().map(|edit| layout.place_of(document.node(edit.node), &mut trail));
    let places = places.collect::<Result<Vec<_>>>()?;
    // Inner nodes first: where two edits insert at one place, what belongs further inside comes before.
    for (edit, place) in edits.iter().zip(places).rev() {
        let node = document.node(edit.node);
        match &edit.change {
            Change::Replace(value) => layout.replace(node, &place, value)?,
            Change::Text { splices, .. } => layout.text(node, splices)?,
            Change::Children { remove, insert } => layout.children(node, &place, remove, insert)?,
        }
    }
    let ends_open = !layout.text.is_empty() && !layout.text.ends_with('\n');
    if ends_open && layout.splices.inserts_lines_at(layout.text.len()) {
        layout.guard_last_block_scalar();
    }
    let newline = layout.newline(layout.text.len());
    let mut in_order = splices.sort();
    if ends_open && in_order {
        // A block scalar that is last then keeps its line break: it is part of its value.
        let ends_block_scalar = |offset: usize| {
            let before = document.last_node_before(offset);
            before.is_some_and(|node| matches!(node.kind(), NodeKind::Literal | NodeKind::Folded))
        };
        splices.fix_final_newline(document.text, newline, ends_block_scalar);
        in_order = splices.sort();
    }
    if in_order { Ok(()) } else { Err(Error::refused("two edits meet in one place").hint("make them in two calls")) }
}

impl<'a> Layout<'a, '_> {
    /// Changes the text inside of a scalar.
    fn text(&mut self, node: Node<'a>, splices: &[(Range<usize>, Rc<str>)]) -> Result<()> {
        self.refuse_properties(node)?;
        let inner = DecodedScalar::new(node);
        for (range, text) in splices {
            let at = inner.source_offset(range.start);
            let Some((range, text)) = inner.splice(range.clone(), text) else {
                return Err(Error::refused("a text in this style can't take the edit")
                    .at(at..at)
                    .hint("write it as a block: put `|` behind the key, and the text in the lines below"));
            };
            self.splices.push(range, |out| out.push_str(&text));
        }
        Ok(())
    }

    /// Replaces a scalar, a null or an empty collection.
    fn replace(&mut self, node: Node<'a>, place: &LocalStyle, value: &Value) -> Result<()> {
        self.refuse_properties(node)?;
        let collection = matches!(value, Value::Map(_) | Value::Seq(_));
        if place.in_flow {
            if node.kind() == NodeKind::Empty {
                return Err(Error::refused("an empty value inside brackets can't be edited").at(node.span()));
            }
            let style = self.flow_style(node);
            let span = node.span();
            let mut text = String::new();
            self.write_flow(&mut text, value, &style, 0);
            self.splices.push(span, |out| out.push_str(&text));
            return Ok(());
        }
        if !collection {
            let space = if node.kind() == NodeKind::Empty { " " } else { "" };
            let mut text = String::from(space);
            self.write_block(&mut text, value, 0, &self.block_style(node.span().end, place));
            self.splices.push(node.span(), |out| out.push_str(&text));
            return Ok(());
        }
        self.fill_with_block(node, place, value)
    }

    /// A block scalar that ends the text without a line break would gain one from lines behind it.
    fn guard_last_block_scalar(&mut self) {
        let Some(index) = self.document.arena.len().checked_sub(1) else { return };
        let last = self.document.node(index as u32);
        if !matches!(last.kind(), NodeKind::Literal | NodeKind::Folded) || last.span().end != self.text.len() {
            return;
        }
        let start = last.span().start;
        if self.splices.covers(start) || !last.raw().contains('\n') {
            // It goes itself, or has no line that could gain a break.
            return;
        }
        match scalar::chomping(last.raw()) {
            Chomping::Strip => {}
            Chomping::Clip => self.splices.push(start + 1..start + 1, |out| out.push('-')),
            Chomping::Keep => {
                let plus = last.raw().find('+').map_or(start, |at| start + at);
                self.splices.push(plus..plus + 1, |out| out.push('-'));
            }
        }
    }

    fn children(
        &mut self,
        node: Node<'a>,
        place: &LocalStyle,
        remove: &[usize],
        insert: &[(usize, Child)],
    ) -> Result<()> {
        let list = elements(node);
        let comment_inside = node.raw().contains('#');
        if list.is_empty() && !place.in_flow && !comment_inside {
            self.refuse_properties(node)?;
            return self.fill_with_block(node, place, &whole(node.kind(), insert));
        }
        let children = ChildChanges { node, list: &list, remove, insert };
        if node.is_flow() {
            self.flow_children(children)
        } else if remove.len() == list.len() && insert.is_empty() {
            self.remove_all(node, &list)
        } else if node.kind() == NodeKind::Seq {
            self.block_items(children, place)
        } else {
            self.block_entries(children, place)
        }
    }
}
