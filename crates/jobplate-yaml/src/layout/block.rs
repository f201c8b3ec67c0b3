//! Edits in block style: whole lines, under the document's own dashes and indentation.

use std::ops::Range;

use jobplate_diagnostic::{Error, Result};

use super::super::edit::{Child, Value};
use super::super::node_kind::NodeKind;
use super::super::scalar::{self, Chomping, quote_double, quote_name};
use super::super::tree::Node;
use super::places::{ChildChanges, Element, Layout, LocalStyle, spaces};

/// How block collections are written.
pub(super) struct BlockStyle {
    newline: &'static str,
    /// Blanks behind a dash.
    gap: usize,
    step: usize,
    dash_offset: usize,
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Map(entries) => entries.is_empty(),
        Value::Seq(items) => items.is_empty(),
        _ => false,
    }
}

/// The column of a value that is written on lines of its own under a key at `column`.
fn nested_column(value: &Value, column: usize, style: &BlockStyle) -> Option<usize> {
    match value {
        _ if is_empty(value) => None,
        Value::Map(_) => Some(column + style.step),
        Value::Seq(_) => Some(column + style.dash_offset),
        _ => None,
    }
}

impl<'a> Layout<'a, '_> {
    /// A mapping or sequence in block style, whose first line is already begun at `column`.
    pub(super) fn write_block(&self, out: &mut String, value: &Value, column: usize, style: &BlockStyle) {
        match value {
            Value::Map(entries) => {
                for (position, (key, value)) in entries.iter().enumerate() {
                    if position > 0 {
                        out.push_str(style.newline);
                        spaces(out, column);
                    }
                    self.write_entry(out, key, value, column, style);
                }
            }
            Value::Seq(items) => {
                for (position, item) in items.iter().enumerate() {
                    if position > 0 {
                        out.push_str(style.newline);
                        spaces(out, column);
                    }
                    out.push('-');
                    spaces(out, style.gap);
                    self.write_block(out, item, column + 1 + style.gap, style);
                }
            }
            Value::Name(text) => out.push_str(&quote_name(text)),
            Value::String(text) => out.push_str(&quote_double(text)),
            Value::Null => out.push_str("null"),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        }
    }

    /// `key: value`, nested lines included, with the key at `column`.
    fn write_entry(&self, out: &mut String, key: &str, value: &Value, column: usize, style: &BlockStyle) {
        out.push_str(&quote_name(key));
        out.push(':');
        match nested_column(value, column, style) {
            Some(nested) => {
                out.push_str(style.newline);
                spaces(out, nested);
                self.write_block(out, value, nested, style);
            }
            None => {
                out.push(' ');
                if is_empty(value) {
                    out.push_str(if matches!(value, Value::Seq(_)) { "[]" } else { "{}" });
                } else {
                    self.write_block(out, value, column, style);
                }
            }
        }
    }

    pub(super) fn block_style(&self, near: usize, place: &LocalStyle) -> BlockStyle {
        BlockStyle { newline: self.newline(near), gap: 1, step: place.step, dash_offset: place.dash_offset }
    }

    /// The offset of the dash of an item, looked for from the item's start backwards.
    fn dash_of(&self, seq: Node<'a>, item: Node<'a>) -> Result<usize> {
        let mut at = item.span().start;
        loop {
            let start = self.line_start(at);
            let dash = start + seq.column() + if start == 0 && self.text.starts_with('\u{feff}') { 3 } else { 0 };
            let line = &self.text.as_bytes()[start..at];
            let own_line = self.text.as_bytes().get(dash) == Some(&b'-')
                && dash < item.span().start.max(start + 1)
                && self.text[start..dash].trim_start_matches('\u{feff}').bytes().all(|byte| byte == b' ');
            if own_line {
                return Ok(dash);
            }
            if start == 0 || (line.iter().any(|byte| !byte.is_ascii_whitespace()) && at != item.span().start) {
                return Err(Error::refused("a sequence inside a sequence on one line can't be edited").at(item.span()));
            }
            at = start - 1;
        }
    }

    /// The start of the line of `at`, or of the comment lines directly above it that begin at its column.
    fn with_comments(&self, at: usize, lower: usize) -> usize {
        let column = self.column(at);
        let mut start = self.line_start(at);
        while start > lower {
            let above = self.line_start(start - 1);
            let line = &self.text[above..start];
            let trimmed = line.trim_start_matches(' ');
            if above < lower || !trimmed.starts_with('#') || line.len() - trimmed.len() != column {
                break;
            }
            start = above;
        }
        start
    }

    pub(super) fn block_items(&mut self, children: ChildChanges<'_, 'a>, place: &LocalStyle) -> Result<()> {
        let ChildChanges { node, list, remove, insert } = children;
        let column = node.column();
        for &position in remove {
            let dash = self.dash_of(node, list[position].first)?;
            self.remove_lines(dash, list[position].end())?;
        }
        for (position, child) in insert {
            let Child::Item(value) = child else { continue };
            // The neighbour's prefix: the dash and the blanks behind it.
            let neighbour = (*position).min(list.len() - 1);
            let dash = self.dash_of(node, list[neighbour].first)?;
            let behind = &self.text[dash + 1..list[neighbour].start().max(dash + 1)];
            let same_line = !behind.is_empty() && behind.len() <= 8 && behind.bytes().all(|byte| byte == b' ');
            let gap = if same_line { behind.len() } else { 1 };
            let near = list[neighbour].start();
            let style = BlockStyle { gap, ..self.block_style(near, place) };
            let mut lines = String::new();
            spaces(&mut lines, column);
            lines.push('-');
            spaces(&mut lines, gap);
            self.write_block(&mut lines, value, column + 1 + gap, &style);
            if *position == list.len() {
                self.insert_lines(list[position - 1].end(), &lines);
            } else {
                let lower = if *position == 0 { self.line_start(node.span().start) } else { list[position - 1].end() };
                let lower = if *position == 0 { self.comments_floor(lower) } else { self.next_line(lower) };
                // In the place of an item that goes, the comments above are its own.
                let in_place = remove.contains(position);
                let at = if in_place { self.line_start(dash) } else { self.with_comments(dash, lower) };
                self.splices.push_lines(at..at, |out| {
                    out.push_str(&lines);
                    out.push_str(style.newline);
                });
            }
        }
        Ok(())
    }

    /// How far up comment lines may belong to what begins at the line `start`.
    fn comments_floor(&self, start: usize) -> usize {
        let mut floor = start;
        while floor > 0 {
            let above = self.line_start(floor - 1);
            if !self.text[above..floor].trim_start_matches(' ').starts_with('#') {
                break;
            }
            floor = above;
        }
        floor
    }

    /// Removes whole lines.
    fn remove_lines(&mut self, first: usize, last: usize) -> Result<()> {
        let (start, end) = (self.line_start(first), self.next_line(last));
        // Blank lines behind what goes would become text of a `|+` scalar before it.
        let before = self.document.last_node_before(start);
        let scalar_before = before.filter(|node| matches!(node.kind(), NodeKind::Literal | NodeKind::Folded));
        if let Some(scalar) = scalar_before {
            let content = self.text[end..].trim_start_matches(' ');
            let column = self.text[end..].len() - content.len();
            let blank = content.starts_with(['\n', '\r']) && scalar::chomping(scalar.raw()) == Chomping::Keep;
            if blank || content.starts_with('#') && column >= scalar.column() {
                return Err(Error::refused("what stands behind this would become text of the block scalar before it")
                    .at(first..last)
                    .hint("remove the blank line or comment behind it"));
            }
        }
        self.splices.push_lines(start..end, |_| {});
        Ok(())
    }

    /// The last child goes: `env: []`, `env: {}`.
    pub(super) fn remove_all(&mut self, node: Node<'a>, list: &[Element<'a>]) -> Result<()> {
        self.refuse_properties(node)?;
        // A value's key is the node before it.
        let key = node.index().checked_sub(1).map(|index| self.document.node(index));
        let colon = key.and_then(|key| {
            let behind = key.span().end;
            self.text.get(behind..node.span().start)?.find(':').map(|at| behind + at + 1)
        });
        let Some(colon) = colon else {
            return Err(Error::refused("a collection without a key can't be emptied").at(node.span()));
        };
        let is_map = node.kind() == NodeKind::Map;
        self.splices.push(colon..colon, |out| out.push_str(if is_map { " {}" } else { " []" }));
        for child in list {
            let start = if is_map { child.start() } else { self.dash_of(node, child.first)? };
            self.remove_lines(start, child.end())?;
        }
        Ok(())
    }

    pub(super) fn block_entries(&mut self, children: ChildChanges<'_, 'a>, place: &LocalStyle) -> Result<()> {
        let ChildChanges { node, list, remove, insert } = children;
        let column = node.column();
        // The lists beside it show the style best, then those around it.
        let lists =
            list.iter().map(|entry| entry.last).filter(|value| value.kind() == NodeKind::Seq && !value.is_flow());
        let beside = lists.map(|value| value.column().saturating_sub(column)).next();
        let dash_offset = beside.unwrap_or(place.dash_offset);
        let nested = LocalStyle { in_flow: false, column, step: place.step, dash_offset };
        let mut replaced = Vec::new();
        for (position, child) in insert {
            let Child::Entry(key, value) = child else { continue };
            if remove.contains(position) && !replaced.contains(position) {
                replaced.push(*position);
                self.replace_entry(&list[*position], key, value, column, &nested);
                continue;
            }
            let Some(before) = position.checked_sub(1) else {
                return Err(Error::refused("nothing can be put before the first key of a mapping").at(node.span()));
            };
            let near = list[before].end();
            let style = self.block_style(near, &nested);
            let mut lines = String::new();
            spaces(&mut lines, column);
            self.write_entry(&mut lines, key, value, column, &style);
            self.insert_lines(near, &lines);
        }
        for &position in remove.iter().filter(|position| !replaced.contains(position)) {
            let entry = &list[position];
            let line = self.line_start(entry.start());
            let own_line = self.text[line..entry.start()].bytes().all(|byte| byte == b' ');
            if own_line {
                self.remove_lines(entry.start(), entry.end())?;
            } else if let Some(next) = list.get(position + 1) {
                self.splices.push(entry.start()..next.start(), |_| {});
            } else {
                return Err(Error::refused("the only key of a mapping can't be removed").at(entry.first.span()));
            }
        }
        Ok(())
    }

    /// Another key and value in the place of an entry; comments stay.
    fn replace_entry(&mut self, old: &Element<'a>, key: &str, value: &Value, column: usize, place: &LocalStyle) {
        let style = self.block_style(old.end(), place);
        let one_line = !self.text[old.start()..old.end()].contains('\n');
        if let (true, Some(nested)) = (one_line, nested_column(value, column, &style)) {
            // What stands behind on the line is a comment: it stays behind the key.
            self.splices.push(old.start()..old.end(), |out| {
                out.push_str(&quote_name(key));
                out.push(':');
            });
            let mut lines = String::new();
            spaces(&mut lines, nested);
            self.write_block(&mut lines, value, nested, &style);
            self.insert_lines(old.end(), &lines);
            return;
        }
        let mut text = String::new();
        for comment in self.comment_lines(old) {
            text.push_str(self.text[comment].trim_start());
            spaces(&mut text, column);
        }
        self.write_entry(&mut text, key, value, column, &style);
        self.splices.push(old.start()..old.end(), |out| out.push_str(&text));
    }

    /// The whole-line comments between the lines of an entry.
    fn comment_lines(&self, entry: &Element<'a>) -> Vec<Range<usize>> {
        let mut comments = Vec::new();
        let mut line = self.next_line(entry.start());
        while line < entry.end() {
            let next = self.next_line(line);
            let content = self.text[line..next].trim_start_matches(' ');
            let start = next - content.len();
            let in_scalar = entry
                .last
                .descendants()
                .any(|node| node.is_scalar() && (node.span().start + 1..node.span().end).contains(&start));
            if content.starts_with('#') && !in_scalar {
                comments.push(line..next);
            }
            line = next;
        }
        comments
    }

    /// `key: []`, `key: null` or `key:` becomes a block collection; a comment on the line stays.
    pub(super) fn fill_with_block(&mut self, node: Node<'a>, place: &LocalStyle, value: &Value) -> Result<()> {
        let span = node.span();
        let colon = match span.is_empty() {
            true => span.start,
            false => {
                let before = self.text[..span.start].trim_end();
                if !before.ends_with(':') {
                    return Err(Error::refused("a value behind a comment can't be replaced by a list")
                        .at(span)
                        .hint("put it on the line of its key"));
                }
                before.len()
            }
        };
        if !span.is_empty() {
            self.splices.push(colon..span.end, |_| {});
        }
        let style = self.block_style(span.end, place);
        let Some(column) = nested_column(value, place.column, &style) else { return Ok(()) };
        let mut text = String::new();
        spaces(&mut text, column);
        self.write_block(&mut text, value, column, &style);
        self.insert_lines(span.end, &text);
        Ok(())
    }
}
