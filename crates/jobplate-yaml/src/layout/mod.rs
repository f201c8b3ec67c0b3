//! Layout: how an edit looks in this document. Edits in, splices out.
//!
//! New text takes the document's own habits: indentation step, dash offset, line ending, flow spacing.
//! Comments stay where they are. What can't be written safely is refused. Whether the result means what
//! was asked is not decided here but by `verify`.

mod block;
mod flow;

use std::ops::Range;
use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};

use super::edit::{Change, Child, Edit, Value};
use super::inner::Inner;
use super::kind::Kind;
use super::scalar::{self, Chomping};
use super::splice::Splices;
use super::tree::{Document, Node};

/// Turns edits into splices; fails where no safe text can be written.
pub(super) fn layout(document: Document<'_>, edits: &[Edit], splices: &mut Splices) -> Result<()> {
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
            let before = document.last_before(offset);
            before.is_some_and(|node| matches!(node.kind(), Kind::Literal | Kind::Folded))
        };
        splices.settle_end(document.text, newline, ends_block_scalar);
        in_order = splices.sort();
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
    ///
    /// The trail is the way to the node before: among many siblings, the search goes on from there.
    fn place_of(&self, node: Node<'a>, trail: &mut Vec<u32>) -> Result<Place> {
        let mut place = Place { in_flow: false, column: 0, step: 0, dash_offset: usize::MAX };
        let mut at = self.document.root();
        let mut column_of_map = None;
        let mut depth = 0;
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
            let Some(child) = at.child_towards(node, trail.get(depth).copied()) else {
                return Err(Error::new(jobplate_diagnostic::Kind::Internal, "an edit of a node that is not there"));
            };
            if trail.get(depth) != Some(&child.index()) {
                trail.truncate(depth);
                trail.push(child.index());
            }
            at = child;
            depth += 1;
        }
        if place.in_flow {
            return Ok(place);
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

    // The text inside of a scalar.

    fn text(&mut self, node: Node<'a>, splices: &[(Range<usize>, Rc<str>)]) -> Result<()> {
        self.refuse_properties(node)?;
        let inner = Inner::new(node);
        for (range, text) in splices {
            let at = inner.outside(range.start);
            let Some((range, text)) = inner.splice(range.clone(), text) else {
                return Err(Error::refused("a text in this style can't take the edit")
                    .at(at..at)
                    .hint("write it as a block: put `|` behind the key, and the text in the lines below"));
            };
            self.splices.push(range, |out| out.push_str(&text));
        }
        Ok(())
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
            self.write_block(&mut text, value, 0, &self.block_style(node.span().end, place));
            self.splices.push(node.span(), |out| out.push_str(&text));
            return Ok(());
        }
        self.fill_with_block(node, place, value)
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

    /// Puts whole lines behind the line of `at`. Behind a last line without a break, [`Splices::settle_end`]
    /// moves the break to where it belongs.
    fn insert_lines(&mut self, at: usize, lines: &str) {
        let newline = self.newline(at);
        let column = lines.len() - lines.trim_start_matches(' ').len();
        let mut next = self.next_line(at);
        // Comments that are indented deeper belong to what stands above them.
        while let Some(line) = self.text.get(next..).filter(|_| next > at) {
            let content = line.trim_start_matches(' ');
            if !content.starts_with('#') || line.len() - content.len() <= column {
                break;
            }
            next = self.next_line(next);
        }
        self.splices.push_lines(next..next, |out| {
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

    fn children(&mut self, node: Node<'a>, place: &Place, remove: &[usize], insert: &[(usize, Child)]) -> Result<()> {
        let list = elements(node);
        let comment_inside = node.raw().contains('#');
        if list.is_empty() && !place.in_flow && !comment_inside {
            self.refuse_properties(node)?;
            return self.fill_with_block(node, place, &whole(node.kind(), insert));
        }
        if node.is_flow() {
            self.flow_children(node, &list, remove, insert)
        } else if node.kind() == Kind::Seq {
            self.block_items(node, place, &list, remove, insert)
        } else {
            self.block_entries(node, place, &list, remove, insert)
        }
    }
}
