//! Writes changes in block collections as whole lines, with the dashes and the indentation of the document.

use std::ops::Range;

use jobplate_diagnostic::{Error, Result};

use super::super::edit::{Child, Value};
use super::super::node_kind::NodeKind;
use super::super::scalar::{self, Chomping, quote_double, quote_name};
use super::super::splice::NewText;
use super::super::tree::Node;
use super::local_style::{ChildChanges, Element, Layout, LocalStyle, is_in};

/// The style of new lines in a block collection.
#[derive(Clone, Copy)]
pub(super) struct BlockStyle {
    newline: &'static str,
    /// The number of spaces after a dash.
    gap: usize,
    /// The number of columns by which a nested mapping is indented.
    step: usize,
    /// The number of columns from a key to the dashes of its sequence.
    dash_offset: usize,
}

/// The place of new items of a block sequence.
#[derive(Clone, Copy)]
struct ItemPlace {
    /// The index of the item before which new items are inserted, or the number of items.
    position: usize,
    style: BlockStyle,
    /// The offset at which lines are inserted, or `None` if they follow the last item.
    line: Option<usize>,
}

/// Returns whether a value is an empty collection.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Map(entries) => entries.is_empty(),
        Value::Seq(items) => items.is_empty(),
        _ => false,
    }
}

/// Returns the column of a value that is written below its key, or `None` if it is written on the line of the key.
/// `column` is the column of the key.
fn nested_column(value: &Value, column: usize, style: &BlockStyle) -> Option<usize> {
    match value {
        _ if is_empty(value) => None,
        Value::Map(_) => Some(column + style.step),
        Value::Seq(_) => Some(column + style.dash_offset),
        _ => None,
    }
}

/// Appends a value in block style. The first line is already indented to `column`.
pub(super) fn write_block(out: &mut NewText, value: &Value, column: usize, style: &BlockStyle) {
    match value {
        Value::Map(entries) => {
            for (position, (key, value)) in entries.iter().enumerate() {
                if position > 0 {
                    out.push_str(style.newline);
                    out.push_spaces(column);
                }
                write_entry(out, key, value, column, style);
            }
        }
        Value::Seq(items) => {
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push_str(style.newline);
                    out.push_spaces(column);
                }
                out.push('-');
                out.push_spaces(style.gap);
                write_block(out, item, column + 1 + style.gap, style);
            }
        }
        Value::Name(text) => out.push_str(&quote_name(text)),
        Value::String(text) => out.push_str(&quote_double(text)),
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
    }
}

/// Appends `key: value` with all lines of the value. The key is at `column`.
fn write_entry(out: &mut NewText, key: &str, value: &Value, column: usize, style: &BlockStyle) {
    out.push_str(&quote_name(key));
    out.push(':');
    match nested_column(value, column, style) {
        Some(nested) => {
            out.push_str(style.newline);
            out.push_spaces(nested);
            write_block(out, value, nested, style);
        }
        None => {
            out.push(' ');
            if is_empty(value) {
                out.push_str(if matches!(value, Value::Seq(_)) { "[]" } else { "{}" });
            } else {
                write_block(out, value, column, style);
            }
        }
    }
}

