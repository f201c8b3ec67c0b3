//! Writes changes in flow collections (`{}`, `[]`): on one line or pretty-printed, as YAML or JSON, like the existing
//! children.

use std::ops::Range;

use jobplate_diagnostic::{Error, Result};

use super::super::edit::{Child, MAX_INDENTATION, Value};
use super::super::node_kind::NodeKind;
use super::super::scalar::{quote_double, quote_name};
use super::super::splice::NewText;
use super::super::tree::Node;
use super::local_style::{
    ChildChanges, Element, Layout, LocalStyle, collection_of, first_child, first_flow_entry, is_in,
};

/// The style of new children in a flow collection.
pub(super) struct FlowStyle<'a> {
    /// Whether keys and names are always quoted.
    is_json: bool,
    colon: &'static str,
    comma: &'static str,
    /// The lines of a pretty-printed collection, or `None` if it is on one line.
    lines: Option<PrettyPrint<'a>>,
}

/// The line breaks and indentation of a pretty-printed collection.
#[derive(Clone, Copy)]
struct PrettyPrint<'a> {
    newline: &'static str,
    /// The indentation of the line with the opening bracket.
    indent: &'a str,
    /// The additional indentation of a child.
    step: &'a str,
}

/// Appends a value in flow style. `depth` is its nesting depth in the collection that has `style`.
pub(super) fn write_flow(out: &mut NewText, value: &Value, style: &FlowStyle<'_>, depth: usize) {
    let break_line = |out: &mut NewText, depth: usize| {
        if let Some(PrettyPrint { newline, indent, step }) = style.lines {
            out.push_str(newline);
            out.push_str(indent);
            (0..depth).for_each(|_| out.push_str(step));
        }
    };
    let separate = |out: &mut NewText, position: usize| {
        if position > 0 {
            out.push_str(if style.lines.is_some() { "," } else { style.comma });
        }
        break_line(out, depth + 1);
    };
    match value {
        Value::Map(entries) => {
            out.push('{');
            for (position, (key, value)) in entries.iter().enumerate() {
                separate(out, position);
                write_flow_entry(out, key, value, style, depth + 1);
            }
            break_line(out, depth);
            out.push('}');
        }
        Value::Seq(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                separate(out, position);
                write_flow(out, item, style, depth + 1);
            }
            break_line(out, depth);
            out.push(']');
        }
        Value::Name(text) if !style.is_json => out.push_str(&quote_name(text)),
        Value::Name(text) | Value::String(text) => out.push_str(&quote_double(text)),
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
    }
}

/// Appends a child of the collection that has `style`.
fn write_child(out: &mut NewText, child: &Child, style: &FlowStyle<'_>) {
    match child {
        Child::Item(value) => write_flow(out, value, style, 1),
        Child::Entry(key, value) => write_flow_entry(out, key, value, style, 1),
    }
}

/// Appends children of the collection that has `style`. `gap` is the whitespace between them.
fn write_children<'c>(out: &mut NewText, children: impl Iterator<Item = &'c Child>, style: &FlowStyle<'_>, gap: &str) {
    for (position, child) in children.enumerate() {
        if position > 0 {
            out.push(',');
            out.push_str(gap);
        }
        write_child(out, child, style);
    }
}

/// Appends a key and its value in flow style.
fn write_flow_entry(out: &mut NewText, key: &str, value: &Value, style: &FlowStyle<'_>, depth: usize) {
    if style.is_json {
        out.push_str(&quote_double(key));
    } else {
        out.push_str(&quote_name(key));
    }
    out.push_str(style.colon);
    write_flow(out, value, style, depth);
}

