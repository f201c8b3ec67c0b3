//! Layout: how an edit looks in this document. Edits in, splices out.
//!
//! New text takes the document's own habits: indentation step, dash offset, line ending, flow spacing.
//! Comments stay where they are. What can't be written safely is refused. Whether the result means what
//! was asked is not decided here but by `verify`.

use std::ops::Range;

use super::edit::{Change, Child, Edit, Value};
use super::scalar::{self, Chomping, quote_double, quote_name};
use super::splice::Splices;
use super::tree::{Document, Kind, Node};
use crate::error::{Error, Result};

/// Turns edits into splices; fails where no safe text can be written.
pub fn layout(document: Document<'_>, edits: &[Edit], splices: &mut Splices) -> Result<()> {
    splices.clear();
    let mut layout = Layout { text: document.text, document, splices };
    // Inner nodes first: where two edits insert at one place, what belongs further inside comes before.
    for edit in edits.iter().rev() {
        let node = document.node(edit.node);
        let place = layout.place_of(node)?;
        match &edit.change {
            Change::Replace(value) => layout.replace(node, &place, value)?,
            Change::Children { remove, insert } => layout.children(node, &place, remove, insert)?,
        }
    }
    let ends_open = !layout.text.is_empty() && !layout.text.ends_with('\n');
    if ends_open && layout.splices.insert_at(layout.text.len()) {
        layout.guard_last_block_scalar();
    }
    let newline = layout.newline(layout.text.len());
    let in_order = splices.sort();
    if ends_open {
        splices.settle_end(document.text, newline);
    }
    if in_order { Ok(()) } else { Err(Error::refused("two edits meet in one place").hint("make them in two calls")) }
}

struct Layout<'a, 's> {
    document: Document<'a>,
    text: &'a str,
    splices: &'s mut Splices,
}

/// Where a node stands, and the habits that hold there.
struct Place {
    /// Inside a flow collection.
    in_flow: bool,
    /// Column of the block mapping around it.
    column: usize,
    /// Columns that a nested mapping is indented by.
    step: usize,
    /// Columns from a key to the dashes of its sequence.
    dash_offset: usize,
}

/// How flow collections are written around here.
struct FlowStyle<'a> {
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

/// A child of a flow collection, or of a block one: a key with its value, or an item.
#[derive(Clone, Copy)]
struct Element<'a> {
    first: Node<'a>,
    last: Node<'a>,
}

impl Element<'_> {
    fn start(&self) -> usize {
        self.first.span().start
    }
    fn end(&self) -> usize {
        self.last.span().end
    }
}

fn elements<'a>(node: Node<'a>) -> Vec<Element<'a>> {
    match node.kind() {
        Kind::Map => node.entries().map(|(first, last)| Element { first, last }).collect(),
        _ => node.items().map(|item| Element { first: item, last: item }).collect(),
    }
}

/// New children as the whole of a collection that had none.
fn whole(kind: Kind, insert: &[(usize, Child)]) -> Value {
    let children = insert.iter().map(|(_, child)| child.clone());
    match kind {
        Kind::Map => Value::map(children.filter_map(Child::into_entry)),
        _ => Value::seq(children.filter_map(Child::into_item)),
    }
}

fn spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

