//! Writes each change in the style of its node, and handles documents without a final line break.

use std::ops::Range;
use std::sync::Arc;

use jobplate_diagnostic::{Error, Result};

use super::super::decoded_scalar::DecodedScalar;
use super::super::edit::{Change, Child, Edit, Value, new_text_error};
use super::super::node_kind::NodeKind;
use super::super::scalar::{self, Chomping};
use super::super::splice::Splices;
use super::super::tree::{Document, Node};
use super::block::write_block;
use super::flow::write_flow;
use super::local_style::{ChildChanges, Layout, LocalStyle, collection_of, elements};

/// Writes edits as splices.
///
/// # Errors
///
/// Fails if an edit cannot be written safely.
pub(in super::super) fn layout(document: Document<'_>, edits: &[Edit], splices: &mut Splices) -> Result<()> {
    splices.clear();
    let mut layout = Layout::new(document, splices);
    let mut previous_path = Vec::new();
    let styles = edits.iter().map(|edit| layout.style_at(document.node(edit.node), &mut previous_path));
    let styles = styles.collect::<Result<Vec<_>>>()?;
    // Inner nodes come first: if two edits insert lines at the same offset, the inner node's lines must precede the
    // outer node's.
    for (edit, style) in edits.iter().zip(styles).rev() {
        let node = document.node(edit.node);
        match &edit.change {
            Change::Replace(value) => layout.replace(node, &style, value)?,
            Change::Text { splices, .. } => layout.change_text(node, splices)?,
            Change::Children { remove, insert } => layout.change_children(node, &style, remove, insert)?,
        }
        if layout.splices.is_full() {
            return Err(new_text_error().at(node.span()));
        }
    }
    let lacks_final_newline = !layout.text.is_empty() && !layout.text.ends_with('\n');
    if lacks_final_newline && layout.splices.inserts_lines_at(layout.text.len()) {
        layout.strip_last_block_scalar();
    }
    let newline = layout.newline(layout.text.len());
    let mut is_sorted = splices.sort();
    if lacks_final_newline && is_sorted {
        // The line break after a block scalar is part of its content, so it must not be removed.
        let ends_block_scalar = |offset: usize| {
            let before = document.last_node_before(offset);
            before.is_some_and(|node| matches!(node.kind(), NodeKind::Literal | NodeKind::Folded))
        };
        splices.fix_final_newline(document.text, newline, ends_block_scalar);
        is_sorted = splices.sort();
        if splices.is_full() {
            return Err(new_text_error().at(0..0));
        }
    }
    if is_sorted {
        Ok(())
    } else {
        Err(Error::refused("two edits at the same position").hint("run them in two commands"))
    }
}

impl<'a> Layout<'a, '_> {
    /// Changes the content of a quoted or block scalar.
    fn change_text(&mut self, node: Node<'a>, splices: &[(Range<usize>, Arc<str>)]) -> Result<()> {
        self.refuse_properties(node)?;
        let decoded = DecodedScalar::new(node);
        for (range, text) in splices {
            let at = decoded.source_offset(range.start);
            let Some((range, new_text)) = decoded.splice(range.clone(), text) else {
                return Err(Error::refused("cannot edit the string that contains this line: its quotes cannot represent the change")
                    .at(at..at)
                    .hint("rewrite the whole string as a block scalar: put `|` after its key, and the content on the lines below"));
            };
            self.splices.push(range, |out| out.append(&new_text));
            if self.splices.is_full() {
                return Err(new_text_error().at(node.span()));
            }
        }
        Ok(())
    }

    /// Replaces a scalar, a null or an empty collection.
    fn replace(&mut self, node: Node<'a>, local_style: &LocalStyle, value: &Value) -> Result<()> {
        self.refuse_properties(node)?;
        let is_collection = matches!(value, Value::Map(_) | Value::Seq(_));
        if local_style.in_flow {
            if node.kind() == NodeKind::Empty {
                return Err(Error::refused("cannot edit an empty value inside brackets").at(node.span()));
            }
            let style = self.flow_style(node, local_style);
            self.splices.push(node.span(), |out| write_flow(out, value, &style, 0));
            return Ok(());
        }
        if !is_collection {
            let style = self.block_style(node.span().end, local_style);
            self.splices.push(node.span(), |out| {
                out.push_str(if node.kind() == NodeKind::Empty { " " } else { "" });
                write_block(out, value, 0, &style);
            });
            return Ok(());
        }
        self.fill_with_block(node, local_style, value)
    }

    /// Adds the chomping indicator `-` to a block scalar that ends the text without a line break. Otherwise, lines
    /// inserted after it would add a line break to its content.
    fn strip_last_block_scalar(&mut self) {
        let Some(index) = self.document.arena.len().checked_sub(1) else { return };
        let last = self.document.node(index as u32);
        if !matches!(last.kind(), NodeKind::Literal | NodeKind::Folded) || last.span().end != self.text.len() {
            return;
        }
        let start = last.span().start;
        if self.splices.covers(start) || !last.raw().contains('\n') {
            // The scalar is removed or has no content lines, so it needs no indicator.
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

    /// Removes and inserts children of a collection.
    fn change_children(
        &mut self,
        node: Node<'a>,
        local_style: &LocalStyle,
        remove: &[usize],
        insert: &[(usize, Child)],
    ) -> Result<()> {
        let list = elements(node);
        let has_comment = node.raw().contains('#');
        if list.is_empty() && !local_style.in_flow && !has_comment {
            self.refuse_properties(node)?;
            return self.fill_with_block(node, local_style, &collection_of(node.kind(), insert));
        }
        let children = ChildChanges { node, list: &list, remove, insert };
        if node.is_flow() {
            self.change_flow_children(children, local_style)
        } else if remove.len() == list.len() && insert.is_empty() {
            self.empty_block_collection(node, &list)
        } else if node.kind() == NodeKind::Seq {
            self.change_block_items(children, local_style)
        } else {
            self.change_block_entries(children, local_style)
        }
    }
}