impl<'a> Layout<'a, '_> {
    /// Returns the style of new lines next to the offset `near`.
    pub(super) fn block_style(&self, near: usize, local_style: &LocalStyle) -> BlockStyle {
        BlockStyle { newline: self.newline(near), gap: 1, step: local_style.step, dash_offset: local_style.dash_offset }
    }

    /// Returns the offset of an item's dash, which is on the line of the item or on a line above it. Fails if the dash
    /// follows another dash on the same line.
    fn dash_of(&self, seq: Node<'a>, item: Node<'a>) -> Result<usize> {
        let mut at = item.span().start;
        loop {
            let start = self.line_start(at);
            let dash = start + seq.column() + if start == 0 && self.text.starts_with('\u{feff}') { 3 } else { 0 };
            let line = &self.text.as_bytes()[start..at];
            let is_dash = self.text.as_bytes().get(dash) == Some(&b'-')
                && dash < item.span().start.max(start + 1)
                && self.text[start..dash].trim_start_matches('\u{feff}').bytes().all(|byte| byte == b' ');
            if is_dash {
                return Ok(dash);
            }
            // Only blank lines and comments can be between the dash and the line of the item.
            let content = line.trim_ascii_start();
            if start == 0 || !(content.is_empty() || content[0] == b'#' || at == item.span().start) {
                return Err(Error::refused("cannot edit an item whose `-` does not begin its line").at(item.span()));
            }
            at = start - 1;
        }
    }

    /// Returns the start of the line that contains `at`, or the start of the block of comment lines that is directly
    /// above that line and in the same column as `at`. The result is at least `min`.
    fn start_with_comments(&self, at: usize, min: usize) -> usize {
        let column = self.column_of(at);
        let mut start = self.line_start(at);
        while start > min {
            let above = self.line_start(start - 1);
            let line = &self.text[above..start];
            let trimmed = line.trim_start_matches(' ');
            if above < min || !trimmed.starts_with('#') || line.len() - trimmed.len() != column {
                break;
            }
            start = above;
        }
        start
    }

    /// Removes and inserts items of a block sequence.
    pub(super) fn change_block_items(
        &mut self,
        children: ChildChanges<'_, 'a>,
        local_style: &LocalStyle,
    ) -> Result<()> {
        let ChildChanges { node, list, remove, insert } = children;
        let column = node.column();
        for &position in remove {
            let dash = self.dash_of(node, list[position].first)?;
            self.remove_lines(dash, list[position].end())?;
        }
        let mut place: Option<ItemPlace> = None;
        for (position, child) in insert {
            let Child::Item(value) = child else { continue };
            let current = match place.filter(|place| place.position == *position) {
                Some(place) => place,
                None => self.item_place(children, *position, local_style)?,
            };
            place = Some(current);
            let ItemPlace { style, line, .. } = current;
            let write_item = |out: &mut NewText| {
                out.push('-');
                out.push_spaces(style.gap);
                write_block(out, value, column + 1 + style.gap, &style);
            };
            match line {
                None => self.insert_lines(list[position - 1].end(), column, write_item),
                Some(at) => self.splices.push_lines(at..at, |out| {
                    out.push_spaces(column);
                    write_item(out);
                    out.push_str(style.newline);
                }),
            }
        }
        Ok(())
    }

    /// Returns the place of new items at the index `position` of a block sequence.
    fn item_place(
        &self,
        children: ChildChanges<'_, 'a>,
        position: usize,
        local_style: &LocalStyle,
    ) -> Result<ItemPlace> {
        let ChildChanges { node, list, remove, .. } = children;
        // A new item has as many spaces after its dash as the neighboring item.
        let neighbour = position.min(list.len() - 1);
        let dash = self.dash_of(node, list[neighbour].first)?;
        let after_dash = &self.text[dash + 1..list[neighbour].start().max(dash + 1)];
        let is_on_line = !after_dash.is_empty() && after_dash.len() <= 8 && after_dash.bytes().all(|byte| byte == b' ');
        let gap = if is_on_line { after_dash.len() } else { 1 };
        let style = BlockStyle { gap, ..self.block_style(list[neighbour].start(), local_style) };
        if position == list.len() {
            return Ok(ItemPlace { position, style, line: None });
        }
        let min = match position.checked_sub(1) {
            None => self.first_comment_above(self.line_start(node.span().start)),
            Some(before) => self.next_line(list[before].end()),
        };
        // The comments above a removed item are kept above the item that replaces it.
        let line = if is_in(remove, position) { self.line_start(dash) } else { self.start_with_comments(dash, min) };
        Ok(ItemPlace { position, style, line: Some(line) })
    }

    /// Returns the start of the first comment line directly above the line at `start`, in any column. If there are no
    /// comments, returns `start`.
    fn first_comment_above(&self, start: usize) -> usize {
        let mut first = start;
        while first > 0 {
            let above = self.line_start(first - 1);
            if !self.text[above..first].trim_start_matches(' ').starts_with('#') {
                break;
            }
            first = above;
        }
        first
    }

    /// Removes the lines from the line that contains `first` to the line that contains `last`. Fails if lines after
    /// them would become content of a block scalar before them.
    fn remove_lines(&mut self, first: usize, last: usize) -> Result<()> {
        let (start, end) = (self.line_start(first), self.next_line(last));
        // If a block scalar precedes the removed lines, deeper comments after them would become its content. So would
        // empty lines after a `|+` scalar.
        let before = self.document.last_node_before(start);
        let scalar_before = before.filter(|node| matches!(node.kind(), NodeKind::Literal | NodeKind::Folded));
        if let Some(scalar) = scalar_before {
            let content = self.text[end..].trim_start_matches(' ');
            let column = self.text[end..].len() - content.len();
            let is_blank = content.starts_with(['\n', '\r']) && scalar::chomping(scalar.raw()) == Chomping::Keep;
            if is_blank || content.starts_with('#') && column >= scalar.column() {
                return Err(Error::refused("the following lines would become part of the block scalar before them")
                    .at(first..last)
                    .hint("remove the blank line or comment after it"));
            }
        }
        self.splices.push_lines(start..end, |_| {});
        Ok(())
    }

    /// Removes all children of a collection and leaves `env: []` or `env: {}`.
    pub(super) fn empty_block_collection(&mut self, node: Node<'a>, list: &[Element<'a>]) -> Result<()> {
        self.refuse_properties(node)?;
        // The node before a collection in a mapping is its key.
        let key = node.index().checked_sub(1).map(|index| self.document.node(index));
        let colon = key.and_then(|key| {
            let key_end = key.span().end;
            self.text.get(key_end..node.span().start)?.find(':').map(|at| key_end + at + 1)
        });
        let Some(colon) = colon else {
            return Err(Error::refused("cannot remove all children of a collection without a key").at(node.span()));
        };
        let is_map = node.kind() == NodeKind::Map;
        self.splices.push(colon..colon, |out| out.push_str(if is_map { " {}" } else { " []" }));
        for child in list {
            let start = if is_map { child.start() } else { self.dash_of(node, child.first)? };
            self.remove_lines(start, child.end())?;
        }
        Ok(())
    }

    /// Removes, replaces and inserts entries of a block mapping.
    pub(super) fn change_block_entries(
        &mut self,
        children: ChildChanges<'_, 'a>,
        local_style: &LocalStyle,
    ) -> Result<()> {
        let ChildChanges { node, list, remove, insert } = children;
        let column = node.column();
        // A sequence in this mapping is the best model for the column of dashes.
        let sequences =
            list.iter().map(|entry| entry.last).filter(|value| value.kind() == NodeKind::Seq && !value.is_flow());
        let existing_offset = sequences.map(|value| value.column().saturating_sub(column)).next();
        let dash_offset = existing_offset.unwrap_or(local_style.dash_offset);
        let nested =
            LocalStyle { parent: Some(node.index()), in_flow: false, column, step: local_style.step, dash_offset };
        let mut replaced = Vec::new();
        for (position, child) in insert {
            let Child::Entry(key, value) = child else { continue };
            if is_in(remove, *position) && replaced.last() != Some(position) {
                replaced.push(*position);
                self.replace_entry(&list[*position], key, value, column, &nested);
                continue;
            }
            let Some(before) = position.checked_sub(1) else {
                return Err(Error::refused("cannot insert before the first key of this mapping").at(node.span()));
            };
            let near = list[before].end();
            let style = self.block_style(near, &nested);
            self.insert_lines(near, column, |out| write_entry(out, key, value, column, &style));
        }
        for &position in remove.iter().filter(|position| !is_in(&replaced, **position)) {
            let entry = &list[position];
            let line = self.line_start(entry.start());
            let begins_line = self.text[line..entry.start()].bytes().all(|byte| byte == b' ');
            if begins_line {
                self.remove_lines(entry.start(), entry.end())?;
            } else if let Some(next) = list.get(position + 1) {
                self.splices.push(entry.start()..next.start(), |_| {});
            } else {
                return Err(Error::refused("cannot remove the only key of a mapping").at(entry.first.span()));
            }
        }
        Ok(())
    }

    /// Replaces the key and value of an entry and keeps its comments.
    fn replace_entry(&mut self, old: &Element<'a>, key: &str, value: &Value, column: usize, local_style: &LocalStyle) {
        let style = self.block_style(old.end(), local_style);
        let is_one_line = !self.text[old.start()..old.end()].contains('\n');
        if let (true, Some(nested)) = (is_one_line, nested_column(value, column, &style)) {
            // A comment on the line is kept after the key.
            self.splices.push(old.start()..old.end(), |out| {
                out.push_str(&quote_name(key));
                out.push(':');
            });
            self.insert_lines(old.end(), nested, |out| write_block(out, value, nested, &style));
            return;
        }
        let comments = self.comment_lines(old);
        self.splices.push(old.start()..old.end(), |out| {
            for comment in comments {
                out.push_str(self.text[comment].trim_start());
                out.push_spaces(column);
            }
            write_entry(out, key, value, column, &style);
        });
    }

    /// Returns the ranges of the comment lines inside an entry.
    fn comment_lines(&self, entry: &Element<'a>) -> Vec<Range<usize>> {
        let mut comments = Vec::new();
        let mut line = self.next_line(entry.start());
        while line < entry.end() {
            let next = self.next_line(line);
            let content = self.text[line..next].trim_start_matches(' ');
            let start = next - content.len();
            let before = self.document.last_node_before(start);
            let in_scalar = before.is_some_and(|node| node.is_scalar() && start < node.span().end);
            if content.starts_with('#') && !in_scalar {
                comments.push(line..next);
            }
            line = next;
        }
        comments
    }

    /// Replaces the value of `key: []`, `key: null` or `key:` with a block collection. A comment on the line of the key
    /// is kept.
    pub(super) fn fill_with_block(&mut self, node: Node<'a>, local_style: &LocalStyle, value: &Value) -> Result<()> {
        let span = node.span();
        let colon = match span.is_empty() {
            true => span.start,
            false => {
                let before = self.text[..span.start].trim_end();
                if !before.ends_with(':') {
                    return Err(Error::refused("cannot replace a value after a comment with a list")
                        .at(span)
                        .hint("move the value to the line of its key"));
                }
                before.len()
            }
        };
        if !span.is_empty() {
            self.splices.push(colon..span.end, |_| {});
        }
        let style = self.block_style(span.end, local_style);
        let Some(column) = nested_column(value, local_style.column, &style) else { return Ok(()) };
        self.insert_lines(span.end, column, |out| write_block(out, value, column, &style));
        Ok(())
    }
}
