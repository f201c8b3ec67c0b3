//! Finds the paths from one node to many of its descendants. [`Node::path_to`] searches the children of every node on
//! the path in each call.

use super::node_kind::NodeKind;
use super::tree::Node;

/// A step on a path: a collection, and the child at which the path continues.
#[derive(Clone, Copy, Debug)]
pub struct PathStep<'a> {
    /// The collection.
    pub parent: Node<'a>,
    /// The key of the child. `None` for an item of a sequence, and if the child is a key itself.
    pub key: Option<Node<'a>>,
    /// The 0-based position of the child among the items or entries.
    pub position: usize,
    /// The child.
    pub child: Node<'a>,
}

/// A cursor that moves from one descendant of a node to the next. It takes linear time for all descendants together if
/// they are visited in document order.
#[derive(Debug)]
pub struct PathCursor<'a> {
    root: Node<'a>,
    steps: Vec<PathStep<'a>>,
}

impl<'a> PathCursor<'a> {
    /// Creates a cursor for the descendants of a node.
    pub fn new(root: Node<'a>) -> Self {
        PathCursor { root, steps: Vec::new() }
    }

    /// Returns the steps from the root to a node. Returns no steps for the root and for a node outside of it.
    pub fn steps_to(&mut self, node: Node<'_>) -> &[PathStep<'a>] {
        // The last step that is not shared with the previous path is kept as the start of the next search.
        let mut start = None;
        while let Some(last) = self.steps.last().filter(|last| !last.child.contains(node)) {
            start = Some(*last).filter(|last| last.child.index() < node.index());
            self.steps.pop();
        }
        let mut parent = self.steps.last().map_or(self.root, |step| step.child);
        while parent.index() < node.index() {
            let Some(step) = find_child(parent, node, start.take()) else { break };
            self.steps.push(step);
            parent = step.child;
        }
        &self.steps
    }
}

/// Returns the step from a collection to its child that contains `node`. The search begins at the step `start`, or at
/// the first child.
fn find_child<'a>(parent: Node<'a>, node: Node<'_>, start: Option<PathStep<'a>>) -> Option<PathStep<'a>> {
    let is_map = parent.kind() == NodeKind::Map;
    let (mut position, mut index, mut key) = match start {
        None => (0, parent.index() + 1, None),
        Some(PathStep { position, key, child, .. }) => (position, child.index(), key),
    };
    // The value of an entry follows its key.
    let mut is_key = is_map && key.is_none();
    while index < parent.subtree_end() {
        let child = parent.document().node(index);
        if child.contains(node) {
            return Some(PathStep { parent, key, position, child });
        }
        index = child.subtree_end();
        key = is_key.then_some(child);
        position += usize::from(!is_key);
        is_key = is_map && !is_key;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::fallback::read;
    use super::super::tree::{Document, NodeArena};
    use super::*;

    #[test]
    fn finds_the_same_paths_as_a_search_from_the_root() {
        let text = "a: [1, {b: c, d: [e, f]}, 2]\n? [g, h]\n: {i: {j: k}, l: m}\nn: {}\n";
        let mut arena = NodeArena::default();
        read(text, &mut arena).unwrap();
        let root = Document::new(text, &arena).root();
        let check = |cursor: &mut PathCursor<'_>, node: Node<'_>| {
            let expected: Vec<u32> = root.path_to(node).map(Node::index).collect();
            let steps = cursor.steps_to(node);
            assert_eq!(steps.iter().map(|step| step.parent.index()).collect::<Vec<_>>(), expected);
            for PathStep { parent, key, position, child } in steps {
                let entry = parent.entries().nth(*position);
                let is_child = match key {
                    Some(key) => {
                        entry.is_some_and(|entry| entry.0.index() == key.index() && entry.1.index() == child.index())
                    }
                    None => {
                        entry.is_some_and(|entry| entry.0.index() == child.index())
                            || parent.items().nth(*position).is_some_and(|item| item.index() == child.index())
                    }
                };
                assert!(is_child, "{parent:?} {position}");
            }
        };
        let nodes: Vec<Node<'_>> = root.descendants().collect();
        let mut cursor = PathCursor::new(root);
        nodes.iter().for_each(|node| check(&mut cursor, *node));
        for first in &nodes {
            for second in &nodes {
                let mut cursor = PathCursor::new(root);
                check(&mut cursor, *first);
                check(&mut cursor, *second);
            }
        }
    }
}
