//! Where an edited node stands, and which habits of the document hold there: indentation step, dash offset,
//! line ending. Where new lines go.

use jobplate_diagnostic::{Error, Result};

use super::super::edit::{Child, Value};
use super::super::node_kind::NodeKind;
use super::super::splice::Splices;
use super::super::tree::{Document, Node};

/// A document, and the splices that its edits become.
pub(super) struct Layout<'a, 's> {
    pub(super) document: Document<'a>,
    pub(super) text: &'a str,
    pub(super) splices: &'s mut Splices,
}

/// Where a node stands, and the habits that hold there.
pub(super) struct LocalStyle {
    /// Inside a flow collection.
    pub(super) in_flow: bool,
    /// Column of the block mapping around it.
    pub(super) column: usize,
    /// Columns that a nested mapping is indented by.
    pub(super) step: usize,
    /// Columns from a key to the dashes of its sequence.
    pub(super) dash_offset: usize,
}

/// Changes to the children of a collection.
#[derive(Clone, Copy)]
pub(super) struct ChildChanges<'c, 'a> {
    /// The collection.
    pub node: Node<'a>,
    /// Its children as they are.
    pub list: &'c [Element<'a>],
    /// Positions of those that are removed, ascending.
    pub remove: &'c [usize],
    /// New ones, each with the position that it is inserted before, ascending.
    pub insert: &'c [(usize, Child)],
}

/// A child of a flow collection, or of a block one: a key with its value, or an item.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) first: Node<'a>,
    pub(super) last: Node<'a>,
}

impl Element<'_> {
    pub(super) fn start(&self) -> usize {
        self.first.span().start
    }
    pub(super) fn end(&self) -> usize {
        self.last.span().end
    }
}

/// The elements of a collection.
pub(super) fn elements<'a>(node: Node<'a>) -> Vec<Element<'a>> {
    match node.kind() {
        NodeKind::Map => node.entries().map(|(first, last)| Element { first, last }).collect(),
        _ => node.items().map(|item| Element { first: item, last: item }).collect(),
    }
}

/// New children as the whole of a collection that had none.
pub(super) fn whole(kind: NodeKind, insert: &[(usize, Child)]) -> Value {
    let children = insert.iter().map(|(_, child)| child.clone());
    match kind {
        NodeKind::Map => Value::map(children.filter_map(Child::into_entry)),
        _ => Value::seq(children.filter_map(Child::into_item)),
    }
}

/// Writes as many spaces.
pub(super) fn spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

impl<'a> Layout<'a, '_> {
    /// The first byte of the line of `at`.
    pub(super) fn line_start(&self, at: usize) -> usize {
        memchr::memrchr(b'\n', &self.text.as_bytes()[..at]).map_or(0, |newline| newline + 1)
    }

    /// Past the line break that ends the line of `at`; or the end of the text.
    pub(super) fn next_line(&self, at: usize) -> usize {
        memchr::memchr(b'\n', &self.text.as_bytes()[at..]).map_or(self.text.len(), |offset| at + offset + 1)
    }

    /// The column of a byte: what stands before it on its line, a byte order mark aside.
    pub(super) fn column(&self, at: usize) -> usize {
        self.text[self.line_start(at)..at].trim_start_matches('\u{feff}').len()
    }

    /// The line ending in use at `at`: the one before it, else the one after it.
    pub(super) fn newline(&self, at: usize) -> &'static str {
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
    pub(super) fn place_of(&self, node: Node<'a>, trail: &mut Vec<u32>) -> Result<LocalStyle> {
        let mut place = LocalStyle { in_flow: false, column: 0, step: 0, dash_offset: usize::MAX };
        let mut at = self.document.root();
        let mut column_of_map = None;
        let mut depth = 0;
        while at.index() != node.index() {
            if at.is_flow() {
                place.in_flow = true;
            } else if at.kind() == NodeKind::Map {
                if let Some(outer) = column_of_map {
                    place.step = at.column().saturating_sub(outer);
                }
                place.column = at.column();
                column_of_map = Some(at.column());
            } else if at.kind() == NodeKind::Seq
                && let Some(outer) = column_of_map.take()
            {
                place.dash_offset = at.column().saturating_sub(outer);
            }
            let Some(child) = at.child_containing(node, trail.get(depth).copied()) else {
                return Err(Error::new(jobplate_diagnostic::ErrorKind::Internal, "an edit of a node that is not there"));
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
            .find(|(_, value)| value.kind() == NodeKind::Map)
            .map(|(column, value)| value.column().saturating_sub(column))
    }

    fn first_dash_offset(&self) -> Option<usize> {
        self.block_values()
            .find(|(_, value)| value.kind() == NodeKind::Seq)
            .map(|(column, value)| value.column().saturating_sub(column))
    }

    /// Block collections that are values in block mappings, with the mapping's column.
    fn block_values(&self) -> impl Iterator<Item = (usize, Node<'a>)> + use<'a> {
        let block = |node: &Node<'a>| matches!(node.kind(), NodeKind::Map | NodeKind::Seq) && !node.is_flow();
        let maps = self.document.root().descendants().filter(move |node| block(node) && node.kind() == NodeKind::Map);
        maps.flat_map(move |map| map.entries().map(move |(_, value)| (map.column(), value)))
            .filter(move |(_, value)| block(value))
    }

    /// Refuses a value with an anchor or a tag.
    pub(super) fn refuse_properties(&self, node: Node<'a>) -> Result<()> {
        let what = match (node.anchor(), node.tag()) {
            (Some(_), _) => "an anchor",
            (_, Some(_)) => "a tag",
            _ => return Ok(()),
        };
        Err(Error::refused(format!("a value with {what} is not edited"))
            .at(node.span())
            .hint("write it out without it"))
    }

    /// Puts whole lines behind the line of `at`. Behind a last line without a break, [`Splices::fix_final_newline`]
    /// moves the break to where it belongs.
    pub(super) fn insert_lines(&mut self, at: usize, lines: &str) {
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
}
