//! A common tree for the results of all readers, so the checks can compare and edit all results in the same way.
//!
//! The tree depends neither on the readers nor on Kubernetes. `granit`, `scanner`, `witness` and `goyaml` create these
//! trees.

use std::fmt::Write as _;

/// The kind of a node: its style if the reader reports styles, otherwise its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeKind {
    Map,
    Seq,
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
    Folded,
    /// An alias, with the name of its anchor as text.
    Alias,
    /// An empty node.
    Empty,
    Null,
    Bool,
    Number,
    String,
    /// A string that the edit wrote, in any style. Used only in expected trees.
    NewString,
    /// A mapping that the edit wrote, with its keys in any order. Used only in expected trees.
    NewMap,
}

/// A node and its descendants. The children of a mapping are alternately its keys and values.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub kind: NodeKind,
    pub text: String,
    pub anchor: Option<String>,
    pub tag: Option<String>,
    pub flow: bool,
    pub children: Vec<Tree>,
    /// The offset of the first byte, or 0 if the reader does not report it.
    pub start: usize,
    /// The keys and values that the edit added to this mapping at any position. Used only in expected trees.
    pub added: Vec<(String, Tree)>,
}

impl Tree {
    pub(crate) fn new(kind: NodeKind, text: impl Into<String>) -> Self {
        let text = text.into();
        Tree { kind, text, anchor: None, tag: None, flow: false, children: Vec::new(), start: 0, added: Vec::new() }
    }

    pub(crate) fn is_scalar(&self) -> bool {
        !matches!(self.kind, NodeKind::Map | NodeKind::Seq | NodeKind::Alias | NodeKind::NewMap)
    }

    /// Returns whether the node is null. If the reader reports no types, the null keywords of all YAML versions count.
    pub(crate) fn is_null(&self) -> bool {
        match self.kind {
            NodeKind::Empty | NodeKind::Null => self.tag.is_none(),
            NodeKind::Plain => self.tag.is_none() && matches!(self.text.as_str(), "~" | "null" | "Null" | "NULL"),
            _ => false,
        }
    }

    /// Returns whether the node is a scalar with this text.
    pub(crate) fn has_text(&self, text: &str) -> bool {
        self.is_scalar() && self.text == text
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Tree, &Tree)> {
        let children: &[Tree] =
            if matches!(self.kind, NodeKind::Map | NodeKind::NewMap) { &self.children } else { &[] };
        children.chunks_exact(2).map(|pair| (&pair[0], &pair[1]))
    }

    pub(crate) fn items(&self) -> &[Tree] {
        if self.kind == NodeKind::Seq { &self.children } else { &[] }
    }

    /// Returns the child index of the value under a key, and whether the key is duplicate.
    pub(crate) fn find(&self, key: &str) -> (Option<usize>, bool) {
        let mut positions =
            self.entries().enumerate().filter(|(_, (name, _))| name.has_text(key)).map(|(at, _)| 2 * at + 1);
        (positions.next(), positions.next().is_some())
    }

    /// Returns the node at a path of child indices.
    pub(crate) fn at(&self, path: &[usize]) -> &Tree {
        path.iter().fold(self, |node, &child| &node.children[child])
    }

    pub(crate) fn at_mut(&mut self, path: &[usize]) -> &mut Tree {
        path.iter().fold(self, |node, &child| &mut node.children[child])
    }

    /// Compares this expected tree with an actual tree. The error describes the location and the difference.
    pub(crate) fn expect(&self, actual: &Tree) -> Result<(), String> {
        let mut location = String::new();
        self.expect_at(actual, &mut location)
            .map_err(|message| format!("at {}: {message}", if location.is_empty() { "/" } else { &location }))
    }

