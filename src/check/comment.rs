//! Recognizes ignore comments, and finds the place where one can be inserted.

use std::collections::BTreeSet;
use std::ops::Range;

use jobplate_yaml::{Document, Node, NodeKind};

/// The beginning of an ignore comment that is inserted.
const MARKER: &str = "jobplate: ignore";

/// The beginning of the text by which an ignore comment is recognized.
const MARKER_START: &str = "jobplate:";

/// The rest of that text, after any number of spaces.
const MARKER_END: &str = "ignore";

/// Returns the byte ranges of the texts by which ignore comments are recognized.
pub(super) fn find_markers(text: &str) -> impl Iterator<Item = Range<usize>> {
    memchr::memmem::find_iter(text.as_bytes(), MARKER_START).filter_map(move |start| {
        let rest = text[start + MARKER_START.len()..].trim_start_matches(' ').strip_prefix(MARKER_END)?;
        Some(start..text.len() - rest.len())
    })
}

/// Returns whether a document may have ignore comments.
pub(super) fn has_marker(text: &str) -> bool {
    find_markers(text).next().is_some()
}

/// Where an ignore comment for a finding can be inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommentPlace {
    /// On a new line before the line with this offset.
    LineBefore(usize),
    /// At the end of a line.
    LineEnd(usize),
    /// At the end of the list of rules in a comment.
    RuleList(usize),
}

impl CommentPlace {
    /// Returns the place for a finding at an offset, or `None` if the document has none.
    pub(super) fn find(document: Document<'_>, at: usize) -> Option<Self> {
        // A document that starts with a brace is usually JSON, which has no comments.
        if document.root().is_flow() {
            return None;
        }
        let text = document.text;
        let start = line_start(text, at);
        let end = start + text[start..line_end(text, at)].trim_end_matches('\r').len();
        let inner = |at: usize| document.node_at(at).filter(|node| is_inside(*node, at));
        let Some(scalar) = inner(end) else {
            let list_end = list_end(document, start..end);
            return Some(list_end.map_or(CommentPlace::LineEnd(end), CommentPlace::RuleList));
        };
        let start = line_start(text, scalar.span().start);
        inner(start).is_none().then_some(CommentPlace::LineBefore(start))
    }

    /// Returns the place with its offset converted by `convert`.
    pub(super) fn map(self, convert: impl Fn(usize) -> usize) -> Self {
        match self {
            CommentPlace::LineBefore(at) => CommentPlace::LineBefore(convert(at)),
            CommentPlace::LineEnd(at) => CommentPlace::LineEnd(convert(at)),
            CommentPlace::RuleList(at) => CommentPlace::RuleList(convert(at)),
        }
    }

    /// Returns the offset and the text of a comment with these rules.
    pub(super) fn insertion(self, text: &str, rules: &BTreeSet<&str>, reason: &str) -> (usize, String) {
        let rules = rules.iter().copied().collect::<Vec<_>>().join(", ");
        let comment = format!("# {MARKER}[{rules}] {reason}").trim_end().to_owned();
        match self {
            CommentPlace::RuleList(at) if text[..at].trim_end().ends_with(['[', ',']) => (at, rules),
            CommentPlace::RuleList(at) => (at, format!(", {rules}")),
            // Linters of YAML ask for two spaces.
            CommentPlace::LineEnd(at) => (at, format!("  {comment}")),
            CommentPlace::LineBefore(at) => {
                let start = line_start(text, at);
                let line = &text[start..line_end(text, at)];
                let indentation = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
                let line_break = if line.ends_with('\r') { "\r\n" } else { "\n" };
                (start, format!("{indentation}{comment}{line_break}"))
            }
        }
    }
}

/// Returns the offset of the `#` before `at` if it starts a comment, or is in one.
pub(super) fn comment_start(document: Document<'_>, at: usize) -> Option<usize> {
    let before = document.text[..at].trim_end_matches([' ', '\t']);
    let hash = before.strip_suffix('#')?.len();
    let is_separate = document.text[..hash].chars().next_back().is_none_or(|c| c.is_whitespace() || c == '\u{feff}');
    (is_separate && !document.node_at(hash).is_some_and(|node| is_content(node, hash))).then_some(hash)
}

/// Returns whether the byte at an offset belongs to the content of a node that starts before it.
fn is_content(node: Node<'_>, at: usize) -> bool {
    let has_header = matches!(node.kind(), NodeKind::Literal | NodeKind::Folded);
    let is_in_header = || at < line_end(node.document().text, node.span().start);
    (node.is_scalar() || node.kind() == NodeKind::Alias) && node.span().contains(&at) && !(has_header && is_in_header())
}

/// Returns the offset of the `]` of the last ignore comment in a line, or `None` if the line has no such comment.
fn list_end(document: Document<'_>, line: Range<usize>) -> Option<usize> {
    let marker = find_markers(&document.text[line.clone()]).last()?;
    comment_start(document, line.start + marker.start)?;
    let list = line.start + marker.end;
    let rest = document.text[list..line.end].strip_prefix('[')?;
    Some(list + 1 + rest.find(']')?)
}

/// Returns whether a comment at an offset would be part of a scalar, or of the header of a block scalar.
fn is_inside(node: Node<'_>, at: usize) -> bool {
    let span = node.span();
    let is_block = matches!(node.kind(), NodeKind::Literal | NodeKind::Folded);
    node.is_scalar() && span.start < at && (at < span.end || is_block && at == span.end)
}

/// Returns the start of the line that contains `at`.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    memchr::memrchr(b'\n', &text.as_bytes()[..at]).map_or(0, |line_break| line_break + 1)
}

/// Returns the offset of the line break after `at`, or the length of the text.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    memchr::memchr(b'\n', &text.as_bytes()[at..]).map_or(text.len(), |length| at + length)
}