impl<'a> Layout<'a, '_> {
    // Where things are.

    fn line_start(&self, at: usize) -> usize {
        memchr::memrchr(b'\n', &self.text.as_bytes()[..at]).map_or(0, |newline| newline + 1)
    }

    /// Past the line break that ends the line of `at`; or the end of the text.
    fn next_line(&self, at: usize) -> usize {
        memchr::memchr(b'\n', &self.text.as_bytes()[at..]).map_or(self.text.len(), |offset| at + offset + 1)
    }

    /// The column of a byte: what stands before it on its line, a byte order mark aside.
    fn column(&self, at: usize) -> usize {
        self.text[self.line_start(at)..at].trim_start_matches('\u{feff}').len()
    }

    /// The line ending in use at `at`: the one before it, else the one after it.
    fn newline(&self, at: usize) -> &'static str {
        let bytes = self.text.as_bytes();
        let near = memchr::memrchr(b'\n', &bytes[..at]).or_else(|| memchr::memchr(b'\n', bytes));
        match near {
            Some(newline) if newline > 0 && bytes[newline - 1] == b'\r' => "\r\n",
            _ => "\n",
        }
    }

    /// Walks down to a node, and notes the habits on the way.
    fn place_of(&self, node: Node<'a>) -> Result<Place> {
        let mut place = Place { in_flow: false, column: 0, step: 0, dash_offset: usize::MAX };
        let mut at = self.document.root();
        let mut column_of_map = None;
        while at.index() != node.index() {
            if at.is_flow() {
                place.in_flow = true;
            } else if at.kind() == Kind::Map {
                if let Some(outer) = column_of_map {
                    place.step = at.column().saturating_sub(outer);
                }
                place.column = at.column();
                column_of_map = Some(at.column());
            } else if at.kind() == Kind::Seq
                && let Some(outer) = column_of_map.take()
            {
                place.dash_offset = at.column().saturating_sub(outer);
            }
            match at.child_towards(node) {
                Some(child) => at = child,
                None => return Err(Error::new(crate::error::Kind::Internal, "an edit of a node that is not there")),
            }
        }
        if place.step == 0 {
            place.step = self.first_step().unwrap_or(2);
        }
        if place.dash_offset == usize::MAX {
            place.dash_offset = self.first_dash_offset().unwrap_or(place.step);
        }
        Ok(place)
    }

    /// The indentation of the first mapping inside a mapping.
    fn first_step(&self) -> Option<usize> {
        self.block_values()
            .find(|(_, value)| value.kind() == Kind::Map)
            .map(|(column, value)| value.column().saturating_sub(column))
    }

    fn first_dash_offset(&self) -> Option<usize> {
        self.block_values()
            .find(|(_, value)| value.kind() == Kind::Seq)
            .map(|(column, value)| value.column().saturating_sub(column))
    }

    /// Block collections that are values in block mappings, with the mapping's column.
    fn block_values(&self) -> impl Iterator<Item = (usize, Node<'a>)> + use<'a> {
        let block = |node: &Node<'a>| matches!(node.kind(), Kind::Map | Kind::Seq) && !node.is_flow();
        let maps = self.document.root().descendants().filter(move |node| block(node) && node.kind() == Kind::Map);
        maps.flat_map(move |map| map.entries().map(move |(_, value)| (map.column(), value)))
            .filter(move |(_, value)| block(value))
    }

    // What is written.

    /// A mapping or sequence in block style, whose first line is already begun at `column`.
    fn write_block(&self, out: &mut String, value: &Value, column: usize, style: &Block) {
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
            Value::Text(text) => out.push_str(&quote_double(text)),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        }
    }

    /// `key: value`, nested lines included, with the key at `column`.
    fn write_entry(&self, out: &mut String, key: &str, value: &Value, column: usize, style: &Block) {
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

    /// A value in flow style, `depth` steps inside of what the style was taken from.
    fn write_flow(&self, out: &mut String, value: &Value, style: &FlowStyle<'_>, depth: usize) {
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
            Value::Name(text) | Value::Text(text) => out.push_str(&quote_double(text)),
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

    // Scalars, nulls and empty collections.

    fn replace(&mut self, node: Node<'a>, place: &Place, value: &Value) -> Result<()> {
        self.refuse_properties(node)?;
        let collection = matches!(value, Value::Map(_) | Value::Seq(_));
        if place.in_flow {
            if node.kind() == Kind::Empty {
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
            let space = if node.kind() == Kind::Empty { " " } else { "" };
            let mut text = String::from(space);
            self.write_block(&mut text, value, 0, &Block { newline: "\n", gap: 1, step: 2, dash_offset: 2 });
            self.splices.push(node.span(), |out| out.push_str(&text));
            return Ok(());
        }
        self.fill_with_block(node, place, value)
    }

    /// `key: []`, `key: null` or `key:` becomes a block collection; a comment on the line stays.
    fn fill_with_block(&mut self, node: Node<'a>, place: &Place, value: &Value) -> Result<()> {
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

    fn block_style(&self, near: usize, place: &Place) -> Block {
        Block { newline: self.newline(near), gap: 1, step: place.step, dash_offset: place.dash_offset }
    }

    fn refuse_properties(&self, node: Node<'a>) -> Result<()> {
        let what = match (node.anchor(), node.tag()) {
            (Some(_), _) => "an anchor",
            (_, Some(_)) => "a tag",
            _ => return Ok(()),
        };
        Err(Error::refused(format!("a value with {what} is not edited"))
            .at(node.span())
            .hint("write it out without it"))
    }

    // Lines.

    /// Puts whole lines behind the line of `at`. Behind a last line without a break, [`Splices::settle_end`]
    /// moves the break to where it belongs.
    fn insert_lines(&mut self, at: usize, lines: &str) {
        let newline = self.newline(at);
        let next = self.next_line(at);
        self.splices.push(next..next, |out| {
            out.push_str(lines);
            out.push_str(newline);
        });
    }

    /// A block scalar that ends the text without a line break would gain one from lines behind it.
    fn guard_last_block_scalar(&mut self) {
        let Some(index) = self.document.tape.len().checked_sub(1) else { return };
        let last = self.document.node(index as u32);
        if !matches!(last.kind(), Kind::Literal | Kind::Folded) || last.span().end != self.text.len() {
            return;
        }
        let start = last.span().start;
        if self.splices.covers(start) {
            // It goes itself.
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

    // Children.

    fn children(&mut self, node: Node<'a>, place: &Place, remove: &[usize], insert: &[(usize, Child)]) -> Result<()> {
        let list = elements(node);
        let comment_inside = node.raw().contains('#');
        if list.is_empty() && !place.in_flow && !comment_inside {
            // A JSON document stays JSON.
            if !self.text.trim_start().starts_with(['{', '[']) {
                self.refuse_properties(node)?;
                return self.fill_with_block(node, place, &whole(node.kind(), insert));
            }
        }
        if node.is_flow() {
            self.flow_children(node, &list, remove, insert)
        } else if node.kind() == Kind::Seq {
            self.block_items(node, place, &list, remove, insert)
        } else {
            self.block_entries(node, place, &list, remove, insert)
        }
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

    fn block_items(
        &mut self,
        node: Node<'a>,
        place: &Place,
        list: &[Element<'a>],
        remove: &[usize],
        insert: &[(usize, Child)],
    ) -> Result<()> {
        let column = node.column();
        if remove.len() == list.len() && insert.is_empty() {
            return self.remove_all(node, list);
        }
        for &position in remove {
            let dash = self.dash_of(node, list[position].first)?;
            self.remove_lines(dash, list[position].end());
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
            let style = Block { gap, ..self.block_style(near, place) };
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
                let at = self.with_comments(dash, lower);
                self.splices.push(at..at, |out| {
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
    fn remove_lines(&mut self, first: usize, last: usize) {
        self.splices.push(self.line_start(first)..self.next_line(last), |_| {});
    }

    /// The last item goes: `env: []`.
    fn remove_all(&mut self, node: Node<'a>, list: &[Element<'a>]) -> Result<()> {
        self.refuse_properties(node)?;
        // A value's key is the node before it.
        let key = node.index().checked_sub(1).map(|index| self.document.node(index));
        let colon = key.and_then(|key| {
            let behind = key.span().end;
            self.text.get(behind..node.span().start)?.find(':').map(|at| behind + at + 1)
        });
        let Some(colon) = colon else {
            return Err(Error::refused("a sequence without a key can't be emptied").at(node.span()));
        };
        self.splices.push(colon..colon, |out| out.push_str(" []"));
        for item in list {
            let dash = self.dash_of(node, item.first)?;
            self.remove_lines(dash, item.end());
        }
        Ok(())
    }

    fn block_entries(
        &mut self,
        node: Node<'a>,
        place: &Place,
        list: &[Element<'a>],
        remove: &[usize],
        insert: &[(usize, Child)],
    ) -> Result<()> {
        let column = node.column();
        let nested = Place { in_flow: false, column, step: place.step, dash_offset: place.dash_offset };
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
                self.remove_lines(entry.start(), entry.end());
            } else if let Some(next) = list.get(position + 1) {
                self.splices.push(entry.start()..next.start(), |_| {});
            } else {
                return Err(Error::refused("the only key of a mapping can't be removed").at(entry.first.span()));
            }
        }
        Ok(())
    }

    /// Another key and value in the place of an entry; comments stay.
    fn replace_entry(&mut self, old: &Element<'a>, key: &str, value: &Value, column: usize, place: &Place) {
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

    // Flow collections.

    /// The habits of the flow collection at, or around, a node; new children of it are one step inside.
    fn flow_style(&self, node: Node<'a>) -> FlowStyle<'a> {
        let mut style = FlowStyle { json: false, colon: ": ", comma: ", ", lines: None };
        // The nearest quoted or unquoted key decides: in the node itself, then in the document.
        let maps = node.descendants().chain(self.document.root().descendants());
        if let Some((key, value)) = maps.filter(|map| map.is_flow()).find_map(|map| map.entries().next()) {
            style.json = key.kind() == Kind::Double;
            if style.json && key.span().end + 1 == value.span().start {
                style.colon = ":";
                style.comma = ",";
            }
        }
        let list = elements(node);
        let inside = match (node.kind(), list.first()) {
            // New entries, and what is in them, go line by line if the entries that are there do.
            (Kind::Map, Some(_)) => Some(node),
            // Items may stand on lines of their own and yet be written on one line each.
            (Kind::Seq, Some(first)) => Some(first.first),
            // Nothing in it shows a habit: the collection around it does.
            _ => self.around(node),
        };
        if style.json {
            style.lines = inside.and_then(|collection| self.lines_in(collection, node));
        }
        style
    }

    /// The flow collection that a node's key is in.
    fn around(&self, node: Node<'a>) -> Option<Node<'a>> {
        let holds = |outer: &Node<'a>| outer.index() < node.index() && node.index() < outer.entry().next;
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

    fn flow_children(
        &mut self,
        node: Node<'a>,
        list: &[Element<'a>],
        remove: &[usize],
        insert: &[(usize, Child)],
    ) -> Result<()> {
        let span = node.span();
        if !self.text[span.clone()].starts_with(['{', '[']) {
            return Err(Error::refused("a mapping without its own brackets is not edited")
                .at(span)
                .hint("write `{}` around it"));
        }
        if let Some(empty) = list.iter().find(|element| element.last.kind() == Kind::Empty) {
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
        if remove.len() == list.len() && node.kind() == Kind::Seq {
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
        for &position in remove.iter().filter(|position| !replaced.contains(position)) {
            let range = match (position.checked_sub(1), list.get(position + 1)) {
                (Some(before), _) => list[before].end()..list[position].end(),
                (None, Some(next)) => list[0].start()..next.start(),
                (None, None) => return Err(Error::refused("the only entry of a mapping can't be removed").at(span)),
            };
            self.refuse_comments(range.clone())?;
            self.splices.push(range, |_| {});
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

/// How block collections are written.
struct Block {
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
fn nested_column(value: &Value, column: usize, style: &Block) -> Option<usize> {
    match value {
        _ if is_empty(value) => None,
        Value::Map(_) => Some(column + style.step),
        Value::Seq(_) => Some(column + style.dash_offset),
        _ => None,
    }
}
