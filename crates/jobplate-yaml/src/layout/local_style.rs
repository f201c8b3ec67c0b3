//! Detects the style that surrounds an edited node (indentation, dashes, line endings), and inserts new lines.

use std::cell::OnceCell;

use jobplate_diagnostic::{Error, Result};

use super::super::edit::{Child, MAX_INDENTATION, Value};
use super::super::node_kind::NodeKind;
use super::super::splice::{NewText, Splices};
use super::super::tree::{Document, Node};

/// A document and the splices of its edits.
pub(super) struct Layout<'a, 's> {
    pub(super) document: Document<'a>,
    pub(super) text: &'a str,
    pub(super) splices: &'s mut Splices,
    /// The column and the offset of the last call of [`Layout::insert_lines`], and where it inserted the lines.
    last_insertion: Option<(usize, usize, usize)>,
    first_styles: FirstStyles<'a>,
}

/// Styles of the first collections of a document, which are searched once.
#[derive(Default)]
struct FirstStyles<'a> {
    step: OnceCell<Option<usize>>,
    dash_offset: OnceCell<Option<usize>>,
    flow_entry: OnceCell<Option<(Node<'a>, Node<'a>)>>,
}

/// The style that surrounds a node.
pub(super) struct LocalStyle {
    /// The index of the innermost collection that encloses the node.
    pub(super) parent: Option<u32>,
    /// Whether the node is inside a flow collection.
    pub(super) in_flow: bool,
    /// The column of the enclosing block mapping.
    pub(super) column: usize,
    /// The number of columns by which a nested mapping is indented.
    pub(super) step: usize,
    /// The number of columns from a key to the dashes of its sequence.
    pub(super) dash_offset: usize,
}

/// Changes to the children of a collection.
#[derive(Clone, Copy)]
pub(super) struct ChildChanges<'c, 'a> {
    /// The collection.
    pub node: Node<'a>,
    /// The children of the collection before the change.
    pub list: &'c [Element<'a>],
    /// The indices of the removed children, in ascending order.
    pub remove: &'c [usize],
    /// The new children in ascending order of index. Each is inserted before the existing child with its index, or at
    /// the end if there is no such child.
    pub insert: &'c [(usize, Child)],
}

/// A child of a collection: a key with its value, or an item.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    /// The key or the item.
    pub(super) first: Node<'a>,
    /// The value or the item.
    pub(super) last: Node<'a>,
}

impl Element<'_> {
    /// Returns the offset of the first byte.
    pub(super) fn start(&self) -> usize {
        self.first.span().start
    }

    /// Returns the offset after the last byte.
    pub(super) fn end(&self) -> usize {
        self.last.span().end
    }
}

/// Returns the first key or item of a collection.
pub(super) fn first_child<'a>(node: Node<'a>) -> Option<Node<'a>> {
    node.entries().next().map(|(key, _)| key).or_else(|| node.items().next())
}

/// Returns the children of a collection.
pub(super) fn elements<'a>(node: Node<'a>) -> Vec<Element<'a>> {
    match node.kind() {
        NodeKind::Map => node.entries().map(|(first, last)| Element { first, last }).collect(),
        _ => node.items().map(|item| Element { first: item, last: item }).collect(),
    }
}

/// Returns a collection of these new children.
pub(super) fn collection_of(kind: NodeKind, insert: &[(usize, Child)]) -> Value {
    let children = insert.iter().map(|(_, child)| child.clone());
    match kind {
        NodeKind::Map => Value::map(children.filter_map(Child::into_entry)),
        _ => Value::seq(children.filter_map(Child::into_item)),
    }
}

/// Returns whether ascending indices contain an index.
pub(super) fn is_in(indices: &[usize], index: usize) -> bool {
    indices.binary_search(&index).is_ok()
}

/// Returns the first key and value of a flow mapping in a subtree.
pub(super) fn first_flow_entry<'a>(node: Node<'a>) -> Option<(Node<'a>, Node<'a>)> {
    node.descendants().filter(|map| map.is_flow()).find_map(|map| map.entries().next())
}

impl<'a, 's> Layout<'a, 's> {
    /// Prepares the layout of edits of a document.
    pub(super) fn new(document: Document<'a>, splices: &'s mut Splices) -> Self {
        let first_styles = FirstStyles::default();
        Layout { document, text: document.text, splices, last_insertion: None, first_styles }
    }
}