    fn expect_at(&self, actual: &Tree, location: &mut String) -> Result<(), String> {
        let mismatch = || Err(format!("expected {}, got {}", self.show(), actual.show()));
        match self.kind {
            NodeKind::NewString => {
                let is_string = matches!(
                    actual.kind,
                    NodeKind::String | NodeKind::DoubleQuoted | NodeKind::SingleQuoted | NodeKind::Plain
                );
                let has_same_tag = actual.tag == self.tag || actual.tag.as_deref().is_none_or(|tag| tag == "!!str");
                return if is_string && has_same_tag && actual.text == self.text { Ok(()) } else { mismatch() };
            }
            NodeKind::NewMap => {
                if actual.kind != NodeKind::Map
                    || actual.children.len() != self.children.len()
                    || actual.anchor != self.anchor
                {
                    return mismatch();
                }
                for pair in self.children.chunks_exact(2) {
                    let (Some(at), false) = actual.find(&pair[0].text) else { return mismatch() };
                    pair[0].expect_at(&actual.children[at - 1], location)?;
                    descend(location, &pair[0].text, |location| pair[1].expect_at(&actual.children[at], location))?;
                }
                return Ok(());
            }
            _ => {}
        }
        if self.kind != actual.kind
            || self.anchor != actual.anchor
            || self.tag != actual.tag
            || self.text != actual.text
        {
            return mismatch();
        }
        let mut rest: Vec<&Tree> = actual.children.iter().collect();
        for (key, value) in &self.added {
            let (Some(at), false) = actual.find(key) else { return mismatch() };
            Tree::new(NodeKind::NewString, key).expect_at(&actual.children[at - 1], location)?;
            descend(location, key, |location| value.expect_at(&actual.children[at], location))?;
            rest.retain(|child| {
                !std::ptr::eq(*child, &raw const actual.children[at - 1])
                    && !std::ptr::eq(*child, &raw const actual.children[at])
            });
        }
        if rest.len() != self.children.len() {
            return Err(format!(
                "expected {} children, got {}: {} and {}",
                self.children.len(),
                rest.len(),
                self.show(),
                actual.show()
            ));
        }
        for (at, (expected, actual)) in self.children.iter().zip(rest).enumerate() {
            let name = match self.kind {
                NodeKind::Map if at % 2 == 1 => self.children[at - 1].text.clone(),
                NodeKind::Map => format!("key {}", at / 2),
                _ => at.to_string(),
            };
            descend(location, &name, |location| expected.expect_at(actual, location))?;
        }
        Ok(())
    }

    /// Formats the node briefly, for messages.
    pub(crate) fn show(&self) -> String {
        let mut out = String::new();
        self.show_into(&mut out);
        if out.len() > 400 {
            let end = out.floor_char_boundary(400);
            out.truncate(end);
            out.push('…');
        }
        out
    }

    fn show_into(&self, out: &mut String) {
        if let Some(anchor) = &self.anchor {
            let _ = write!(out, "&{anchor} ");
        }
        if let Some(tag) = &self.tag {
            let _ = write!(out, "{tag} ");
        }
        match self.kind {
            NodeKind::Seq => {
                out.push('[');
                for child in &self.children {
                    child.show_into(out);
                    out.push_str(", ");
                }
                out.push(']');
            }
            NodeKind::Map | NodeKind::NewMap => {
                out.push('{');
                for pair in self.children.chunks_exact(2) {
                    pair[0].show_into(out);
                    out.push_str(": ");
                    pair[1].show_into(out);
                    out.push_str(", ");
                }
                for (key, value) in &self.added {
                    let _ = write!(out, "+{key}: ");
                    value.show_into(out);
                }
                out.push('}');
            }
            kind => {
                let _ = write!(out, "{kind:?}({:?})", self.text);
            }
        }
    }
}

/// Appends a name to the location while `compare` runs. After a failure, the location is not reset, so it locates the
/// difference.
fn descend<T>(
    location: &mut String,
    name: &str,
    compare: impl FnOnce(&mut String) -> Result<T, String>,
) -> Result<T, String> {
    let length = location.len();
    location.push('/');
    location.push_str(name);
    let result = compare(location);
    if result.is_ok() {
        location.truncate(length);
    }
    result
}
