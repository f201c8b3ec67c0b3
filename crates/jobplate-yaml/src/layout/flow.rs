//! Edits inside of `{}` and `[]`: on one line or pretty-printed, JSON or not, as their neighbours are.

use std::ops::Range;

use jobplate_diagnostic::{Error, Result};

use super::super::edit::{Child, Value};
use super::super::node_kind::NodeKind;
use super::super::scalar::{quote_double, quote_name};
use super::super::tree::Node;
use super::places::{ChildChanges, Element, Layout, elements, whole};

/// How flow collections are written around here.
pub(super) struct FlowStyle<'a> {
    /// Keys and names in quotes.
    json: bool,
    colon: &'static str,
    comma: &'static str,
    /// Over several lines, as pretty-printed JSON is.
    lines: Option<Lines<'a>>,
}

/// The blanks of pretty-printed lines: those before the line of the opening bracket, and one step more.
#[derive(Clone, Copy)]
struct Lines<'a> {
    newline: &'static str,
    indent: &'a str,
    step: &'a str,
}

impl<'a> Layout<'a, '_> {
    /// A value in flow style, `depth` steps inside of what the style was taken from.
    pub(super) fn write_flow(&self, out: &mut String, value: &Value, style: &FlowStyle<'_>, depth: usize) {
        let break_line = |out: &mut String, depth: usize| {
            if let Some(Lines { newline, indent, step }) = style.lines {
                out.push_str(newline);
                out.push_str(indent);
                out.extend(std::iter::repeat_n(step, depth));
            }
        };
        let before = |out: &mut String, position: usize| {
            if position > 0 {
                out.push_str(if style.lines.is_some() { "," } else { style.comma });
            }
            break_line(out, depth + 1);
        };
        match value {
            Value::Map(entries) => {
                out.push('{');
                for (position, (key, value)) in entries.iter().enumerate() {
                    before(out, position);
                    self.write_flow_entry(out, key, value, style, depth + 1);
                }
                break_line(out, depth);
                out.push('}');
            }
            Value::Seq(items) => {
                out.push('[');
                for (position, item) in items.iter().enumerate() {
                    before(out, position);
                    self.write_flow(out, item, style, depth + 1);
                }
                break_line(out, depth);
                out.push(']');
            }
            Value::Name(text) if !style.json => out.push_str(&quote_name(text)),
            Value::Name(text) | Value::String(text) => out.push_str(&quote_double(text)),
            Value::Null => out.push_str("null"),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        }
    }

    fn write_child(&self, out: &mut String, child: &Child, style: &FlowStyle<'_>) {
        match child {
            Child::Item(value) => self.write_flow(out, value, style, 1),
            Child::Entry(key, value) => self.write_flow_entry(out, key, value, style, 1),
        }
    }

    fn write_flow_entry(&self, out: &mut String, key: &str, value: &Value, style: &FlowStyle<'_>, depth: usize) {
        if style.json {
            out.push_str(&quote_double(key));
        } else {
            out.push_str(&quote_name(key));
        }
        out.push_str(style.colon);
        self.write_flow(out, value, style, depth);
    }

    /// The habits of the flow collection at, or around, a node; new children of it are one step inside.
    pub(super) fn flow_style(&self, node: Node<'a>) -> FlowStyle<'a> {
        let mut style = FlowStyle { json: false, colon: ": ", comma: ", ", lines: None };
        // The nearest quoted or unquoted key decides: in the node itself, then in the document.
        let maps = node.descendants().chain(self.document.root().descendants());
        if let Some((key, value)) = maps.filter(|map| map.is_flow()).find_map(|map| map.entries().next()) {
            style.json = key.kind() == NodeKind::DoubleQuoted;
            if style.json && key.span().end + 1 == value.span().start {
                style.colon = ":";
                style.comma = ",";
            }
        }
        let list = elements(node);
        let inside = match (node.kind(), list.first()) {
            // New entries, and what is in them, go line by line if the entries that are there do.
            (NodeKind::Map, Some(_)) => Some(node),
            // Items may stand on lines of their own and yet be written on one line each; scalars show no habit.
            (NodeKind::Seq, Some(first)) => {
                let items = list.iter().map(|element| element.first);
                Some(items.clone().find(|item| !elements(*item).is_empty()).unwrap_or(first.first))
            }
            // Nothing in it shows a habit: the collection around it does.
            _ => self.enclosing_collection(node),
        };
        if style.json {
            style.lines = inside.and_then(|collection| self.lines_in(collection, node));
        }
        style
    }

    /// The flow collection that a node's key is in.
    fn enclosing_collection(&self, node: Node<'a>) -> Option<Node<'a>> {
        let holds = |outer: &Node<'a>| outer.index() < node.index() && node.index() < outer.data().next;
        self.document.root().descendants().filter(holds).last().filter(|outer| outer.is_flow())
    }

    /// The lines of a collection whose first child begins a line; indented for new children of `node`.
    fn lines_in(&self, collection: Node<'a>, node: Node<'a>) -> Option<Lines<'a>> {
        let first = elements(collection).first()?.start();
        let open = collection.span().start;
        if first <= open || !self.text[open..first].contains('\n') {
            return None;
        }
        let (outer, inner) = (self.indent_of(open), self.indent_of(first));
        let step = inner.strip_prefix(outer)?;
        // An empty collection takes the place of an entry: it stands where its neighbours do.
        let indent = if elements(node).is_empty() { inner } else { self.indent_of(node.span().start) };
        Some(Lines { newline: self.newline(first), indent, step })
    }

    /// The blanks that begin the line of `at`.
    fn indent_of(&self, at: usize) -> &'a str {
        let line = &self.text[self.line_start(at)..];
        &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
    }

    pub(super) fn flow_children(&mut self, children: ChildChanges<'_, 'a>) -> Result<()> {
        let ChildChanges { node, list, remove, insert } = children;
        let span = node.span();
        if !self.text[span.clone()].starts_with(['{', '[']) {
            return Err(Error::refused("a mapping without its own brackets is not edited")
                .at(span)
                .hint("write `{}` around it"));
        }
        if let Some(empty) = list.iter().find(|element| element.last.kind() == NodeKind::Empty) {
            return Err(Error::refused("a key without a value stands in these brackets")
                .at(empty.first.span())
                .hint("write `null` behind it"));
        }
        let style = self.flow_style(node);
        if list.is_empty() && node.raw().contains('#') {
            // Nothing but comments inside: the closing bracket begins its line, new lines go before it.
            let close = span.end - 1;
            let (indent, newline, line) = (self.indent_of(close), self.newline(close), self.line_start(close));
            for (position, (_, child)) in insert.iter().enumerate() {
                let mut text = format!("{indent}  ");
                self.write_child(&mut text, child, &style);
                if position + 1 < insert.len() {
                    text.push(',');
                }
                text.push_str(newline);
                self.splices.push(line..line, |out| out.push_str(&text));
            }
            return Ok(());
        }
        if list.is_empty() {
            let mut text = String::new();
            self.write_flow(&mut text, &whole(node.kind(), insert), &style, 0);
            self.splices.push(span, |out| out.push_str(&text));
            return Ok(());
        }
        let touched = remove.iter().chain(insert.iter().map(|(position, _)| position)).filter_map(|&at| list.get(at));
        for element in touched.chain(remove.iter().filter_map(|&at| list.get(at + 1))) {
            // A tag or anchor stands before its element, outside of the element's own span.
            self.refuse_properties(element.first)?;
        }
        if remove.len() == list.len() && (node.kind() == NodeKind::Seq || insert.is_empty()) {
            let whole = list[0].start()..list[list.len() - 1].end();
            let range = if insert.is_empty() { span.start + 1..span.end - 1 } else { whole };
            self.refuse_comments(range.clone())?;
            let mut texts = Vec::new();
            for (_, child) in insert {
                let mut text = String::new();
                self.write_child(&mut text, child, &style);
                texts.push(text);
            }
            let gap = self.flow_gap(node, list, list.len(), &style);
            self.splices.push(range, |out| out.push_str(&texts.join(&format!(",{gap}"))));
            return Ok(());
        }
        let mut replaced = Vec::new();
        let mut appended = Vec::new();
        for (position, child) in insert {
            let mut text = String::new();
            self.write_child(&mut text, child, &style);
            if let Some(old) = list.get(*position) {
                if remove.contains(position) && !replaced.contains(position) {
                    replaced.push(*position);
                    self.splices.push(old.start()..old.end(), |out| out.push_str(&text));
                    continue;
                }
                let gap = self.flow_gap(node, list, (*position).max(1), &style);
                self.splices.push(old.start()..old.start(), |out| {
                    out.push_str(&text);
                    out.push(',');
                    out.push_str(&gap);
                });
            } else {
                appended.push(text);
            }
        }
        if !appended.is_empty() {
            let gap = self.flow_gap(node, list, list.len(), &style);
            self.append_to_flow(node, list, &appended.join(&format!(",{gap}")), &gap);
        }
        // Neighbours go together: with the comma before the first, or at the start with the one behind the last.
        let gone = |position: &usize| remove.contains(position) && !replaced.contains(position);
        let mut position = 0;
        while position < list.len() {
            let run = (position..list.len()).take_while(gone).count();
            if run > 0 {
                let last = position + run - 1;
                let range = match (position.checked_sub(1), list.get(last + 1)) {
                    (Some(before), _) => list[before].end()..list[last].end(),
                    (None, Some(next)) => list[0].start()..next.start(),
                    // All go: that was before.
                    (None, None) => list[0].start()..list[0].start(),
                };
                self.refuse_comments(range.clone())?;
                self.splices.push(range, |_| {});
            }
            position += run.max(1);
        }
        Ok(())
    }

    fn refuse_comments(&self, range: Range<usize>) -> Result<()> {
        if !self.text[range.clone()].contains('#') {
            return Ok(());
        }
        Err(Error::refused("an item with a comment inside brackets can't be removed")
            .at(range)
            .hint("put the comment on a line above the brackets"))
    }

    /// The blanks between two neighbours of a flow collection, before the one at `position`.
    fn flow_gap(&self, node: Node<'a>, list: &[Element<'a>], position: usize, style: &FlowStyle<'_>) -> String {
        let space = |range: Range<usize>| {
            let between = &self.text[range];
            let blanks = &between[between.trim_end_matches([' ', '\t', '\n', '\r']).len()..];
            // Of several line breaks (a comment line, a blank line) the last one counts.
            match blanks.rfind('\n') {
                Some(newline) => {
                    let start = if blanks[..newline].ends_with('\r') { newline - 1 } else { newline };
                    blanks[start..].to_owned()
                }
                None => blanks.to_owned(),
            }
        };
        match list.get(position) {
            Some(element) if position > 0 => space(list[position - 1].end()..element.start()),
            _ if list.len() > 1 => space(list[list.len() - 2].end()..list[list.len() - 1].start()),
            _ => {
                let first = space(node.span().start + 1..list[0].start());
                if first.contains('\n') { first } else { style.comma[1..].to_owned() }
            }
        }
    }

    fn append_to_flow(&mut self, node: Node<'a>, list: &[Element<'a>], text: &str, gap: &str) {
        let last = list[list.len() - 1].end();
        let close = node.span().end - 1;
        let behind = &self.text[last..close];
        // A comma may follow, and comments: only outside of a comment is a comma one.
        let comma = behind.starts_with(',').then_some(last).or_else(|| {
            let blanks = behind.len() - behind.trim_start_matches([' ', '\t', '\n', '\r']).len();
            behind[blanks..].starts_with(',').then_some(last + blanks)
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
                out.push_str(gap);
                out.push_str(text);
                out.push(',');
            }),
            None if at == last => self.splices.push(at..at, |out| {
                out.push(',');
                out.push_str(gap);
                out.push_str(text);
            }),
            None => {
                self.splices.push(last..last, |out| out.push(','));
                self.splices.push(at..at, |out| {
                    out.push_str(gap);
                    out.push_str(text);
                });
            }
        }
    }
}