impl<'a> Layout<'a, '_> {
    /// Returns the start of the line that contains `at`.
    pub(super) fn line_start(&self, at: usize) -> usize {
        memchr::memrchr(b'\n', &self.text.as_bytes()[..at]).map_or(0, |newline| newline + 1)
    }

    /// Returns the start of the line after the line that contains `at`, or the end of the text.
    pub(super) fn next_line(&self, at: usize) -> usize {
        memchr::memchr(b'\n', &self.text.as_bytes()[at..]).map_or(self.text.len(), |offset| at + offset + 1)
    }

    /// Returns the column of the byte at `at`, not counting a byte order mark.
    pub(super) fn column_of(&self, at: usize) -> usize {
        self.text[self.line_start(at)..at].trim_start_matches('\u{feff}').len()
    }

    /// Returns the line ending of the last line that ends before `at`, or of the first line if no line ends before
    /// `at`.
    pub(super) fn newline(&self, at: usize) -> &'static str {
        let bytes = self.text.as_bytes();
        let near = memchr::memrchr(b'\n', &bytes[..at]).or_else(|| memchr::memchr(b'\n', bytes));
        match near {
            Some(newline) if newline > 0 && bytes[newline - 1] == b'\r' => "\r\n",
            _ => "\n",
        }
    }

    /// Returns the style that surrounds a node: the style of its ancestors or, if they do not determine it, of the
    /// whole document.
    ///
    /// `previous_path` contains the path to the node of the previous call. The search starts there, so edits of many
    /// siblings take linear time in total.
    pub(super) fn style_at(&self, node: Node<'a>, previous_path: &mut Vec<u32>) -> Result<LocalStyle> {
        let mut style = LocalStyle { parent: None, in_flow: false, column: 0, step: 0, dash_offset: 0 };
        let mut dash_offset = None;
        let mut current = self.document.root();
        let mut column_of_map = None;
        let mut depth = 0;
        while current.index() != node.index() {
            if current.is_flow() {
                style.in_flow = true;
            } else if current.kind() == NodeKind::Map {
                if let Some(outer) = column_of_map {
                    style.step = current.column().saturating_sub(outer);
                }
                style.column = current.column();
                column_of_map = Some(current.column());
            } else if current.kind() == NodeKind::Seq
                && let Some(outer) = column_of_map.take()
            {
                dash_offset = Some(current.column().saturating_sub(outer));
            }
            let Some(child) = current.child_containing(node, previous_path.get(depth).copied()) else {
                return Err(Error::new(
                    jobplate_diagnostic::ErrorKind::Internal,
                    "an edit of a node that does not exist",
                ));
            };
            if previous_path.get(depth) != Some(&child.index()) {
                previous_path.truncate(depth);
                previous_path.push(child.index());
            }
            style.parent = Some(current.index());
            current = child;
            depth += 1;
        }
        if style.in_flow {
            return Ok(style);
        }
        let column = style.column.max(if node.is_flow() { 0 } else { node.column() });
        if column.max(style.step).max(dash_offset.unwrap_or(0)) > MAX_INDENTATION {
            let message = format!("the edited lines have more than {MAX_INDENTATION} columns of indentation");
            return Err(Error::refused(message).at(node.span()).hint("reduce the indentation"));
        }
        if style.step == 0 {
            style.step = self.first_step().unwrap_or(2);
        }
        style.dash_offset = dash_offset.or_else(|| self.first_dash_offset()).unwrap_or(style.step);
        Ok(style)
    }

    /// Returns the indentation of the first mapping in a mapping.
    fn first_step(&self) -> Option<usize> {
        *self.first_styles.step.get_or_init(|| self.first_offset(NodeKind::Map))
    }

    /// Returns the number of columns from a key to the dashes of its sequence, for the first sequence in a mapping.
    fn first_dash_offset(&self) -> Option<usize> {
        *self.first_styles.dash_offset.get_or_init(|| self.first_offset(NodeKind::Seq))
    }

    /// Returns the number of columns from a mapping to the first collection of this kind in it.
    fn first_offset(&self, kind: NodeKind) -> Option<usize> {
        let (column, value) = self.block_values().find(|(_, value)| value.kind() == kind)?;
        Some(value.column().saturating_sub(column)).filter(|offset| *offset <= MAX_INDENTATION)
    }

    /// Returns the first key and value of a flow mapping in the document.
    pub(super) fn first_flow_entry(&self) -> Option<(Node<'a>, Node<'a>)> {
        *self.first_styles.flow_entry.get_or_init(|| first_flow_entry(self.document.root()))
    }

    /// Returns the block collections that are values of block mappings, each with the column of the mapping.
    fn block_values(&self) -> impl Iterator<Item = (usize, Node<'a>)> + use<'a> {
        let is_block = |node: &Node<'a>| matches!(node.kind(), NodeKind::Map | NodeKind::Seq) && !node.is_flow();
        let maps =
            self.document.root().descendants().filter(move |node| is_block(node) && node.kind() == NodeKind::Map);
        maps.flat_map(move |map| map.entries().map(move |(_, value)| (map.column(), value)))
            .filter(move |(_, value)| is_block(value))
    }

    /// Refuses a value with an anchor or a tag.
    pub(super) fn refuse_properties(&self, node: Node<'a>) -> Result<()> {
        let property = match (node.anchor(), node.tag()) {
            (Some(_), _) => "an anchor",
            (_, Some(_)) => "a tag",
            _ => return Ok(()),
        };
        Err(Error::refused(format!("cannot edit a value with {property}")).at(node.span()).hint("remove it"))
    }

    /// Inserts whole lines after the line that contains `at`. `write` appends the lines from `column` of the first line,
    /// without the last line break. If `at` is in the last line and that has no line break,
    /// [`Splices::fix_final_newline`] moves the final line break of the new lines before them.
    pub(super) fn insert_lines(&mut self, at: usize, column: usize, write: impl FnOnce(&mut NewText)) {
        let newline = self.newline(at);
        let next = match self.last_insertion {
            Some((last_column, last_at, next)) if (last_column, last_at) == (column, at) => next,
            _ => self.insertion_point(at, column),
        };
        self.last_insertion = Some((column, at, next));
        self.splices.push_lines(next..next, |out| {
            out.push_spaces(column);
            write(out);
            out.push_str(newline);
        });
    }

    /// Returns the start of the line after the line that contains `at` and after the comments that belong to that line,
    /// which are deeper than `column`.
    fn insertion_point(&self, at: usize, column: usize) -> usize {
        let mut next = self.next_line(at);
        while let Some(line) = self.text.get(next..).filter(|_| next > at) {
            let content = line.trim_start_matches(' ');
            if !content.starts_with('#') || line.len() - content.len() <= column {
                break;
            }
            next = self.next_line(next);
        }
        next
    }
}