impl<'a> Layout<'a, '_> {
    /// Returns the style for new children of a flow collection: the style of its existing children or, if it is empty,
    /// of the enclosing collection.
    pub(super) fn flow_style(&self, node: Node<'a>, local_style: &LocalStyle) -> FlowStyle<'a> {
        let mut style = FlowStyle { is_json: false, colon: ": ", comma: ", ", lines: None };
        // The first key in the node is the model, or else the first key of a flow mapping in the document.
        if let Some((key, value)) = first_flow_entry(node).or_else(|| self.first_flow_entry()) {
            style.is_json = key.kind() == NodeKind::DoubleQuoted;
            if style.is_json && key.span().end + 1 == value.span().start {
                style.colon = ":";
                style.comma = ",";
            }
        }
        let model = match (node.kind(), first_child(node)) {
            // New entries, and the collections in them, are written on separate lines if the existing entries are.
            (NodeKind::Map, Some(_)) => Some(node),
            // Items on separate lines may themselves be on one line each, so the first item with children is the model.
            (NodeKind::Seq, Some(first)) => {
                Some(node.items().find(|item| first_child(*item).is_some()).unwrap_or(first))
            }
            // An empty collection follows the enclosing collection.
            _ => local_style.parent.map(|index| self.document.node(index)).filter(|parent| parent.is_flow()),
        };
        if style.is_json {
            style.lines = model.and_then(|collection| self.lines_in(collection, node));
        }
        style
    }

    /// Returns the indentation of new children of `node`, or `None` if the first child of `collection` does not begin a
    /// line.
    fn lines_in(&self, collection: Node<'a>, node: Node<'a>) -> Option<PrettyPrint<'a>> {
        let first = first_child(collection)?.span().start;
        let open = collection.span().start;
        if first <= open || !self.text[open..first].contains('\n') {
            return None;
        }
        let (outer, inner) = (self.indent_of(open), self.indent_of(first));
        let step = inner.strip_prefix(outer).filter(|_| inner.len() <= MAX_INDENTATION)?;
        // An empty collection is indented like the children of the enclosing collection.
        let indent = if first_child(node).is_none() { inner } else { self.indent_of(node.span().start) };
        Some(PrettyPrint { newline: self.newline(first), indent, step })
    }

    /// Returns the indentation of the line that contains `at`.
    fn indent_of(&self, at: usize) -> &'a str {
        let line = &self.text[self.line_start(at)..];
        &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
    }

    /// Removes and inserts children of a flow collection.
    pub(super) fn change_flow_children(
        &mut self,
        children: ChildChanges<'_, 'a>,
        local_style: &LocalStyle,
    ) -> Result<()> {
        let ChildChanges { node, list, remove, insert } = children;
        self.refuse_pair_without_braces(node)?;
        refuse_empty_values(list, remove)?;
        let style = self.flow_style(node, local_style);
        if list.is_empty() {
            self.fill_empty_flow(node, insert, &style);
            return Ok(());
        }
        let changed = remove.iter().chain(insert.iter().map(|(position, _)| position));
        let after_removed = remove.iter().map(|position| position + 1);
        for element in changed.copied().chain(after_removed).filter_map(|position| list.get(position)) {
            // A tag or anchor precedes its element and is outside of the element's span, so the edit could separate it
            // from its element.
            self.refuse_properties(element.first)?;
        }
        if remove.len() == list.len() && (node.kind() == NodeKind::Seq || insert.is_empty()) {
            return self.replace_flow_content(children, &style);
        }
        let replaced = self.insert_into_flow(children, &style);
        self.remove_from_flow(list, |position| is_in(remove, *position) && !is_in(&replaced, *position))
    }

    /// Refuses the mapping of `[key: value]`, which has no brackets of its own.
    fn refuse_pair_without_braces(&self, node: Node<'a>) -> Result<()> {
        if node.raw().starts_with(['{', '[']) {
            return Ok(());
        }
        Err(Error::refused("cannot edit a mapping without braces").at(node.span()).hint("put `{}` around it"))
    }

    /// Inserts the first children of an empty collection.
    fn fill_empty_flow(&mut self, node: Node<'a>, insert: &[(usize, Child)], style: &FlowStyle<'_>) {
        let span = node.span();
        if !node.raw().contains('#') {
            let collection = collection_of(node.kind(), insert);
            self.splices.push(span, |out| write_flow(out, &collection, style, 0));
            return;
        }
        // The brackets contain comments, so the closing bracket is on its own line. New lines are inserted before it.
        let close = span.end - 1;
        let (indent, newline, line) = (self.indent_of(close), self.newline(close), self.line_start(close));
        for (position, (_, child)) in insert.iter().enumerate() {
            self.splices.push(line..line, |out| {
                out.push_str(indent);
                out.push_spaces(2);
                write_child(out, child, style);
                if position + 1 < insert.len() {
                    out.push(',');
                }
                out.push_str(newline);
            });
        }
    }

    /// Replaces all children of a collection.
    fn replace_flow_content(&mut self, children: ChildChanges<'_, 'a>, style: &FlowStyle<'_>) -> Result<()> {
        let ChildChanges { node, list, insert, .. } = children;
        let span = node.span();
        let all_children = list[0].start()..list[list.len() - 1].end();
        let range = if insert.is_empty() { span.start + 1..span.end - 1 } else { all_children };
        self.refuse_comments(range.clone())?;
        let gap = self.flow_gap(node, list, list.len(), style);
        let children = insert.iter().map(|(_, child)| child);
        self.splices.push(range, |out| write_children(out, children, style, gap));
        Ok(())
    }

    /// Inserts new children of a collection. Returns the indices of the removed children that new children replaced.
    fn insert_into_flow(&mut self, children: ChildChanges<'_, 'a>, style: &FlowStyle<'_>) -> Vec<usize> {
        let ChildChanges { node, list, remove, insert } = children;
        let mut replaced = Vec::new();
        let mut appended = Vec::new();
        for (position, child) in insert {
            let Some(old) = list.get(*position) else {
                appended.push(child);
                continue;
            };
            if is_in(remove, *position) && replaced.last() != Some(position) {
                replaced.push(*position);
                self.splices.push(old.start()..old.end(), |out| write_child(out, child, style));
                continue;
            }
            let gap = self.flow_gap(node, list, (*position).max(1), style);
            self.splices.push(old.start()..old.start(), |out| {
                write_child(out, child, style);
                out.push(',');
                out.push_str(gap);
            });
        }
        if !appended.is_empty() {
            self.append_to_flow(node, list, &appended, style);
        }
        replaced
    }

    /// Removes some, but not all, children of a collection. Adjacent children are removed with the comma before them
    /// or, at the start of the collection, with the comma after them.
    fn remove_from_flow(&mut self, list: &[Element<'a>], is_removed: impl Fn(&usize) -> bool) -> Result<()> {
        let mut position = 0;
        while position < list.len() {
            let run = (position..list.len()).take_while(&is_removed).count();
            if run > 0 {
                let last = position + run - 1;
                let range = match (position.checked_sub(1), list.get(last + 1)) {
                    (Some(before), _) => list[before].end()..list[last].end(),
                    (None, Some(next)) => list[0].start()..next.start(),
                    // `replace_flow_content` handles the removal of all children, so nothing is removed here.
                    (None, None) => list[0].start()..list[0].start(),
                };
                self.refuse_comments(range.clone())?;
                self.splices.push(range, |_| {});
            }
            position += run.max(1);
        }
        Ok(())
    }

    /// Refuses to remove a range that contains a comment.
    fn refuse_comments(&self, range: Range<usize>) -> Result<()> {
        if !self.text[range.clone()].contains('#') {
            return Ok(());
        }
        Err(Error::refused("cannot remove an item with a comment inside brackets")
            .at(range)
            .hint("move the comment to a line above the brackets"))
    }

    /// Returns the whitespace between the child with the index `position` and the child before it.
    fn flow_gap(&self, node: Node<'a>, list: &[Element<'a>], position: usize, style: &FlowStyle<'_>) -> &'a str {
        let read_gap = |range: Range<usize>| {
            let between = &self.text[range];
            let whitespace = &between[between.trim_end_matches([' ', '\t', '\n', '\r']).len()..];
            // After a comment line or an empty line, only the last line break is repeated.
            let gap = match whitespace.rfind('\n') {
                Some(newline) => {
                    let start = if whitespace[..newline].ends_with('\r') { newline - 1 } else { newline };
                    &whitespace[start..]
                }
                None => whitespace,
            };
            if gap.len() <= MAX_INDENTATION { gap } else { &style.comma[1..] }
        };
        match list.get(position) {
            Some(element) if position > 0 => read_gap(list[position - 1].end()..element.start()),
            _ if list.len() > 1 => read_gap(list[list.len() - 2].end()..list[list.len() - 1].start()),
            _ => {
                let first = read_gap(node.span().start + 1..list[0].start());
                if first.contains('\n') { first } else { &style.comma[1..] }
            }
        }
    }

    /// Inserts children after the last child of a collection.
    fn append_to_flow(&mut self, node: Node<'a>, list: &[Element<'a>], children: &[&Child], style: &FlowStyle<'_>) {
        let gap = self.flow_gap(node, list, list.len(), style);
        let write = |out: &mut NewText| {
            out.push_str(gap);
            write_children(out, children.iter().copied(), style, gap);
        };
        let last = list[list.len() - 1].end();
        let close = node.span().end - 1;
        let after = &self.text[last..close];
        // A trailing comma may follow, before any comment.
        let comma = after.starts_with(',').then_some(last).or_else(|| {
            let whitespace = after.len() - after.trim_start_matches([' ', '\t', '\n', '\r']).len();
            after[whitespace..].starts_with(',').then_some(last + whitespace)
        });
        let from = comma.map_or(last, |comma| comma + 1);
        let rest_of_line = &self.text[from..close];
        let line = rest_of_line.find('\n').map_or("", |newline| &rest_of_line[..newline]);
        let at = if gap.contains('\n') && line.trim_start().starts_with('#') {
            from + line.trim_end_matches('\r').len()
        } else {
            from
        };
        match comma {
            Some(_) => self.splices.push(at..at, |out| {
                write(out);
                out.push(',');
            }),
            None if at == last => self.splices.push(at..at, |out| {
                out.push(',');
                write(out);
            }),
            None => {
                self.splices.push(last..last, |out| out.push(','));
                self.splices.push(at..at, write);
            }
        }
    }
}

/// Refuses a collection with an empty value, such as `{key: }`, that is not removed.
fn refuse_empty_values(list: &[Element<'_>], remove: &[usize]) -> Result<()> {
    let is_empty = |(position, element): &(usize, &Element<'_>)| {
        element.last.kind() == NodeKind::Empty && !is_in(remove, *position)
    };
    match list.iter().enumerate().find(is_empty) {
        None => Ok(()),
        Some((_, empty)) => Err(Error::refused("a key in these brackets has no value")
            .at(empty.first.span())
            .hint("add `null` as its value")),
    }
}
